// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"encoding/hex"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/puck-otel/puck/internal/protocol"
)

var (
	overUDP = protocol.Conn{Transport: protocol.UDP}
	overTCP = protocol.Conn{Transport: protocol.TCP}
)

const (
	query    = "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03www\x07example\x03com\x00\x00\x01\x00\x01"
	response = "\x12\x34\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00\x03www\x07example\x03com\x00\x00\x01\x00\x01" +
		"\xc0\x0c\x00\x01\x00\x01\x00\x00\x01\x2c\x00\x04\xc0\x00\x02\x01"
)

func TestMatch(t *testing.T) {
	with := func(s string, at int, b byte) string { return s[:at] + string([]byte{b}) + s[at+1:] }
	for _, test := range []struct {
		name, data string
		want       protocol.Match
	}{
		{"query", query, protocol.IsRequest},
		{"response", response, protocol.IsResponse},
		{"query, byte behind it", query + "\x00", protocol.No},
		{"query, cut", query[:len(query)-1], protocol.No},
		{"response, byte behind it", response + "\x00", protocol.No},
		{"response, cut", response[:len(response)-1], protocol.No},
		{"two questions", with(query, 5, 2), protocol.No},
		{"no question", query[:5] + "\x00" + query[6:12], protocol.No},
		{"answer in a query", with(response, 2, 1), protocol.No},
		{"reserved flag", with(query, 3, flagZ), protocol.No},
		{"rcode in a query", with(query, 3, 1), protocol.No},
		{"truncated query", with(query, 2, 3), protocol.No},
		{"unknown opcode", with(query, 2, 0x19), protocol.No},
		{"unknown class", with(query, len(query)-1, 9), protocol.No},
		{"type 0", with(query, len(query)-3, 0), protocol.No},
		{"name with a space", with(query, 14, ' '), protocol.No},
		{"name with a pointer", with(query, 12, 0xc0), protocol.No},
		{"nothing", "", protocol.No},
		{"zeros", strings.Repeat("\x00", 48), protocol.No},
		{"NTP", "\x23\x02\x06\xec" + strings.Repeat("\x00", 44), protocol.No},
		{"QUIC", "\xc3\x00\x00\x00\x01\x08\x01\x02\x03\x04\x05\x06\x07\x08\x00\x00\x44\x9e" + strings.Repeat("\x55", 1180), protocol.No},
		{"STUN", "\x00\x01\x00\x00\x21\x12\xa4\x42abcdefghijkl", protocol.No},
		{"SSDP", "M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\n\r\n", protocol.No},
		{"syslog", "<34>1 2026-11-25T09:00:00Z host app - - - text", protocol.No},
	} {
		if got := match(&overUDP, protocol.Either, []byte(test.data)); got != test.want {
			t.Errorf("%s: %d, want %d", test.name, got, test.want)
		}
	}
}

// TestMatchOfStreams matches no beginning of a message, nor one with bytes behind it less
// than the message itself.
func TestMatchOfStreams(t *testing.T) {
	for message, want := range map[string]protocol.Match{query: protocol.IsRequest, response: protocol.IsResponse} {
		data := []byte("\x00" + string([]byte{byte(len(message))}) + message)
		for n := range data {
			if got := match(&overTCP, protocol.Either, data[:n]); got != protocol.Maybe {
				t.Fatalf("%d bytes: %d, want %d", n, got, protocol.Maybe)
			}
		}
		for _, tail := range []string{"", "\x00", "\x00\x20more"} {
			if got := match(&overTCP, protocol.Either, append(data, tail...)); got != want {
				t.Errorf("with %q: %d, want %d", tail, got, want)
			}
		}
	}
	for _, data := range []string{
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "POST / HTTP/1.1\r\n", "PUT /x HTTP/1.1\r\n", "HTTP/1.1 200 OK\r\n", "\x00\x10\x00\x00",
		"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + strings.Repeat("\x11", 40), "SSH-2.0-OpenSSH_9.2\r\n", "*1\r\n$4\r\nPING\r\n",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\x00\x00\x00\x12\x04\x00\x00\x00\x00\x00", "\x00\x00\x00\x08\x04\xd2\x16\x2f",
	} {
		if got := match(&overTCP, protocol.Either, []byte(data)); got != protocol.No {
			t.Errorf("%q: %d, want %d", data, got, protocol.No)
		}
	}
}

// TestMatchOfNoise shows random bytes, whose beginning is that of a message in half of
// the cases.
func TestMatchOfNoise(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 300_000 {
		data := make([]byte, rng.IntN(120))
		for i := range data {
			data[i] = byte(rng.Uint32())
		}
		if rng.IntN(2) == 0 {
			copy(data, query[:6])
		}
		for _, c := range []*protocol.Conn{&overUDP, &overTCP} {
			if got := match(c, protocol.Either, data); got != protocol.No && got != protocol.Maybe {
				t.Fatalf("%s: %d", hex.EncodeToString(data), got)
			}
		}
	}
}

// TestMatchOfOtherCaptures shows what the captures of other protocols have.
func TestMatchOfOtherCaptures(t *testing.T) {
	paths, err := filepath.Glob("../*/testdata/*.capture")
	if err != nil {
		t.Fatal(err)
	}
	reads := 0
	for _, path := range paths {
		if strings.HasPrefix(path, "../dns/") {
			continue
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(raw)) {
			_, text, ok := strings.Cut(line, " \"")
			if !ok || line[0] != '>' && line[0] != '<' {
				continue
			}
			quoted, err := strconv.QuotedPrefix("\"" + text)
			if err != nil {
				continue
			}
			data, _ := strconv.Unquote(quoted)
			reads++
			for _, c := range []*protocol.Conn{&overUDP, &overTCP} {
				if got := match(c, protocol.Either, []byte(data)); got != protocol.No && (got != protocol.Maybe || len(data) > 6) {
					t.Errorf("%s: %q: %d", path, data, got)
				}
			}
		}
	}
	if reads < 100 {
		t.Errorf("%d reads were shown", reads)
	}
}
