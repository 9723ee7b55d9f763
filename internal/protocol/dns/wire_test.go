// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"errors"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// FuzzNames compares the names of questions and answers with those that another reader
// makes of them. That one refuses a label with a dot, and escapes nothing.
func FuzzNames(f *testing.F) {
	f.Add([]byte(query))
	f.Add([]byte(response))
	f.Fuzz(func(t *testing.T, msg []byte) {
		var p dnsmessage.Parser
		if len(msg) < headerLen {
			return
		}
		if _, err := p.Start(msg); err != nil {
			return
		}
		off := headerLen
		for {
			q, err := p.Question()
			if errors.Is(err, dnsmessage.ErrSectionDone) {
				break
			}
			if err != nil {
				return
			}
			name, next, ok := appendName(nil, msg, off)
			if !ok {
				return // a pointer that points forward, which it follows
			}
			off = next + 4
			compareName(t, string(name), q.Name.String())
		}
		for {
			h, err := p.AnswerHeader()
			if err != nil || p.SkipAnswer() != nil {
				return
			}
			r, ok := readRecord(msg, off)
			if !ok || r.kind != uint16(h.Type) || r.class != uint16(h.Class) || r.ttl != h.TTL || r.end-r.data != int(h.Length) {
				t.Fatalf("%+v, %v; want %+v", r, ok, h)
			}
			if name, _, ok := appendName(nil, msg, off); ok {
				compareName(t, string(name), h.Name.String())
			}
			off = r.end
		}
	})
}

func compareName(t *testing.T, got, want string) {
	t.Helper()
	if strings.Contains(got, "\\") {
		return
	}
	if want != "." {
		want = strings.TrimSuffix(want, ".")
	}
	if got != want {
		t.Fatalf("%q, want %q", got, want)
	}
}

// TestNameOfGreatestLength is one of 255 bytes, and one of 256.
func TestNameOfGreatestLength(t *testing.T) {
	long := strings.Repeat("\x3f"+strings.Repeat("a", 63), 3)
	for tail, want := range map[int]bool{61: true, 62: false} {
		msg := []byte(long + string([]byte{byte(tail)}) + strings.Repeat("b", tail) + "\x00")
		if _, _, ok := appendName(nil, msg, 0); ok != want {
			t.Errorf("%d bytes: %v", len(msg), ok)
		}
		if _, ok := skipName(msg, 0); ok != want {
			t.Errorf("%d bytes are passed over: %v", len(msg), ok)
		}
	}
}
