// SPDX-License-Identifier: Apache-2.0

package protocol

// maxSkip stands for a body without an end in sight.
const maxSkip = 1 << 40

// feed shows the protocol the bytes that waited and the input.
func (s *Stream) feed(side Side, in *input) {
	h, d := &s.halves[side], s.dir(side)
	rest, old := s.join(h, in)
	for {
		if h.seeking && len(rest) > 0 {
			rest = s.seek(h, d, rest, in)
			if s.session == nil {
				s.restart(side, nil, Invalid, in)
				return
			}
		}
		if len(rest) == 0 && s.between(h, in) {
			break
		}
		fresh := h.ext == nil
		n, status, skip := s.step(h, d, rest, in, old > 0)
		light := fresh && n <= lightFrame
		if n > len(rest) {
			s.counters.SkippedBytes += uint64(n - len(rest))
			in.gap, n = in.gap-(n-len(rest)), len(rest)
		}
		rest, old = rest[n:], max(0, old-n)
		if status == More && in.gap == 0 && !in.eof {
			limit := max(0, min(s.engine.config.FrameBytes, s.room()+len(h.buf)))
			if len(rest) <= limit {
				h.skip = 0
				if skip >= int64(s.engine.config.SkipBytes) && len(rest) == 0 {
					h.skip = in.end + uint64(min(skip, maxSkip))
				}
				break
			}
			rest, in.gap, in.why = rest[:limit], len(rest)-limit, LostLimit
			continue
		}
		if rest = s.act(h, d, rest, in, status, light); s.session == nil {
			s.restart(side, rest, status, in)
			return
		}
	}
	if len(rest) > 0 && old == 0 {
		h.bufTime, h.queue = in.time, in.queue
	}
	if len(rest) > 0 && len(in.data) > 0 {
		h.touched = in.time
	}
	s.keep(h, rest)
	if h.ext != nil && !s.fits(d) {
		s.lose(h, d, LostLimit)
	}
}

// between handles the end of the data at hand: true if nothing is left to show
// to the protocol.
func (s *Stream) between(h *half, in *input) bool {
	if in.gap > 0 && (h.ext == nil || h.seeking) {
		s.counters.LostBytes[in.why] += uint64(in.gap)
		h.seeking, h.lost, h.tentative = true, true, false
		in.gap = 0
		return true
	}
	return in.gap == 0 && (!in.eof || h.ext == nil)
}

// step parses once. The count it returns is at most what there is. A tentative
// frame is one for certain once the protocol took some of it.
func (s *Stream) step(h *half, d Direction, rest []byte, in *input, waited bool) (int, Status, int64) {
	fresh := h.ext == nil
	if fresh {
		h.begun = false
		h.ext = s.session.begin(d)
		h.ext.First, h.ext.Queue = in.time, in.queue
		if waited {
			h.ext.First, h.ext.Queue = h.bufTime, h.queue
		}
		h.ext.Last, h.ext.AfterLoss = h.ext.First, h.lost
		h.ext.Peer = in.peer
	}
	n, status, skip := s.session.parse(d, rest, in.gap, in.eof, in.time)
	ends := status == Done || status == Skip || status == Last || status == Switch
	if n < 0 || n > len(rest)+in.gap || fresh && n == 0 && ends {
		return 0, Invalid, 0
	}
	if n > 0 {
		h.ext.Last = in.time
		h.ext.Missing += uint64(max(0, n-len(rest)))
		if !h.begun && (status == More || ends && status != Skip) {
			h.begun, h.tentative = true, false
			s.turn(1-d, Framed, in.time)
		}
	}
	return n, status, skip
}

// turn ends the frame in progress of the direction d if the protocol says so.
func (s *Stream) turn(d Direction, why Why, now int64) {
	h := &s.halves[d]
	if s.conn.Role == Server {
		h = &s.halves[1-d]
	}
	if h.ext == nil || h.tentative || !s.session.turn(d, why) {
		return
	}
	h.seeking = true
	s.commit(h, d, now, false)
}

// commit makes a row of the frame if it can. A frame for which there is no room is
// lost. What the only light frame of a direction holds is not worth counting.
func (s *Stream) commit(h *half, d Direction, now int64, light bool) {
	if !s.session.only(d, light) && !s.fits(d) {
		s.lose(h, d, LostLimit)
		return
	}
	h.ext, h.lost, h.tentative, h.skip = nil, false, false, 0
	s.good++
	s.counters.Frames[d]++
	s.session.commit(d)
	s.session.stitch(Framed, now, [2]bool{})
}

// fits counts what the frame in progress holds, and reports whether there is room
// for it.
func (s *Stream) fits(d Direction) bool {
	s.session.measure(d)
	return s.room() >= 0
}

// act does what the status asks for, and returns the bytes to go on with.
func (s *Stream) act(h *half, d Direction, rest []byte, in *input, status Status, light bool) []byte {
	switch status {
	case Done, Last, Switch:
		h.faulty = false
		s.commit(h, d, in.time, light)
		switch {
		case status == Last:
			s.counters.Stopped++
			s.ignore(in.time)
		case status == Switch:
			s.counters.Stopped++
			s.keep(h, rest)
			rest = h.buf
			s.rematch(in.time)
		case s.session.crowded(d):
			s.counters.LostFrames[LostLimit]++
			s.ignore(in.time)
		}
		return rest
	case Skip:
		s.session.abort(d)
		h.ext = nil
		return rest
	case Invalid:
		return s.invalid(h, d, rest, in)
	}
	why := in.why
	if in.gap == 0 && in.eof {
		why = LostEnd
	}
	s.lose(h, d, why)
	s.counters.LostBytes[why] += uint64(len(rest) + in.gap)
	in.gap = 0
	return nil
}

// lose drops the frame in progress. One that began where a message may start is
// not counted: it is part of what was passed over.
func (s *Stream) lose(h *half, d Direction, why Loss) {
	began := h.ext != nil && !h.tentative
	if h.ext != nil {
		if began {
			s.counters.LostFrames[why]++
		}
		s.session.abort(d)
		h.ext = nil
	}
	h.tentative, h.seeking, h.skip = false, true, 0
	switch why {
	case LostInvalid: // a request it was for certain, a response if some of it was
		h.lost = h.lost || began && (d == Request || h.begun)
	case LostEnd:
		h.lost = h.lost || !h.ended
	default:
		h.lost = true
	}
}

// invalid drops a frame that is not the protocol's, and with it all of a datagram, and
// gives the connection back when there were too many.
func (s *Stream) invalid(h *half, d Direction, rest []byte, in *input) []byte {
	if !h.tentative {
		h.faulty, h.skipped = true, 0
		s.bad++
	}
	s.lose(h, d, LostInvalid)
	if s.conn.Transport == UDP {
		s.counters.LostBytes[LostInvalid] += uint64(len(rest) + in.gap)
		rest, in.gap = nil, 0
	} else if len(rest) > 0 {
		rest = rest[1:]
		s.counters.LostBytes[LostInvalid]++
	} else {
		s.counters.LostBytes[LostInvalid] += uint64(in.gap)
		in.gap = 0
	}
	s.judge(in.time)
	return rest
}

// judge takes the connection from a protocol that fails on more than a third of
// what it parses.
func (s *Stream) judge(now int64) {
	if s.bad < 2 || s.bad*3 <= s.good+s.bad {
		if s.good+s.bad > 64 {
			s.good, s.bad = s.good/2, s.bad/2
		}
		return
	}
	s.counters.GivenBack++
	s.tried |= 1 << s.protocol
	if s.failed++; s.failed >= maxFailed {
		s.ignore(now)
		return
	}
	s.rematch(now)
	for side := range s.halves {
		s.halves[side].skimmed = true
	}
}

// seek passes over bytes up to where a message may start.
func (s *Stream) seek(h *half, d Direction, rest []byte, in *input) []byte {
	n := max(0, min(s.session.resync(d, rest), len(rest)))
	s.counters.LostBytes[LostResync] += uint64(n)
	if n < len(rest) {
		h.seeking, h.tentative = false, true
	}
	if h.faulty {
		if h.skipped += n; h.skipped > s.engine.config.MatchBytes {
			h.skipped = 0
			s.bad++
			s.judge(in.time)
		}
	}
	return rest[n:]
}

// restart looks for another protocol in the bytes behind those of the last one.
func (s *Stream) restart(side Side, rest []byte, status Status, in *input) {
	if s.ignored {
		return
	}
	h := &s.halves[side]
	if status != Switch {
		s.keep(h, nil)
		return
	}
	h.bufTime, h.queue, h.touched = in.time, in.queue, in.time
	if len(rest) > 0 || in.gap > 0 {
		s.match(side, &input{gap: in.gap, why: in.why, time: in.time, queue: in.queue, end: in.end})
	}
}

// cutOff drops what is unfinished on a side: its next bytes have nothing to do
// with it.
func (s *Stream) cutOff(side Side, why Loss) {
	h := &s.halves[side]
	if s.session == nil {
		h.skimmed = true
	} else {
		s.counters.LostBytes[why] += uint64(len(h.buf))
		s.lose(h, s.dir(side), why)
	}
	s.keep(h, nil)
}

// stale drops bytes that have waited for too long.
func (s *Stream) stale(h *half, side Side) {
	if s.session == nil && s.settled {
		s.looked += int64(len(h.buf))
	}
	s.cutOff(side, LostStale)
}
