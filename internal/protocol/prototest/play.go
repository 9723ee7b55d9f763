// SPDX-License-Identifier: Apache-2.0

package prototest

import (
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/puck-otel/puck/internal/protocol"
	"github.com/puck-otel/puck/internal/table"
)

// base is when every capture begins.
const base = int64(1_700_000_000_000_000_000)

// player plays events to an engine of its own.
type player struct {
	engine *protocol.Engine
	stream *protocol.Stream
	conn   *protocol.Conn
	client bool // the traced process is the client
	skips  bool // what is of no use is left out
	pos    [2]uint64
	ends   [2]protocol.End
	now    int64
	rows   []row
	closed bool
}

// row is a row as text.
type row struct {
	text      string // all of it
	timeless  string // without times
	truncated bool
	answered  bool // it has a response, or needs none
	role      int64
}

// newPlayer returns a player of the capture's events, or others like them. With the role
// unknown, the engine is to find out that the traced process is the client, or the server.
func newPlayer(protocols []protocol.Protocol, c *capture, client, known bool) *player {
	p := &player{client: client, now: base}
	joined := c.joined && !c.udp
	p.engine = protocol.NewEngine(protocol.Config{SkipBytes: 1}, protocols, func(_ *protocol.Conn, r *table.Row) {
		p.rows = append(p.rows, format(r, c.peers))
	})
	here, there := netip.MustParseAddrPort("192.0.2.1:40000"), netip.MustParseAddrPort("192.0.2.2:80")
	p.conn = &protocol.Conn{Role: protocol.Client, Transport: protocol.TCP, Joined: joined, Local: here, Remote: there}
	if known && !joined {
		p.pos = [2]uint64{1, 1} // 0 would say that the start is not known
		p.conn.Start = p.pos
	}
	if !client {
		p.conn.Role, p.conn.Local, p.conn.Remote = protocol.Server, there, here
	}
	if !known {
		p.conn.Role = protocol.UnknownRole
	}
	if c.udp {
		p.conn.Transport = protocol.UDP
	}
	if c.peers {
		p.conn.Remote = netip.AddrPort{}
	}
	p.conn.LocalAddr = p.conn.Local.Addr().String()
	if p.conn.Remote.IsValid() {
		p.conn.RemoteAddr = p.conn.Remote.Addr().String()
	}
	if joined { // sequence numbers, of which no one says where the stream began
		p.pos = [2]uint64{1 << 20, 1 << 30}
	}
	p.stream = p.engine.Open(p.conn)
	return p
}

// play plays one event.
func (p *player) play(e event) {
	side := protocol.Send
	if e.server == p.client {
		side = protocol.Recv
	}
	if e.kind != gap {
		p.now = base + int64(e.at)
	}
	switch e.kind {
	case data:
		seg := protocol.Segment{Pos: p.pos[side], Len: uint32(e.len), Time: p.now, Data: []byte(e.data), Peer: e.peer}
		p.pos[side] += uint64(e.len)
		p.ends[side] = protocol.End{Pos: p.pos[side], Last: p.now}
		if !p.skips || skip(&seg, p.stream.Skip(side)) {
			p.stream.Data(side, seg)
		}
	case gap:
		p.pos[side] += uint64(e.len)
		p.ends[side] = protocol.End{Pos: p.pos[side], Last: p.now}
	case eof:
		p.stream.EOF(side, p.ends[side], p.now)
	case tick:
		p.engine.Expire(p.now)
	case closed:
		p.stream.Close(p.ends, p.now)
		p.closed = true
	}
}

// skip leaves out of the segment what lies before the position until, as the kernel
// side does, and reports whether anything is left to tell of.
func skip(seg *protocol.Segment, until uint64) bool {
	end := seg.Pos + uint64(seg.Len)
	switch {
	case until <= seg.Pos:
		return true
	case until > end:
		return false
	case until == end:
		seg.Data = nil
		return true
	}
	seg.Len = uint32(end - until)
	seg.Data = seg.Data[min(until-seg.Pos, uint64(len(seg.Data))):]
	seg.Pos = until
	return true
}

// finish closes the connection if no event did.
func (p *player) finish() []row {
	if !p.closed {
		p.stream.Close(p.ends, p.now)
		p.closed = true
	}
	return p.rows
}

// format writes a row, with its peer if asked to.
func format(r *table.Row, peer bool) row {
	out := row{answered: r.Span.ErrorType != protocol.NoResponse}
	var all, timeless []string
	for i, c := range r.Schema.Columns {
		v := r.Values[i]
		switch c.Name {
		case "trace_role":
			out.role = v.Num
			continue
		case "upid", "local_addr", "local_port", "encrypted":
			continue
		case "remote_addr", "remote_port":
			if !peer {
				continue
			}
		case "truncated":
			out.truncated = v.Num != 0
		}
		text, isTime := formatValue(c, v)
		if text == "" {
			continue
		}
		all = append(all, c.Name+"="+text)
		if !isTime {
			timeless = append(timeless, c.Name+"="+text)
		}
	}
	out.text, out.timeless = strings.Join(all, " "), strings.Join(timeless, " ")
	return out
}

// formatValue writes a value, as nothing if it is zero.
func formatValue(c table.Info, v table.Value) (text string, isTime bool) {
	switch {
	case c.Type == table.String && v.Str != "":
		return strconv.Quote(v.Str), false
	case c.Type == table.Time64NS:
		return time.Duration(v.Num - base).String(), true
	case c.Type == table.String || v.Num == 0:
		return "", c.Semantic == table.DurationNS
	case c.Semantic == table.DurationNS:
		return time.Duration(v.Num).String(), true
	case c.Type == table.Bool:
		return "true", false
	}
	return strconv.FormatInt(v.Num, 10), false
}
