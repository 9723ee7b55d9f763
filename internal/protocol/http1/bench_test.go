// SPDX-License-Identifier: Apache-2.0

package http1_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/puck-otel/puck/internal/protocol"
	"github.com/puck-otel/puck/internal/protocol/http1"
	"github.com/puck-otel/puck/internal/table"
)

// exchange is what one benchmark plays over and over on one connection.
type exchange struct {
	name              string
	request, response []byte
	length            int // bytes of the response, of which response was copied
}

func exchanges() []exchange {
	browser := "GET /api/items/42?expand=all HTTP/1.1\r\nHost: shop.example.com\r\nConnection: keep-alive\r\n" +
		"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36\r\n" +
		"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8\r\n" +
		"Accept-Encoding: gzip, deflate, br\r\nAccept-Language: en-US,en;q=0.9\r\n" +
		"Cookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\n\r\n"
	server := "HTTP/1.1 200 OK\r\nServer: nginx/1.26.0\r\nDate: Sun, 22 Nov 2026 21:00:00 GMT\r\n" +
		"Content-Type: text/html\r\nConnection: keep-alive\r\nETag: \"66a1-264\"\r\nAccept-Ranges: bytes\r\n"
	body := `{"id":42,"name":"a thing","tags":["x","y"],"price":12.5}`
	return []exchange{
		{"curl", []byte("GET / HTTP/1.1\r\nHost: localhost:8080\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\n\r\n"),
			[]byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), 0},
		{"wrk", []byte("GET /index.html HTTP/1.1\r\nHost: localhost:8080\r\n\r\n"),
			[]byte(server + "Content-Length: 612\r\n\r\n" + strings.Repeat("x", 612)), 0},
		{"browser", []byte(browser), []byte(server + "Content-Length: 612\r\n\r\n" + strings.Repeat("x", 612)), 0},
		{"json", fmt.Appendf(nil, "POST /api/items HTTP/1.1\r\nHost: shop.example.com\r\nUser-Agent: python-requests/2.32\r\n"+
			"Accept: */*\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body),
			fmt.Appendf(nil, "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body), 0},
		{"chunked", []byte("GET /feed HTTP/1.1\r\nHost: localhost:8080\r\nUser-Agent: curl/8.5.0\r\n\r\n"),
			[]byte(server + "Transfer-Encoding: chunked\r\n\r\n" + strings.Repeat("100\r\n"+strings.Repeat("y", 256)+"\r\n", 8) + "0\r\n\r\n"), 0},
		{"uncopied", []byte("GET /big HTTP/1.1\r\nHost: localhost:8080\r\nUser-Agent: curl/8.5.0\r\n\r\n"),
			[]byte(server + "Content-Length: 1000000\r\n\r\n" + strings.Repeat("z", 3000)), len(server) + 27 + 1000000},
		{"traced", []byte("GET / HTTP/1.1\r\nHost: h\r\ntraceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n\r\n"),
			[]byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), 0},
	}
}

// BenchmarkExchange is the way from the bytes of a request and its response to
// the row, and beside it one pass over the same bytes.
func BenchmarkExchange(b *testing.B) {
	for _, x := range exchanges() {
		x.length = max(x.length, len(x.response))
		b.Run(x.name+"/row", func(b *testing.B) { play(b, x) })
		b.Run(x.name+"/pass", func(b *testing.B) {
			b.SetBytes(int64(len(x.request) + len(x.response)))
			n := 0
			for b.Loop() {
				n += bytes.Count(x.request, []byte{'\n'}) + bytes.Count(x.response, []byte{'\n'})
			}
			if n == 0 {
				b.Fatal("no lines")
			}
		})
	}
}

func play(b *testing.B, x exchange) {
	rows := 0
	e := protocol.NewEngine(protocol.Config{}, []protocol.Protocol{http1.New(http1.Config{})},
		func(*protocol.Conn, *table.Row) { rows++ })
	s := e.Open(&protocol.Conn{
		Role: protocol.Server, Transport: protocol.TCP,
		Local: netip.MustParseAddrPort("127.0.0.1:80"), Remote: netip.MustParseAddrPort("127.0.0.1:50000"),
		LocalAddr: "127.0.0.1", RemoteAddr: "127.0.0.1",
	})
	var in, out uint64
	now, n := int64(1), 0
	b.SetBytes(int64(len(x.request) + len(x.response)))
	b.ReportAllocs()
	for b.Loop() {
		s.Data(protocol.Recv, protocol.Segment{Pos: in, Len: uint32(len(x.request)), Time: now, Data: x.request})
		s.Data(protocol.Send, protocol.Segment{Pos: out, Len: uint32(x.length), Time: now + 1, Data: x.response})
		in, out = in+uint64(len(x.request)), out+uint64(x.length)
		now += 2
		n++
	}
	if rows != n {
		b.Fatalf("%d exchanges made %d rows", n, rows)
	}
}

// BenchmarkConnection is one exchange on a connection of its own, whose role the
// engine finds out.
func BenchmarkConnection(b *testing.B) {
	x := exchanges()[1]
	rows := 0
	e := protocol.NewEngine(protocol.Config{}, []protocol.Protocol{http1.New(http1.Config{})},
		func(*protocol.Conn, *table.Row) { rows++ })
	conn := protocol.Conn{Transport: protocol.TCP}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		conn.Role = protocol.UnknownRole
		s := e.Open(&conn)
		s.Data(protocol.Recv, protocol.Segment{Len: uint32(len(x.request)), Time: 1, Data: x.request})
		s.Data(protocol.Send, protocol.Segment{Len: uint32(len(x.response)), Time: 2, Data: x.response})
		s.Close([2]protocol.End{}, 3)
		n++
	}
	if rows != n {
		b.Fatalf("%d connections made %d rows", n, rows)
	}
}
