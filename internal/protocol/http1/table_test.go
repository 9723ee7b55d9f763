// SPDX-License-Identifier: Apache-2.0

package http1

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/puck-otel/puck/internal/protocol"
	"github.com/puck-otel/puck/internal/protocol/prototest"
	"github.com/puck-otel/puck/internal/table"
)

// TestTableIsCompatible compares the table's first columns with the interface
// that scripts rely on.
func TestTableIsCompatible(t *testing.T) {
	prototest.Compatible(t, &Table.Schema, 22)
	for _, c := range Table.Columns {
		if keeps := strings.HasSuffix(c.Name, "_body") || strings.HasSuffix(c.Name, "_headers"); keeps != c.Sensitive {
			t.Errorf("%s: sensitive is %v, want %v", c.Name, c.Sensitive, keeps)
		}
	}
}

func TestMatch(t *testing.T) {
	for data, want := range map[string]protocol.Match{
		"GET / HTTP/1.1\r\n":                      protocol.IsRequest,
		"\r\nGET / HTTP/1.0\n":                    protocol.IsRequest,
		"VERSION-CONTROL /a HTTP/1.1\r\n":         protocol.IsRequest,
		"OPTIONS * HTTP/1.1\r\n":                  protocol.IsRequest,
		"CONNECT [::1]:443 HTTP/1.1\r\n":          protocol.IsRequest,
		"GET /" + strings.Repeat("a", 2000):       protocol.IsRequest,
		"HTTP/1.1 200":                            protocol.IsResponse,
		"HTTP/1.0 404 Not Found\r\n":              protocol.IsResponse,
		"G":                                       protocol.Maybe,
		"GET /a":                                  protocol.Maybe,
		"HTTP/1.1":                                protocol.Maybe,
		"GET / HTTP/1.":                           protocol.Maybe,
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n":        protocol.No,
		"GET / HTTP/1.1x\r\n":                     protocol.No,
		"GET /a b HTTP/1.1\r\n":                   protocol.No,
		"GET  HTTP/1.1\r\n":                       protocol.No,
		"get / HTTP/1.1\r\n":                      protocol.No,
		"GET key\r\n":                             protocol.No,
		"HTTP/1.1 OK\r\n":                         protocol.No,
		"HTTP/2 200\r\n":                          protocol.No,
		"\x16\x03\x01":                            protocol.No,
		"*1\r\n$4\r\nPING\r\n":                    protocol.No,
		"+OK\r\n":                                 protocol.No,
		"$5\r\nhello\r\n":                         protocol.No,
		"SET key value\r\n":                       protocol.No,
		strings.Repeat("A", maxMethod+1):          protocol.No,
		"GET /\x01 HTTP/1.1\r\n":                  protocol.No,
		"INFO {\"server_id\":\"x\"} HTTP/1.1\r\n": protocol.IsRequest,
	} {
		c := &protocol.Conn{Transport: protocol.TCP, Role: protocol.UnknownRole}
		if got := match(c, protocol.Either, []byte(data)); got != want {
			t.Errorf("%.40q: %d, want %d", data, got, want)
		}
	}
}

// TestMatchFirst matches what a connection begins with whose first bytes were seen.
func TestMatchFirst(t *testing.T) {
	v2 := "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c" + strings.Repeat("\xff", 12)
	for data, want := range map[string]protocol.Match{
		"purge /a HTTP/1.1\r\n":       protocol.IsRequest,
		"pur":                         protocol.Maybe,
		"purge /a HT":                 protocol.Maybe,
		"get key\r\n":                 protocol.No,
		"PROXY TCP4 192.0.2.1 192.0.": protocol.Maybe,
		"PROXY TCP4 192.0.2.1 192.0.2.2 5 80\r\n":                   protocol.Maybe,
		"PROXY TCP4 192.0.2.1 192.0.2.2 5 80\r\nGET / HTTP/1.1\r\n": protocol.IsRequest,
		"PROXY TCP4 192.0.2.1 192.0.2.2 5 80\r\n*1\r\n":             protocol.No,
		"PROXY / HTTP/1.1\r\n":                                      protocol.IsRequest,
		v2[:3]:                                                      protocol.Maybe,
		v2[:20]:                                                     protocol.Maybe,
		v2 + "GET / HTTP/1.1\r\n":                                   protocol.IsRequest,
		v2 + "\x16\x03":                                             protocol.No,
	} {
		c := &protocol.Conn{Transport: protocol.TCP, Role: protocol.Server}
		if got := match(c, protocol.Request, []byte(data)); got != want {
			t.Errorf("%.60q: %d, want %d", data, got, want)
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
		{protocol.Request, "GET", 0},
		{protocol.Request, "{}GET", 2},
		{protocol.Request, "{} GET", 3},
		{protocol.Request, "{}\nGET /a", 3},
		{protocol.Request, "{}\r\nGET /a HT", 4},
		{protocol.Request, "{}GET /a HTTP/1", 2},
		{protocol.Request, "{}GET /a HTTP/1.1\r\n", 2},
		{protocol.Request, "HTTP/1.1 no {}\r\nPOST /b", 16},
		{protocol.Request, "GET /a HTTQ", 7}, // which may be a method
		{protocol.Request, "GET /a b c", 10},
		{protocol.Request, "{}" + strings.Repeat("A", maxMethod+1), maxMethod + 3},
		{protocol.Request, "{}get", 5},
		{protocol.Response, "HT", 0},
		{protocol.Response, "{}HTTP/1", 2},
		{protocol.Response, "{}HTTP/1.1 2", 2},
		{protocol.Response, "{}HTTP/1.1 x", 12},
		{protocol.Response, "{}HTTQ", 6},
	} {
		if got := resync(c.dir, []byte(c.data)); got != c.want {
			t.Errorf("%d %q: %d, want %d", c.dir, c.data, got, c.want)
		}
	}
}

// TestVisible looks for each byte at each place.
func TestVisible(t *testing.T) {
	for n := range 20 {
		for at := range n {
			for c := range 256 {
				b := bytes.Repeat([]byte{'!'}, n)
				b[at] = byte(c)
				if got, want := visible(b), c > ' ' && c != 0x7f; got != want {
					t.Fatalf("%q: %v", b, got)
				}
			}
		}
	}
}

// TestTarget splits targets that are not in origin form.
func TestTarget(t *testing.T) {
	for _, c := range []struct {
		method, target  string
		whole           bool
		authority, path string
	}{
		{"GET", "http://h/a?b", true, "h", "/a?b"},
		{"GET", "http://h:81", true, "h:81", "/"},
		{"GET", "http://h?b=/c@d", true, "h", "/?b=/c@d"},
		{"GET", "https://user:pass@h/a@b", true, "h", "/a@b"},
		{"GET", "http://user:pass@[::1]:80/", true, "[::1]:80", "/"},
		{"GET", "http://user:pa", false, "", ""},
		{"GET", "http://user:pass@h/a", false, "h", "/a"},
		{"CONNECT", "h:443", true, "h:443", ""},
		{"CONNECT", "user:pass@h:443", true, "h:443", ""},
		{"CONNECT", "user:pa", false, "", ""},
		{"OPTIONS", "*", true, "", "*"},
		{"GET", "user:pass@h/a?b://c", true, "", "h/a?b://c"},
	} {
		authority, path := splitTarget(c.method, []byte(c.target), c.whole)
		if string(authority) != c.authority || string(path) != c.path {
			t.Errorf("%s %s: %q and %q, want %q and %q", c.method, c.target, authority, path, c.authority, c.path)
		}
	}
}

func TestTraceparent(t *testing.T) {
	const trace, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
	for text, want := range map[string]bool{
		"00-" + trace + "-" + parent + "-01":                   true,
		"00-" + trace + "-" + parent + "-00":                   true,
		"cc-" + trace + "-" + parent + "-01-more":              true,
		"cc-" + trace + "-" + parent + "-01":                   true,
		"cc-" + trace + "-" + parent + "-01x":                  false,
		"00-" + trace + "-" + parent + "-01-more":              false,
		"ff-" + trace + "-" + parent + "-01":                   false,
		"00-" + strings.ToUpper(trace) + "-" + parent + "-01":  false,
		"00-" + strings.Repeat("0", 32) + "-" + parent + "-01": false,
		"00-" + trace + "-0000000000000000-01":                 false,
		"00-" + trace + "-" + parent + "-0g":                   false,
		"00-" + trace + "_" + parent + "-01":                   false,
		"00-" + trace + "-" + parent:                           false,
		"":                                                     false,
	} {
		if got := validTraceparent([]byte(text)); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

func TestRedact(t *testing.T) {
	for target, want := range map[string]string{
		"/a?b=c":                  "/a?b=REDACTED",
		"/a?b=c&d=&e":             "/a?b=REDACTED&d=REDACTED&e",
		"/?=":                     "/?=REDACTED",
		"/?token":                 "/?REDACTED",
		"/?a=b&wsdl":              "/?a=REDACTED&wsdl",
		"/?a=b&c.d":               "/?a=REDACTED&REDACTED",
		"/?a=b&0123456789abcdef_": "/?a=REDACTED&REDACTED",
		"/?":                      "/?",
		"/?&&a=b=c&":              "/?&&a=REDACTED&",
	} {
		if got := string(redact(nil, []byte(target), strings.IndexByte(target, '?')+1)); got != want {
			t.Errorf("%s: %s, want %s", target, got, want)
		}
	}
}

// TestSpan plays one exchange as either end and looks at the span.
func TestSpan(t *testing.T) {
	const trace, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
	for _, test := range []struct {
		role      protocol.Role
		status    string
		failed    bool
		errorType string
		encrypted bool
		scheme    string
	}{
		{protocol.Client, "200 OK", false, "", false, "http"},
		{protocol.Client, "404 Not Found", true, "404", true, "https"},
		{protocol.Server, "404 Not Found", false, "", false, "http"},
		{protocol.Server, "503 Busy", true, "503", false, "http"},
		{protocol.Server, "", true, protocol.NoResponse, false, "http"},
	} {
		var got table.Span
		e := protocol.NewEngine(protocol.Config{}, []protocol.Protocol{New(Config{
			Route: func(_ *protocol.Conn, path []byte) string { return "route of " + string(path) },
		})}, func(_ *protocol.Conn, r *table.Row) { got = r.Span })
		s := e.Open(&protocol.Conn{Role: test.role, Transport: protocol.TCP, Encrypted: test.encrypted})
		request, response := protocol.Send, protocol.Recv
		if test.role == protocol.Server {
			request, response = response, request
		}
		play := func(side protocol.Side, at int64, data string) {
			s.Data(side, protocol.Segment{Len: uint32(len(data)), Time: at, Data: []byte(data)})
		}
		play(request, 100, "GET /a/1?q=2 HTTP/1.1\r\nHost: [::1]:80\r\ntraceparent: 00-"+trace+"-"+parent+"-01\r\ntracestate: a=b\r\n\r\n")
		if test.status != "" {
			play(response, 200, "HTTP/1.1 "+test.status+"\r\nContent-Length: 0\r\n\r\n")
		}
		s.Close([2]protocol.End{}, 300)
		want := table.Span{
			ErrorType: test.errorType, Failed: test.failed,
			Protocol: "http", Scheme: test.scheme, ServerName: "::1", ServerPort: 80, TraceState: "a=b",
			Start: 100, End: 200, Sampled: true, Transport: table.TCP,
		}
		if test.status == "" {
			want.End = 300
		}
		hex.Decode(want.TraceID[:], []byte(trace))
		hex.Decode(want.ParentID[:], []byte(parent))
		if got != want {
			t.Errorf("%+v:\n got %+v\nwant %+v", test, got, want)
		}
	}
}
