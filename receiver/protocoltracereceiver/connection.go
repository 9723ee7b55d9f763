// SPDX-License-Identifier: Apache-2.0

package protocoltracereceiver

import (
	"net/netip"

	"go.uber.org/zap"

	"github.com/puck-otel/puck/bpf/socktrace"
	"github.com/puck-otel/puck/internal/process"
	"github.com/puck-otel/puck/internal/protocol"
)

// connection is what a worker keeps of one connection.
type connection struct {
	conn    protocol.Conn
	stream  *protocol.Stream
	owner   *owner
	verdict int // what the kernel side was told last
	skip    [2]uint64
	family  uint16
	missing bool // the kernel side did not know it when it was last asked
}

// open enters a connection, or notes that another process has taken it over.
func (w *worker) open(e *socktrace.OpenEvent) {
	o := w.ownerOf(e.Tgid, e.StartNs)
	c, known := w.conns[e.Header.Conn]
	if known {
		w.release(c.owner)
		c.owner = o
		c.conn.UPID = o.process.UPID
		w.take(c)
		return
	}
	c = &connection{owner: o, verdict: w.receiver.config.CaptureSize, family: e.Local.Family}
	c.conn = protocol.Conn{
		ID: e.Header.Conn, UPID: o.process.UPID, Role: protocol.Role(e.Header.Role), Owner: c,
		Transport: protocol.Transport(e.Transport),
		Local:     socktrace.AddrPort(&e.Local), Remote: socktrace.AddrPort(&e.Remote),
		Start: e.Pos,
		// Its first bytes are known to be a message's only if accept or connect was seen.
		Joined: e.Header.Role == socktrace.RoleUnknown || e.Bytes[0]+e.Bytes[1] > 0,
	}
	if c.conn.Transport == protocol.Unix {
		c.conn.LocalAddr = socktrace.Path(e)
		c.conn.RemoteAddr = c.conn.LocalAddr
	} else {
		c.conn.LocalAddr = addrText(c.conn.Local)
		c.conn.RemoteAddr = addrText(c.conn.Remote)
	}
	c.stream = w.engine.Open(&c.conn)
	w.conns[c.conn.ID] = c
	w.take(c)
}

func addrText(a netip.AddrPort) string {
	if !a.IsValid() {
		return ""
	}
	return a.Addr().String()
}

// take counts the connection as its owner's, and has the kernel side leave it out
// if the owner is not traced.
func (w *worker) take(c *connection) {
	c.owner.conns++
	if c.owner.ignored {
		w.counts.filtered++
		w.advise(c)
	}
}

func (w *worker) release(o *owner) {
	o.conns--
	o.idle = w.now()
}

// close ends a connection whose socket is gone.
func (w *worker) close(e *socktrace.CloseEvent) {
	c := w.conns[e.Header.Conn]
	if c == nil {
		return
	}
	w.sums.closed(w, c, e.Bytes[socktrace.SideSend], e.Bytes[socktrace.SideRecv])
	clock := &w.receiver.clock
	var ends [2]protocol.End
	for side := range ends {
		ends[side] = protocol.End{Pos: e.Pos[side], Last: clock.wall(e.MovedNs[side])}
	}
	w.drop(c, ends, clock.wall(e.Header.TsNs))
}

// forget ends a connection of which nothing more will be heard.
func (w *worker) forget(id uint64, now int64) {
	if c := w.conns[id]; c != nil {
		w.sums.closed(w, c, 0, 0)
		w.drop(c, [2]protocol.End{}, now)
	}
}

func (w *worker) drop(c *connection, ends [2]protocol.End, now int64) {
	c.stream.Close(ends, now)
	w.release(c.owner)
	delete(w.conns, c.conn.ID)
}

// reconcile forgets the connections that are not among those that the kernel side
// holds, since the event of their end found no room in the ring. What waits in the
// ring is read first: only one that is missing a second time is gone.
func (w *worker) reconcile(open map[uint64]struct{}, now int64) {
	for id, c := range w.conns {
		if _, ok := open[id]; ok {
			c.missing = false
		} else if c.missing {
			w.forget(id, now)
		} else {
			c.missing = true
		}
	}
}

// ownerOf returns what is known of a process, looking it up at its first
// connection.
func (w *worker) ownerOf(tgid uint32, startNS uint64) *owner {
	p := w.receiver.processes.Seen(process.Hint{PID: tgid, StartNS: startNS})
	if o, ok := w.owners[p]; ok {
		return o
	}
	r := w.receiver
	o := &owner{
		process: p, resource: r.resource(p), router: r.routes.of(p.Service),
		ratio: r.filter.ratio(p.Service), ignored: !r.filter.wants(p), idle: w.now(),
	}
	w.owners[p] = o
	if o.ignored {
		if err := r.tracer.IgnoreProcess(tgid, startNS); err != nil {
			r.settings.Logger.Debug("process is left out in user space alone", zap.Error(err))
		}
	}
	return o
}
