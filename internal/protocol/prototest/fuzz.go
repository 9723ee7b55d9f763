// SPDX-License-Identifier: Apache-2.0

package prototest

import (
	"encoding/binary"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"github.com/puck-otel/puck/internal/protocol"
	"github.com/puck-otel/puck/internal/table"
)

// The operations of a fuzzed sequence of events. Each is a byte, of which the
// lowest bit is the side, then two bytes of length, then what it needs.
const (
	opData   = iota << 1 // length bytes follow
	opSlice              // as opData, and as many more were moved and not copied
	opGap                // length bytes were not seen
	opBack               // the position goes back by length
	opWild               // the position jumps by length times 64 MiB
	opEOF                //
	opExpire             // length seconds pass
	opClose              // the connection is closed, and another opened
	opCount
)

// fuzzBytes bounds what an engine that is fuzzed keeps, so that the bounds are met.
const fuzzBytes = 4 << 10

// Fuzz fuzzes the protocols with sequences of events on one connection at a time.
// The seeds are the captures of the folders. After each connection's end, check
// may look at the counters of the first protocol.
func Fuzz(f *testing.F, protocols []protocol.Protocol, check func(protocol.Counters) error, dirs ...string) {
	for _, dir := range dirs {
		paths, err := filepath.Glob(filepath.Join(dir, "*.capture"))
		if err != nil || len(paths) == 0 {
			f.Fatalf("%s: no captures", dir)
		}
		for _, path := range paths {
			c, err := load(path)
			if err != nil {
				f.Fatal(err)
			}
			how := byte(0)
			if c.udp {
				how = howUDP
			}
			for role := range byte(3) {
				f.Add(how|role, encode(c.events))
			}
		}
	}
	f.Fuzz(func(t *testing.T, how byte, events []byte) {
		z := newFuzzer(t, protocols, how)
		z.ended = check
		for len(events) > 0 {
			events = z.step(events)
		}
		z.stream.Close([2]protocol.End{{Pos: z.pos[0], Last: z.now}, {Pos: z.pos[1], Last: z.now}}, z.now)
		z.check(true)
	})
}

// What the byte how says beside the role: its lowest two bits, of which 3 stands for 0.
const (
	howJoined = 1 << 2
	howUDP    = 1 << 3 // with a peer in the upper half of an operation's byte
)

// encode returns the events as a fuzzed sequence. Long data is cut.
func encode(events []event) []byte {
	var b []byte
	for _, e := range events {
		side := byte(0)
		if e.server {
			side = 1
		}
		switch e.kind {
		case data:
			data := e.data[:min(len(e.data), 2<<10)]
			op := byte(opData)
			if e.len > len(e.data) {
				op = opSlice
			}
			b = binary.BigEndian.AppendUint16(append(b, op|side), uint16(len(data)))
			b = append(b, data...)
		case gap:
			b = binary.BigEndian.AppendUint16(append(b, opGap|side), uint16(e.len))
		case eof:
			b = append(b, opEOF|side, 0, 0)
		case tick:
			b = append(b, opExpire, 1, 0)
		case closed:
			b = append(b, opClose, 0, 0)
		}
	}
	return b
}

// fuzzer plays a fuzzed sequence.
type fuzzer struct {
	t      *testing.T
	how    byte
	engine *protocol.Engine
	stream *protocol.Stream
	pos    [2]uint64
	now    int64
	rows   uint64
	ended  func(protocol.Counters) error
}

func newFuzzer(t *testing.T, protocols []protocol.Protocol, how byte) *fuzzer {
	z := &fuzzer{t: t, how: how, now: base}
	config := protocol.Config{FrameBytes: fuzzBytes, TotalBytes: fuzzBytes * 3 / 2}
	z.engine = protocol.NewEngine(config, protocols, z.row)
	z.open()
	return z
}

// open opens the next connection.
func (z *fuzzer) open() {
	role := [...]protocol.Role{protocol.Client, protocol.Server, protocol.UnknownRole, protocol.Client}[z.how&3]
	z.pos = [2]uint64{}
	transport := protocol.TCP
	if z.how&howUDP != 0 {
		transport = protocol.UDP
	}
	z.stream = z.engine.Open(&protocol.Conn{Role: role, Joined: z.how&howJoined != 0, Transport: transport})
}

// row checks what must hold of every row.
func (z *fuzzer) row(c *protocol.Conn, r *table.Row) {
	z.rows++
	if c.Role == protocol.UnknownRole {
		z.t.Fatal("a row of a connection whose role is not known")
	}
	for i, column := range r.Schema.Columns {
		v := r.Values[i].Num
		switch {
		case column.Type == table.Time64NS && (v < base || v > z.now):
			z.t.Fatalf("%s is %v, outside of what was played", column.Name, time.Duration(v-base))
		case column.Semantic == table.DurationNS && (v < 0 || v > z.now-base):
			z.t.Fatalf("%s is %v, longer than what was played", column.Name, time.Duration(v))
		case column.Semantic == table.Bytes && v < 0:
			z.t.Fatalf("%s is %d", column.Name, v)
		}
	}
}

// step plays one operation, and returns the rest.
func (z *fuzzer) step(b []byte) []byte {
	if len(b) < 3 {
		return nil
	}
	op, side, n := b[0]%(opCount<<1)&^1, protocol.Side(b[0]&1), int(binary.BigEndian.Uint16(b[1:]))
	if z.how&3 == 1 {
		side = 1 - side
	}
	var peer netip.AddrPort
	if z.how&howUDP != 0 && b[0]>>4 > 0 {
		peer = netip.AddrPortFrom(netip.IPv6Loopback(), uint16(b[0]>>4))
	}
	b = b[3:]
	z.now += int64(time.Millisecond)
	switch op {
	case opData, opSlice:
		data := b[:min(n, len(b))]
		b = b[len(data):]
		length := len(data)
		if op == opSlice {
			length *= 2
		}
		z.stream.Data(side, protocol.Segment{Pos: z.pos[side], Len: uint32(length), Time: z.now, Data: data, Peer: peer})
		z.pos[side] += uint64(length)
	case opGap:
		z.pos[side] += uint64(n)
	case opBack:
		z.pos[side] -= uint64(n)
	case opWild:
		z.pos[side] += uint64(n) << 26
	case opEOF:
		z.stream.EOF(side, protocol.End{Pos: z.pos[side], Last: z.now}, z.now)
	case opExpire:
		z.now += int64(n) * int64(time.Second)
		z.engine.Expire(z.now)
	case opClose:
		z.stream.Close([2]protocol.End{{Pos: z.pos[0], Last: z.now}, {Pos: z.pos[1], Last: z.now}}, z.now)
		z.check(true)
		z.open()
	}
	z.check(false)
	return b
}

// check checks what must hold of the engine.
func (z *fuzzer) check(closed bool) {
	s := z.engine.Stats()
	if s.Buffered < 0 || s.Buffered > fuzzBytes*3/2 || closed && (s.Buffered != 0 || s.Streams != 0) {
		z.t.Fatalf("%d bytes buffered of %d streams", s.Buffered, s.Streams)
	}
	var rows uint64
	for _, p := range s.Protocols {
		for _, n := range p.Rows {
			rows += n
		}
	}
	if rows != z.rows {
		z.t.Fatalf("%d rows were emitted, %d counted", z.rows, rows)
	}
	if closed {
		if err := z.ended(s.Protocols[0]); err != nil {
			z.t.Fatalf("%v: %+v", err, s.Protocols[0])
		}
	}
}
