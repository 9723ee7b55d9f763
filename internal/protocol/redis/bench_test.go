// SPDX-License-Identifier: Apache-2.0

package redis_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/puck-otel/puck/internal/protocol"
	"github.com/puck-otel/puck/internal/protocol/redis"
	"github.com/puck-otel/puck/internal/table"
)

// exchange is what one benchmark plays over and over on one connection.
type exchange struct {
	name              string
	request, response []byte
	rows              int
	values            int // bytes that are kept
	length            int // bytes of the response, of which response was copied
}

// words returns a command as clients send it.
func words(w ...string) []byte {
	b := fmt.Appendf(nil, "*%d\r\n", len(w))
	for _, s := range w {
		b = fmt.Appendf(b, "$%d\r\n%s\r\n", len(s), s)
	}
	return b
}

func exchanges() []exchange {
	set := words("SET", "key:000000000042", "xxx")
	hash := fmt.Appendf(nil, "%%10\r\n%s", strings.Repeat("$5\r\nfield\r\n$10\r\n0123456789\r\n", 10))
	return []exchange{
		{name: "get", request: words("GET", "session:4711"), response: []byte("$10\r\n0123456789\r\n"), rows: 1},
		{name: "kept", request: words("GET", "session:4711"), response: []byte("$10\r\n0123456789\r\n"), rows: 1, values: 256},
		{name: "hash", request: words("HGETALL", "user:42"), response: hash, rows: 1},
		{name: "pipeline", request: bytes.Repeat(set, 16), response: bytes.Repeat([]byte("+OK\r\n"), 16), rows: 16},
		{name: "uncopied", request: words("GET", "big"), response: []byte("$1000000\r\n" + strings.Repeat("x", 3000)), rows: 1, length: 1000012},
		{name: "error", request: words("LPUSH", "a", "b"), response: []byte("-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"), rows: 1},
		{name: "push", response: []byte(">3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$5\r\nhello\r\n"), rows: 1},
	}
}

// BenchmarkExchange is the way from the bytes of commands and their replies to the
// rows, and beside it one pass over the same bytes.
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
	e := protocol.NewEngine(protocol.Config{}, []protocol.Protocol{redis.New(redis.Config{ValueBytes: x.values})},
		func(*protocol.Conn, *table.Row) { rows++ })
	s := e.Open(&protocol.Conn{
		Role: protocol.Server, Transport: protocol.TCP,
		Local: netip.MustParseAddrPort("127.0.0.1:6379"), Remote: netip.MustParseAddrPort("127.0.0.1:50000"),
		LocalAddr: "127.0.0.1", RemoteAddr: "127.0.0.1",
	})
	var in, out uint64
	now, n := int64(1), 0
	b.SetBytes(int64(len(x.request) + len(x.response)))
	b.ReportAllocs()
	for b.Loop() {
		if len(x.request) > 0 {
			s.Data(protocol.Recv, protocol.Segment{Pos: in, Len: uint32(len(x.request)), Time: now, Data: x.request})
		}
		s.Data(protocol.Send, protocol.Segment{Pos: out, Len: uint32(x.length), Time: now + 1, Data: x.response})
		in, out = in+uint64(len(x.request)), out+uint64(x.length)
		now += 2
		n += x.rows
	}
	if rows != n {
		b.Fatalf("%d exchanges made %d rows", n, rows)
	}
}
