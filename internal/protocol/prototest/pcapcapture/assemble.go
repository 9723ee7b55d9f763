// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"github.com/puck-otel/puck/internal/protocol/prototest"
)

// flow is a TCP connection by its two ends.
type flow struct{ client, server netip.AddrPort }

// half is the bytes of one direction.
type half struct {
	next  uint32 // the sequence number that is expected
	known bool
	at    time.Duration // when the last bytes were sent
}

// connection is what a file holds of a flow.
type connection struct {
	packets []packet
	flow    flow
}

// assemble returns what the ends of each connection sent, in the order of the
// connections' first packets.
func assemble(packets []packet) [][]prototest.Read {
	var connections []*connection
	open := map[flow]*connection{}
	for _, p := range packets {
		c := open[flow{p.from, p.to}]
		if c == nil {
			c = open[flow{p.to, p.from}]
		}
		if c == nil || p.syn && !p.ack {
			c = &connection{flow: flowOf(p)}
			delete(open, flow{p.to, p.from})
			open[c.flow] = c
			connections = append(connections, c)
		}
		c.packets = append(c.packets, p)
	}
	var reads [][]prototest.Read
	for _, c := range connections {
		if r := c.reads(); len(r) > 0 {
			reads = append(reads, r)
		}
	}
	return reads
}

// flowOf tells a connection's client by its SYN, or by the ports.
func flowOf(p packet) flow {
	if p.syn && p.ack || !p.syn && p.from.Port() < p.to.Port() {
		return flow{p.to, p.from}
	}
	return flow{p.from, p.to}
}

// reads puts the segments of each direction in order. What was sent again is left
// out, and what is missing is a gap.
func (c *connection) reads() []prototest.Read {
	var halves [2]half
	var reads []prototest.Read
	waiting := c.packets
	for len(waiting) > 0 {
		i := slices.IndexFunc(waiting, func(p packet) bool {
			h := halves[c.side(p)]
			return !h.known || p.syn || int32(p.seq-h.next) <= 0
		})
		if i < 0 {
			i = 0
		}
		p := waiting[i]
		if i == 0 {
			waiting = waiting[1:]
		} else {
			waiting = slices.Delete(waiting, i, i+1)
		}
		h := &halves[c.side(p)]
		if read, ok := h.take(p); ok {
			// A segment that came late makes those behind it in the stream late as well.
			h.at = max(h.at, p.at)
			read.Server, read.At = c.side(p) == 1, h.at
			reads = append(reads, read)
		}
	}
	slices.SortStableFunc(reads, func(a, b prototest.Read) int { return cmp.Compare(a.At, b.At) })
	for i := len(reads) - 1; i >= 0; i-- {
		reads[i].At -= reads[0].At
	}
	return reads
}

// side returns 1 for what the server sent.
func (c *connection) side(p packet) int {
	if p.from == c.flow.server {
		return 1
	}
	return 0
}

// take returns what is new in the packet.
func (h *half) take(p packet) (prototest.Read, bool) {
	if p.syn {
		h.next, h.known = p.seq+1, true
		return prototest.Read{}, false
	}
	if !h.known {
		h.next, h.known = p.seq, true
	}
	if p.len == 0 {
		return prototest.Read{}, false
	}
	ahead := int(int32(p.seq - h.next))
	read := prototest.Read{Data: p.data, Len: p.len, Gap: max(0, ahead)}
	if seen := -ahead; seen > 0 {
		if seen >= p.len {
			return read, false
		}
		read.Data, read.Len = p.data[min(seen, len(p.data)):], p.len-seen
	}
	h.next = p.seq + uint32(p.len)
	return read, true
}
