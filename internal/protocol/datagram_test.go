// SPDX-License-Identifier: Apache-2.0

package protocol_test

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/puck-otel/puck/internal/protocol"
	"github.com/puck-otel/puck/internal/table"
)

// socket is a UDP socket that is not connected.
func socket() protocol.Conn {
	return protocol.Conn{Role: protocol.UnknownRole, Transport: protocol.UDP, Joined: true}
}

// TestPeers has the row's peer be the datagram's.
func TestPeers(t *testing.T) {
	var got []string
	e := protocol.NewEngine(protocol.Config{}, []protocol.Protocol{newLines("lines", '#')}, func(_ *protocol.Conn, r *table.Row) {
		got = append(got, fmt.Sprint(r.Values[r.Schema.Index("remote_addr")].Str, " ", r.Values[r.Schema.Index("remote_port")].Num))
	})
	conn := socket()
	s := e.Open(&conn)
	for i, peer := range []string{"192.0.2.1:1000", "[2001:db8::1]:2000", "192.0.2.1:1001", "0.0.0.0:0"} {
		ask, answer := fmt.Sprintf("#q%d a\n", i), fmt.Sprintf("#r%d A\n", i)
		a := netip.MustParseAddrPort(peer)
		s.Data(protocol.Recv, protocol.Segment{Pos: uint64(6 * i), Len: 6, Time: 1, Data: []byte(ask), Peer: a})
		s.Data(protocol.Send, protocol.Segment{Pos: uint64(6 * i), Len: 6, Time: 2, Data: []byte(answer), Peer: a})
	}
	want := "[192.0.2.1 1000 2001:db8::1 2000 192.0.2.1 1001  0]"
	if fmt.Sprint(got) != want {
		t.Errorf("%v, want %s", got, want)
	}
	if conn.Role != protocol.Server {
		t.Errorf("the role is %d", conn.Role)
	}
}

// TestInvalidDatagram goes with all that it holds, and nothing is looked for in it.
func TestInvalidDatagram(t *testing.T) {
	r := newRig(protocol.Config{}, socket(), newLines("lines", '#'))
	r.data(protocol.Recv, "#q1 a\n")
	r.data(protocol.Recv, "x#q2 b\n")
	r.data(protocol.Recv, "#q3 c\n")
	r.data(protocol.Send, "#r1 A\n")
	r.data(protocol.Send, "#r2 B\n")
	r.data(protocol.Send, "#r3 C\n")
	r.want(t, "a=A", "rB", "c=C")
	if got := r.Stats().Protocols[0].LostBytes[protocol.LostInvalid]; got != 7 {
		t.Errorf("%d bytes are invalid, want 7", got)
	}
}

// TestLostDatagrams are counted, and do not keep those that follow from being read.
func TestLostDatagrams(t *testing.T) {
	r := newRig(protocol.Config{}, socket(), newLines("lines", '#'))
	r.data(protocol.Recv, "#q1 a\n")
	r.pos[protocol.Recv] += 100
	r.data(protocol.Recv, "#q2 b\n")
	r.pos[protocol.Recv] -= 112
	r.data(protocol.Recv, "#q3 c\n") // two threads' in the other order
	for i := 1; i <= 3; i++ {
		r.data(protocol.Send, fmt.Sprintf("#r%d x\n", i))
	}
	r.want(t, "a=x", "b=x", "c=x")
	if got := r.Stats().Protocols[0].LostBytes[protocol.LostGap]; got != 100 {
		t.Errorf("%d bytes are lost, want 100", got)
	}
}

// TestStreamsAloneOverUDP has a protocol that is not asked about datagrams, and a socket
// that is given up.
func TestStreamsAloneOverUDP(t *testing.T) {
	p := newLines("lines", '#')
	p.Datagrams = false
	r := newRig(protocol.Config{MatchBytes: 100}, socket(), p)
	for range 20 {
		r.data(protocol.Recv, "#q1 a\n")
	}
	r.want(t)
	if r.stream.Verdict() != 0 {
		t.Error("120 bytes are not enough to give it up")
	}
}

// TestRoleOfAConnectedSocket is by who asks, and not by who connected.
func TestRoleOfAConnectedSocket(t *testing.T) {
	conn := socket()
	conn.Role = protocol.Client
	r := newRig(protocol.Config{}, conn, newLines("lines", '#'))
	r.data(protocol.Recv, "#q1 a\n")
	r.data(protocol.Send, "#r1 A\n")
	r.want(t, "a=A")
	if r.conn.Role != protocol.Server {
		t.Errorf("the role is %d", r.conn.Role)
	}
}
