// SPDX-License-Identifier: Apache-2.0

package protocol

// Stream is the bytes of one connection on their way to rows. It is not valid
// after Close.
type Stream struct {
	engine   *Engine
	conn     *Conn
	session  session // nil while no protocol has the connection
	counters *Counters
	protocol int // index into the engine's list, -1 for none
	index    int // place in the engine's list of streams
	halves   [2]half
	tried    uint64 // the protocols that had the connection and gave it back, as bits
	failed   int    // how many they are
	good     int    // frames of the protocol that has it, of late
	bad      int
	looked   int64 // bytes moved while no protocol had it
	turns    int   // how often the side changed meanwhile
	talking  Side  // the side that moved bytes last meanwhile
	active   int64 // when bytes were moved last
	settled  bool  // it cannot be in the middle of a message
	ignored  bool  // for good
	closed   bool
}

// half is one side's bytes.
type half struct {
	next    uint64  // the position that is expected
	skip    uint64  // the position before which the frame in progress needs no bytes
	ext     *Extent // of the frame in progress, nil between frames
	buf     []byte  // bytes of an unfinished frame
	touched int64   // when bytes were added to buf
	bufTime int64   // when the first bytes of buf were moved
	skipped int     // bytes passed over since the last invalid frame
	queue   uint32  // queue time of the first bytes of buf
	started bool
	ended   bool
	skimmed bool // bytes went by before a protocol had the connection
	lost    bool // bytes were lost since the last complete frame
	seeking bool // bytes are passed over until a message may start
	// tentative says that the frame in progress began where a message may start:
	// it is nobody's fault if it is none.
	tentative bool
	begun     bool // the other direction knows of the frame in progress
	faulty    bool // seeking because of an invalid frame
}

// input is what one call brings: data, then a gap.
type input struct {
	data  []byte
	gap   int
	end   uint64 // the position behind both
	why   Loss   // of the gap
	time  int64
	queue uint32
	eof   bool
	peer  Peer
}

// wild is the least jump that is no gap but a wrong position.
const wild = 1 << 30

// Protocol returns the index of the protocol that has the connection in the
// engine's list, -1 while there is none.
func (s *Stream) Protocol() int { return s.protocol }

// Verdict returns how many bytes of each call are of use from now on: 0 when the
// connection was given up for good.
func (s *Stream) Verdict() int {
	switch {
	case s.ignored:
		return 0
	case s.protocol >= 0:
		return max(s.engine.config.Capture, s.engine.protocols[s.protocol].capture())
	}
	return s.engine.config.Capture
}

// Skip returns the position before which the bytes of a side are of no use, 0 if all
// are: bytes that come as a gap up to there are no loss.
func (s *Stream) Skip(side Side) uint64 { return s.halves[side].skip }

// dir returns the direction of a side's bytes, Either if the role is not known.
func (s *Stream) dir(side Side) Direction {
	switch s.conn.Role {
	case Client:
		return Direction(side)
	case Server:
		return Direction(1 - side)
	}
	return Either
}

// Data takes what one call moved.
func (s *Stream) Data(side Side, seg Segment) {
	if s.ignored {
		return
	}
	s.active = seg.Time
	in := input{data: seg.Data, why: LostCapture, time: seg.Time, queue: seg.Queue, end: seg.Pos + uint64(seg.Len)}
	if n := int(seg.Len) - len(seg.Data); n > 0 {
		in.gap = n
	}
	if s.conn.Transport == UDP {
		in.eof, in.peer = true, s.engine.peer(seg.Peer)
		s.arrive(&s.halves[side], seg.Pos, in.end)
		s.take(side, &in)
		return
	}
	before, fresh := s.place(side, seg.Pos, &in)
	if before > 0 {
		s.take(side, &input{gap: before, why: LostGap, time: seg.Time, end: seg.Pos})
	}
	if fresh {
		s.take(side, &in)
	}
}

// arrive notes that the datagram from pos to end came on a half. Whatever was before, it
// begins a message. Two threads may hand theirs over in the other order, and each is
// whole: so one that should have come before is not left out.
func (s *Stream) arrive(h *half, pos, end uint64) {
	h.seeking, h.tentative = false, false
	if jump := int64(pos - h.next); h.started && jump > 0 && jump < wild {
		h.lost = true
		if s.counters != nil {
			s.counters.LostBytes[LostGap] += uint64(jump)
		}
	}
	if !h.started || int64(end-h.next) > 0 {
		h.started, h.next = true, end
	}
}

// place finds the input's place in the byte stream. It returns how many bytes
// are missing before it, and false if all of it was there already.
func (s *Stream) place(side Side, pos uint64, in *input) (before int, fresh bool) {
	h := s.begun(side, pos)
	jump, length := int64(pos-h.next), len(in.data)+in.gap
	switch {
	case jump >= wild || jump <= -wild:
		s.engine.stats.Wild++
		s.cutOff(side, LostGap)
	case jump > 0:
		before = int(jump)
	case jump < 0:
		seen := int(-jump)
		s.engine.stats.Overlap += uint64(min(seen, length))
		if seen >= length {
			return 0, false
		}
		if cut := seen - len(in.data); cut >= 0 {
			in.data, in.gap = nil, in.gap-cut
		} else {
			in.data = in.data[seen:]
		}
	}
	h.next = pos + uint64(length)
	return before, length > 0
}

// begun returns the half of a side whose bytes from pos on come next.
func (s *Stream) begun(side Side, pos uint64) *half {
	h := &s.halves[side]
	if !h.started {
		h.started, h.next = true, pos
		h.lost = !s.settled && pos != 0
		if start := s.conn.Start[side]; start != 0 {
			h.next = start
		}
	}
	return h
}

// take hands the input to the protocol that has the connection, or looks for one.
func (s *Stream) take(side Side, in *input) {
	switch {
	case s.ignored:
	case s.session != nil:
		s.feed(side, in)
	default:
		s.match(side, in)
	}
}

// EOF ends a side's byte stream. Bytes before its end that did not come are missing.
func (s *Stream) EOF(side Side, end End, now int64) {
	h := &s.halves[side]
	if h.ended || s.closed {
		return
	}
	h.ended = true
	if end.Pos != 0 && !s.ignored {
		s.begun(side, end.Pos)
		if missing := int64(end.Pos - h.next); missing > 0 && missing < wild {
			h.next = end.Pos
			s.take(side, &input{gap: int(missing), why: LostGap, time: end.Last, end: end.Pos})
		}
	}
	if s.session != nil {
		s.feed(side, &input{eof: true, time: now})
	}
}

// Close ends the connection. ends are those of both sides, as for [Stream.EOF].
func (s *Stream) Close(ends [2]End, now int64) {
	if s.closed {
		return
	}
	first := Send
	if s.dir(Send) == Response {
		first = Recv
	}
	s.EOF(first, ends[first], now)
	s.EOF(1-first, ends[1-first], now)
	s.end(now, Closed)
	s.dropBuffers()
	s.engine.forget(s)
}

// end takes the connection from the protocol that has it, which emits what it
// has left.
func (s *Stream) end(now int64, why Why) {
	if s.session == nil {
		return
	}
	for side := range s.halves {
		h := &s.halves[side]
		h.skip = 0
		if h.ext != nil {
			s.lose(h, s.dir(Side(side)), LostEnd)
		}
	}
	s.stitch(why, now)
	s.session.release()
	s.session, s.counters, s.protocol = nil, nil, -1
}

// stitch lets the protocol act on frames although none was completed.
func (s *Stream) stitch(why Why, now int64) {
	lost := [2]bool{s.halves[Send].lost, s.halves[Recv].lost}
	if s.conn.Role == Server {
		lost[0], lost[1] = lost[1], lost[0]
	}
	s.session.stitch(why, now, lost)
}

// ignore gives the connection up for good.
func (s *Stream) ignore(now int64) {
	s.end(now, GivenUp)
	s.dropBuffers()
	s.ignored = true
	s.engine.stats.Ignored++
}

// rematch looks for another protocol from here.
func (s *Stream) rematch(now int64) {
	s.end(now, GivenUp)
	s.looked, s.turns, s.good, s.bad = 0, 0, 0, 0
	for side := range s.halves {
		h := &s.halves[side]
		h.seeking, h.faulty, h.tentative, h.skimmed, h.lost = false, false, false, false, false
	}
}

func (s *Stream) dropBuffers() {
	for side := range s.halves {
		s.keep(&s.halves[side], nil)
	}
}

// keep replaces the half's buffer by rest, which may lie within it.
func (s *Stream) keep(h *half, rest []byte) {
	s.engine.stats.Buffered += len(rest) - len(h.buf)
	if len(rest) == 0 {
		if h.buf != nil {
			s.engine.recycle(h.buf)
			h.buf = nil
		}
		return
	}
	if h.buf == nil {
		h.buf = s.engine.buffer(len(rest))
	} else if &rest[0] == &h.buf[0] {
		h.buf = rest
		return
	}
	h.buf = append(h.buf[:0], rest...)
}

// join adds the input's data to the bytes that wait, and returns all of them and
// how many waited.
func (s *Stream) join(h *half, in *input) (work []byte, old int) {
	old = len(h.buf)
	if old == 0 {
		return in.data, 0
	}
	if len(in.data) > 0 {
		h.buf = append(h.buf, in.data...)
		h.touched = in.time
		s.engine.stats.Buffered += len(in.data)
	}
	return h.buf, old
}
