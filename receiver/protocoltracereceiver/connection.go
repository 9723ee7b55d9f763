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
	conn     protocol.Conn
	stream   *protocol.Stream
	owner    *owner
	counted  counted
	verdict  int // what the kernel side was told last
	skip     [2]uint64
	family   uint16
	missing  bool // the kernel side did not know it when it was last asked
	filtered bool // it was counted as left out by the configuration
}

// verdictUnknown is none of those that the engine gives.
const verdictUnknown = -1

// open enters a connection, or notes that another process has taken it over.
func (w *worker) open(e *socktrace.OpenEvent) {
	o := w.ownerOf(w.receiver.processes.Seen(process.Hint{PID: e.Tgid, StartNS: e.StartNs}))
	c, known := w.conns[e.Header.Conn]
	if known {
		w.account(c, moved(e.Bytes))
		// The kernel side forgot what it was told when the owner changed, and may have
		// been told the same again since: now it is told whatever is wanted.
		c.verdict = verdictUnknown
		w.give(c, o)
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
		if c.conn.Transport == protocol.UDP && c.conn.Remote.Port() == 0 {
			c.conn.Remote = netip.AddrPort{} // it is not connected
		}
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

// give makes o the owner of a connection that had another.
func (w *worker) give(c *connection, o *owner) {
	w.release(c.owner)
	c.owner, c.conn.UPID = o, o.process.UPID
	w.take(c)
}

func (w *worker) take(c *connection) {
	c.owner.conns++
	w.judge(c)
}

func (w *worker) release(o *owner) {
	o.conns--
	o.idle = w.now()
}

// wants says whether the configuration lets the connection be traced, as far as its
// owner and its role are known by now.
func (w *worker) wants(c *connection) bool {
	return !c.owner.ignored && w.receiver.filter.wantsRole(c.conn.Role)
}

// judge counts a connection that is left out, once, and has the kernel side do what
// is wanted of it by now.
func (w *worker) judge(c *connection) {
	if !c.filtered && !w.wants(c) {
		c.filtered = true
		w.counts.filtered++
	}
	w.advise(c)
}

// close ends a connection whose socket is gone.
func (w *worker) close(e *socktrace.CloseEvent) {
	c := w.conns[e.Header.Conn]
	if c == nil {
		return
	}
	clock := &w.receiver.clock
	var ends [2]protocol.End
	for side := range ends {
		ends[side] = protocol.End{Pos: e.Pos[side], Last: clock.wall(e.MovedNs[side])}
	}
	w.drop(c, moved(e.Bytes), ends, clock.wall(e.Header.TsNs))
}

// forget ends a connection of which nothing more will be heard. total are the bytes
// that it moved, 0 where that is not known.
func (w *worker) forget(id uint64, total bytesMoved, now int64) {
	if c := w.conns[id]; c != nil {
		w.drop(c, total, [2]protocol.End{}, now)
	}
}

func (w *worker) drop(c *connection, total bytesMoved, ends [2]protocol.End, now int64) {
	if sum := w.account(c, total); sum != nil {
		sum.closed++
	}
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
			w.forget(id, bytesMoved{}, now)
		} else {
			c.missing = true
		}
	}
}

// announced takes what the kernel side says of a process at its first connection, and
// again at the first after each exec.
func (w *worker) announced(e *socktrace.ProcessEvent) {
	r := w.receiver
	p, changed := r.processes.Announced(hint(e))
	if changed {
		w.executed(p)
		for _, other := range r.workers {
			if other != w {
				other.do(func() { other.executed(p) })
			}
		}
	}
	if w.ownerOf(p).ignored {
		if err := r.tracer.IgnoreProcess(e); err != nil {
			r.settings.Logger.Debug("process is left out in user space alone", zap.Error(err))
		}
	}
}

// executed gives the connections that a process has kept over an exec to its new
// image p.
func (w *worker) executed(p *process.Process) {
	for _, c := range w.conns {
		if c.owner.process.UPID == p.UPID && c.owner.process != p {
			w.give(c, w.ownerOf(p))
		}
	}
}

// ownerOf returns what the worker keeps of a process, made when first asked for.
func (w *worker) ownerOf(p *process.Process) *owner {
	if o, ok := w.owners[p]; ok {
		return o
	}
	r := w.receiver
	o := &owner{
		process: p, resource: r.resource(p), service: r.routes.acquire(p.Service),
		ratio: r.filter.ratio(p.Service), ignored: !r.filter.wants(p), since: w.now(), idle: w.now(),
	}
	w.owners[p] = o
	return o
}
