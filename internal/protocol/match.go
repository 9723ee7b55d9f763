// SPDX-License-Identifier: Apache-2.0

package protocol

const (
	// maxFailed is how many protocols may fail on a connection before it is ignored.
	maxFailed = 2
	// joinedTurns and joinedBytes bound the search on a connection that may have
	// been joined in the middle of a message: the message ends before its sides
	// have changed that often, and no longer one is waited for.
	joinedTurns = 16
	joinedBytes = 256 << 20
)

// match asks the protocols whose the bytes are.
func (s *Stream) match(side Side, in *input) {
	h := &s.halves[side]
	size := len(in.data) + in.gap
	s.engine.stats.Unmatched += uint64(size)
	if in.gap > 0 && in.why == LostGap {
		// What was lost tells nothing, and what follows may be the middle of a message.
		s.settled = false
	} else {
		s.looked += int64(size)
		if side != s.talking {
			s.talking = side
			s.turns++
		}
	}
	if len(h.buf) == 0 {
		h.bufTime, h.queue = in.time, in.queue
	}
	work, _ := s.join(h, in)
	found, maybe := -1, false
	if len(work) > 0 {
		found, maybe = s.ask(side, work)
	}
	switch {
	case found >= 0:
		s.start(found, side, in)
		return
	case maybe && in.gap == 0 && !in.eof && len(work) <= s.engine.config.MatchBytes && s.room() > len(in.data):
		h.touched = in.time
		s.keep(h, work)
	default:
		h.skimmed = true
		s.keep(h, nil)
	}
	if s.hopeless() {
		s.ignore(in.time)
	}
}

// room returns how many more bytes the engine may buffer.
func (s *Stream) room() int { return s.engine.config.TotalBytes - s.engine.stats.Buffered }

// hopeless reports whether the search for a protocol is over.
func (s *Stream) hopeless() bool {
	if s.settled {
		return s.looked > int64(s.engine.config.MatchBytes)
	}
	return s.turns > joinedTurns || s.looked > joinedBytes
}

// ask returns the first protocol whose the bytes are, or -1 and whether one may
// still turn up. It sets the connection's role where the bytes show it.
func (s *Stream) ask(side Side, data []byte) (found int, maybe bool) {
	dir := s.dir(side)
	if s.conn.Transport == UDP {
		dir = Either // a server may connect its socket too: who did says nothing
	}
	for i, p := range s.engine.protocols {
		if s.tried&(1<<i) != 0 || s.conn.Transport == UDP && !p.SpeaksUDP() {
			continue
		}
		is := Either
		switch p.match(s.conn, dir, data) {
		case No:
			continue
		case Maybe:
			maybe = true
			continue
		case IsRequest:
			is = Request
		case IsResponse:
			is = Response
		}
		if is == Either && dir == Either {
			is = s.guess(side)
		}
		if is == Either && dir == Either || dir != Either && is != Either && is != dir {
			continue
		}
		if dir == Either {
			s.conn.Role = role(side, is)
		}
		return i, false
	}
	return -1, maybe
}

// role returns the role of a process that moves bytes of the direction on the side.
func role(side Side, is Direction) Role {
	if Direction(side) == is {
		return Client
	}
	return Server
}

// guess returns the direction by the ports, of which the server's is the lower
// as a rule.
func (s *Stream) guess(side Side) Direction {
	local, remote := s.conn.Local.Port(), s.conn.Remote.Port()
	switch {
	case local == remote:
		return Either
	case (local > remote) == (side == Send):
		return Request
	}
	return Response
}

// start gives the connection to the protocol with index i, and shows it the
// bytes that waited, the other side's first.
func (s *Stream) start(i int, side Side, in *input) {
	s.session, s.protocol = s.engine.runners[i].open(s.conn), i
	s.counters = &s.engine.stats.Protocols[i]
	s.counters.Matched++
	s.good, s.bad = 0, 0
	h, other := &s.halves[side], &s.halves[1-side]
	skimmed := h.skimmed || other.skimmed
	h.seeking, h.lost = false, h.lost || skimmed
	other.seeking, other.lost = !s.settled || other.skimmed, other.lost || other.skimmed
	if len(other.buf) > 0 {
		s.feed(1-side, &input{time: other.bufTime, end: other.next})
	}
	if len(h.buf) > 0 {
		in.data = nil
	}
	s.take(side, in)
}
