// SPDX-License-Identifier: Apache-2.0

package dns_test

import (
	"flag"
	"fmt"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/puck-otel/puck/internal/protocol"
	"github.com/puck-otel/puck/internal/protocol/dns"
	"github.com/puck-otel/puck/internal/protocol/prototest"
	"github.com/puck-otel/puck/internal/table"
)

var update = flag.Bool("update", false, "write the rows seen to the captures")

const (
	probe = `> 0ms "\x00\x17\x00\x09\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x05probe\x00\x00\x01\x00\x01"
< 5ms "\x00'\x00\x09\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00\x05probe\x00\x00\x01\x00\x01\xc0\x0c\x00\x01\x00\x01\x00\x00\x01,\x00\x04\xc0\x00\x02\x09"
`
	datagrams = `> 0ms "\x00\x09\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x05probe\x00\x00\x01\x00\x01"
< 5ms "\x00\x09\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00\x05probe\x00\x00\x01\x00\x01\xc0\x0c\x00\x01\x00\x01\x00\x00\x01,\x00\x04\xc0\x00\x02\x09"
`
)

func TestCaptures(t *testing.T) {
	prototest.Suite{
		Dir: "testdata", Protocols: []protocol.Protocol{dns.New(dns.Config{})},
		Probe: probe, Datagrams: datagrams, Update: *update,
	}.Run(t)
}

// message returns a query, or a response with addresses.
func message(tb testing.TB, id uint16, name string, addresses ...[4]byte) []byte {
	tb.Helper()
	question := dnsmessage.Question{Name: dnsmessage.MustNewName(name + "."), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: id, RecursionDesired: true, Response: len(addresses) > 0, RecursionAvailable: len(addresses) > 0},
		Questions: []dnsmessage.Question{question},
	}
	for _, a := range addresses {
		m.Answers = append(m.Answers, dnsmessage.Resource{
			Header: dnsmessage.ResourceHeader{Name: question.Name, Class: question.Class, TTL: 60}, Body: &dnsmessage.AResource{A: a},
		})
	}
	b, err := m.Pack()
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// TestRetransmitted has a query that is sent twice and answered twice: one exchange to
// the client, two to the server.
func TestRetransmitted(t *testing.T) {
	query, answer := message(t, 1, "a.example"), message(t, 1, "a.example", [4]byte{192, 0, 2, 1})
	for role, want := range map[protocol.Role]string{
		protocol.Client: "[1s 1]", protocol.Server: "[1s 0 500ms 0]",
	} {
		var got []any
		e := protocol.NewEngine(protocol.Config{}, []protocol.Protocol{dns.New(dns.Config{})}, func(_ *protocol.Conn, r *table.Row) {
			got = append(got, time.Duration(r.Values[r.Schema.Index("latency")].Num), r.Values[r.Schema.Index("retransmits")].Num)
		})
		s := e.Open(&protocol.Conn{Role: role, Transport: protocol.UDP})
		ask, reply := protocol.Send, protocol.Recv
		if role == protocol.Server {
			ask, reply = reply, ask
		}
		var pos [2]uint64
		for _, m := range []struct {
			side protocol.Side
			at   time.Duration
			data []byte
		}{{ask, 1, query}, {ask, 1001, query}, {reply, 1001, answer}, {reply, 1501, answer}} {
			s.Data(m.side, protocol.Segment{Pos: pos[m.side], Len: uint32(len(m.data)), Time: int64(m.at * time.Millisecond), Data: m.data})
			pos[m.side] += uint64(len(m.data))
		}
		s.Close([2]protocol.End{}, int64(2*time.Second))
		if fmt.Sprint(got) != want {
			t.Errorf("role %d: %v, want %s", role, got, want)
		}
	}
}

// TestManyPending has more queries without an answer than a socket may hold: the oldest
// become rows, and the socket stays traced.
func TestManyPending(t *testing.T) {
	const n = 10_000
	rows := 0
	e := protocol.NewEngine(protocol.Config{}, []protocol.Protocol{dns.New(dns.Config{})}, func(*protocol.Conn, *table.Row) { rows++ })
	s := e.Open(&protocol.Conn{Role: protocol.UnknownRole, Transport: protocol.UDP})
	pos := uint64(0)
	for i := range n {
		m := message(t, uint16(i), "a.example")
		s.Data(protocol.Recv, protocol.Segment{Pos: pos, Len: uint32(len(m)), Time: int64(i + 1), Data: m})
		pos += uint64(len(m))
	}
	if held := n - rows; held != 2048 || s.Protocol() != 0 {
		t.Errorf("%d queries are held, protocol %d", held, s.Protocol())
	}
	s.Close([2]protocol.End{}, n+2)
	if rows != n {
		t.Errorf("%d rows of %d queries", rows, n)
	}
}
