// SPDX-License-Identifier: Apache-2.0

package protocol

import (
	"github.com/puck-otel/puck/internal/table"
)

// runner is a protocol in one engine.
type runner interface {
	open(c *Conn) session
}

// session is a protocol on one connection.
type session interface {
	begin(d Direction) *Extent
	parse(d Direction, data []byte, gap int, eof bool, now int64) (n int, status Status, skip int64)
	commit(d Direction)
	abort(d Direction)
	measure(d Direction)
	only(d Direction, light bool) bool
	turn(d Direction, why Why) bool
	resync(d Direction, data []byte) int
	stitch(why Why, now int64, lost [2]bool)
	pending() int
	crowded(d Direction) bool
	shrink()
	release()
}

// worker is what the connections of one protocol share in one engine.
type worker[F, R, S any] struct {
	spec     Spec[F, R, S]
	engine   *Engine
	counters *Counters
	free     []*pair[F, R, S]
	in       Input[F, S]
	stitcher Stitcher[F, R, S]
	record   R
	row      table.Row
}

// pair is both directions of one connection.
type pair[F, R, S any] struct {
	*worker[F, R, S]
	conn   *Conn
	queues [2]Queue[F]
	state  S
}

func (w *worker[F, R, S]) open(c *Conn) session {
	var p *pair[F, R, S]
	if n := len(w.free); n > 0 {
		p, w.free = w.free[n-1], w.free[:n-1]
	} else {
		p = &pair[F, R, S]{worker: w}
	}
	p.conn = c
	p.queues[Request].total, p.queues[Response].total = &w.engine.stats.Buffered, &w.engine.stats.Buffered
	return p
}

// release gives the pair's memory back.
func (p *pair[F, R, S]) release() {
	var zero S
	p.conn, p.state = nil, zero
	p.queues[Request].reset()
	p.queues[Response].reset()
	if len(p.free) < maxFree {
		p.free = append(p.free, p)
	}
}

// shrink gives back the memory of empty queues.
func (p *pair[F, R, S]) shrink() {
	for d := range p.queues {
		if q := &p.queues[d]; q.n == 0 && !q.open {
			q.items, q.head = nil, 0
		}
	}
}

func (p *pair[F, R, S]) begin(d Direction) *Extent { return &p.queues[d].begin().Extent }
func (p *pair[F, R, S]) commit(d Direction)        { p.queues[d].commit() }
func (p *pair[F, R, S]) abort(d Direction)         { p.queues[d].abort() }

// measure counts what the frame in progress holds by now.
func (p *pair[F, R, S]) measure(d Direction) {
	if p.spec.Size != nil {
		q := &p.queues[d]
		q.resize(p.spec.Size(&q.Open().Frame))
	}
}

func (p *pair[F, R, S]) parse(d Direction, data []byte, gap int, eof bool, now int64) (int, Status, int64) {
	in := &p.in
	in.Conn, in.State, in.Dir, in.Intern = p.conn, &p.state, d, p.engine.intern
	in.Requests, in.Responses = &p.queues[Request], &p.queues[Response]
	in.Data, in.Gap, in.EOF, in.Time, in.Skip = data, gap, eof, now, 0
	n, status := p.spec.Parse(in, &p.queues[d].Open().Frame)
	in.Data = nil
	return n, status, in.Skip
}

func (p *pair[F, R, S]) turn(d Direction, why Why) bool {
	return p.spec.Turn != nil && p.spec.Turn(&p.state, d, why, &p.queues[d].Open().Frame)
}

func (p *pair[F, R, S]) resync(d Direction, data []byte) int { return p.spec.Resync(d, data) }

func (p *pair[F, R, S]) pending() int { return p.queues[Request].n + p.queues[Response].n }

// only reports whether the frame in progress would be the only one of its direction,
// and is light or does not wait, since it answers a request.
func (p *pair[F, R, S]) only(d Direction, light bool) bool {
	return p.queues[d].n == 0 && (light || d == Response && p.queues[Request].n > 0)
}

// crowded reports whether more frames wait than may.
func (p *pair[F, R, S]) crowded(d Direction) bool {
	q := &p.queues[d]
	return q.n > p.spec.Pending || q.n > 1 && q.held > p.engine.config.TotalBytes/frameShare
}

func (p *pair[F, R, S]) stitch(why Why, now int64, lost [2]bool) {
	s := &p.stitcher
	s.w, s.Conn, s.State = p.worker, p.conn, &p.state
	s.Requests, s.Responses = &p.queues[Request], &p.queues[Response]
	s.Why, s.Now, s.Lost = why, now, lost
	p.spec.Stitch(s)
}

// Stitcher is what Stitch works on.
type Stitcher[Frame, Record, State any] struct {
	Conn  *Conn
	State *State
	// Requests and Responses are the complete frames. Stitch removes those that it
	// is done with.
	Requests, Responses *Queue[Frame]
	Why                 Why
	Now                 int64 // time of the newest bytes, or of the tick or close
	// Lost says by Direction, where Why is not [Framed], that bytes were lost behind
	// the newest complete frame, so that frames may be missing there.
	Lost [2]bool
	w    *worker[Frame, Record, State]
}

// Record returns a zero record, whose memory is that of the last one.
func (s *Stitcher[F, R, S]) Record() *R {
	var zero R
	s.w.record = zero
	return &s.w.record
}

// Emit makes a row of the record and counts it.
func (s *Stitcher[F, R, S]) Emit(r *R, o Outcome) {
	s.w.counters.Rows[o]++
	s.w.spec.Table.Fill(r, &s.w.row)
	s.w.engine.emit(s.Conn, &s.w.row)
}

// Drop counts a complete frame that no row tells of.
func (s *Stitcher[F, R, S]) Drop(why Loss) { s.w.counters.LostFrames[why]++ }
