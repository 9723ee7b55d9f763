// SPDX-License-Identifier: Apache-2.0

package dns_test

import (
	"net/netip"
	"testing"

	"github.com/puck-otel/puck/internal/protocol"
	"github.com/puck-otel/puck/internal/protocol/dns"
	"github.com/puck-otel/puck/internal/table"
)

// BenchmarkExchange is the way from the datagrams of a query and its answer to the row,
// at a server that each client asks from another port, and beside it one pass over the
// same bytes.
func BenchmarkExchange(b *testing.B) {
	four := [][4]byte{{192, 0, 2, 1}, {192, 0, 2, 2}, {192, 0, 2, 3}, {192, 0, 2, 4}}
	for name, addresses := range map[string][][4]byte{"one": four[:1], "four": four} {
		query, answer := message(b, 1, "www.example.com"), message(b, 1, "www.example.com", addresses...)
		b.Run(name+"/row", func(b *testing.B) { play(b, query, answer, 0) })
		b.Run(name+"/row, 1000 pending", func(b *testing.B) { play(b, query, answer, 1000) })
		b.Run(name+"/pass", func(b *testing.B) {
			b.SetBytes(int64(len(query) + len(answer)))
			sum := 0
			for b.Loop() {
				for _, c := range query {
					sum += int(c)
				}
				for _, c := range answer {
					sum += int(c)
				}
			}
			if sum == 0 {
				b.Fatal("no bytes")
			}
		})
	}
}

// play plays the exchange again and again, while so many other queries wait.
func play(b *testing.B, query, answer []byte, pending int) {
	rows := 0
	e := protocol.NewEngine(protocol.Config{}, []protocol.Protocol{dns.New(dns.Config{})}, func(*protocol.Conn, *table.Row) { rows++ })
	s := e.Open(&protocol.Conn{Role: protocol.UnknownRole, Transport: protocol.UDP, LocalAddr: "127.0.0.1", Local: netip.MustParseAddrPort("127.0.0.1:53")})
	var in, out uint64
	data := func(side protocol.Side, pos *uint64, at int64, data []byte, port uint16) {
		s.Data(side, protocol.Segment{
			Pos: *pos, Len: uint32(len(data)), Time: at, Data: data, Peer: netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), port),
		})
		*pos += uint64(len(data))
	}
	for i := range pending {
		data(protocol.Recv, &in, 1, message(b, uint16(i+2), "www.example.net"), 1)
	}
	b.SetBytes(int64(len(query) + len(answer)))
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		port := uint16(n%30000 + 30000)
		data(protocol.Recv, &in, int64(2*n+1), query, port)
		data(protocol.Send, &out, int64(2*n+2), answer, port)
		n++
	}
	if rows != n {
		b.Fatalf("%d exchanges made %d rows", n, rows)
	}
}
