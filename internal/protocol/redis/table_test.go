// SPDX-License-Identifier: Apache-2.0

package redis

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/puck-otel/puck/internal/protocol"
	"github.com/puck-otel/puck/internal/protocol/prototest"
)

// TestTableIsCompatible compares the table's first columns with the interface that
// scripts rely on.
func TestTableIsCompatible(t *testing.T) {
	prototest.Compatible(t, &Table.Schema, 12)
	for _, c := range Table.Columns {
		if user := c.Name == "req_args" || c.Name == "resp"; user != c.Sensitive {
			t.Errorf("%s: sensitive is %v, want %v", c.Name, c.Sensitive, user)
		}
	}
}

// TestMatch matches the first bytes of a direction that is not known.
func TestMatch(t *testing.T) {
	for data, want := range map[string]protocol.Match{
		"*1\r\n$4\r\nPING\r\n":                       protocol.IsRequest,
		"*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n": protocol.Maybe,
		"*":                                  protocol.Maybe,
		"*2\r\n$3\r\nGE":                     protocol.Maybe,
		"*2\r\n$3\r\n\x01\x02\x03\r\n":       protocol.IsResponse,
		"+OK\r\n":                            protocol.Maybe,
		"+OK\r\n+OK\r\n":                     protocol.Maybe,
		"+OK\r\n$1\r\na\r\n":                 protocol.IsResponse,
		"+PONG\r\n":                          protocol.IsResponse,
		"+OK POP3 ready\r\n":                 protocol.No,
		"+OK\r\nMSG a 1 1\r\n":               protocol.No,
		"-ERR 'Authorization Violation'\r\n": protocol.No,
		"-WRONGTYPE Operation":               protocol.IsResponse,
		"-MOVED 1 a:1\r\n":                   protocol.IsResponse,
		":12\r\n":                            protocol.IsResponse,
		"$5\r\nhello\r\n":                    protocol.IsResponse,
		"$5\r\nhello!!":                      protocol.No,
		"$-1\r\n":                            protocol.IsResponse,
		">3\r\n$7\r\nmessage\r\n":            protocol.IsResponse,
		"%1\r\n+a\r\n:1\r\n":                 protocol.IsResponse,
		"PING\r\n":                           protocol.Maybe,
		"get a\r\n":                          protocol.Maybe,
		"GET / HTTP/1.1\r\nHost: a\r\n\r\n":  protocol.Maybe, // HTTP is asked first
		"EHLO mail.example.com\r\n":          protocol.No,
		"220 mail.example.com ESMTP\r\n":     protocol.No,
		"SSH-2.0-OpenSSH_9.2\r\n":            protocol.No,
		"\x16\x03\x01\x02\x00\x01\x00":       protocol.No,
		"HTTP/1.1 200 OK\r\n":                protocol.No,
		"INFO {\"server_id\":\"x\"}\r\n":     protocol.Maybe,
		"\x00\x00\x00\x12":                   protocol.No,
	} {
		c := &protocol.Conn{Transport: protocol.TCP, Role: protocol.UnknownRole}
		if got := match(c, protocol.Either, []byte(data)); got != want {
			t.Errorf("%q: %d, want %d", data, got, want)
		}
	}
	c := &protocol.Conn{Transport: protocol.TCP, Role: protocol.Server}
	if got := match(c, protocol.Request, []byte("*2\r\n$9\r\nsubscribe\r\n")); got != protocol.IsRequest {
		t.Errorf("a command in small letters: %d", got)
	}
	udp := &protocol.Conn{Transport: protocol.UDP}
	if got := match(udp, protocol.Request, []byte("*1\r\n$4\r\nPING\r\n")); got != protocol.No {
		t.Errorf("a datagram: %d", got)
	}
}

// TestMatchCaptures matches what each side of HTTP sends first.
func TestMatchCaptures(t *testing.T) {
	paths, err := filepath.Glob("../http1/testdata/*.capture")
	if err != nil || len(paths) == 0 {
		t.Fatal(err)
	}
	for _, path := range paths {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(raw)) {
			_, text, found := strings.Cut(strings.TrimSpace(line), "ms \"")
			if line[0] != '>' && line[0] != '<' || !found {
				continue
			}
			data := []byte(strings.NewReplacer(`\r`, "\r", `\n`, "\n").Replace(text))
			dir := protocol.Request
			if line[0] == '<' {
				dir = protocol.Response
			}
			if got := match(&protocol.Conn{Transport: protocol.TCP}, dir, data); got > protocol.Maybe {
				t.Errorf("%s: %.40q is Redis: %d", path, data, got)
			}
		}
	}
}

// TestResync looks for where a message may start.
func TestResync(t *testing.T) {
	for _, c := range []struct {
		dir  protocol.Direction
		data string
		want int
	}{
		{protocol.Request, "", 0},
		{protocol.Request, "*1\r\n$4\r\nPING\r\n", 0},
		{protocol.Request, "ue\r\n*1\r\n$4\r\nPING\r\n", 4},
		{protocol.Request, "ue\r\n*1\r\n$4", 4},
		{protocol.Request, "ue\r\n", 4},
		{protocol.Request, "$3\r\nabc\r\n", 9},
		{protocol.Response, "ue\r\n$3\r\nabc\r\n", 4},
		{protocol.Response, "ue\r\n$", 4},
		{protocol.Response, "@\r\n+OK\r\n", 3},
		{protocol.Response, "@@", 2},
	} {
		if got := resync(c.dir, []byte(c.data)); got != c.want {
			t.Errorf("%d %q: %d, want %d", c.dir, c.data, got, c.want)
		}
	}
}
