// SPDX-License-Identifier: Apache-2.0

package redis

import (
	"time"

	"github.com/puck-otel/puck/internal/protocol"
)

type stitcher = protocol.Stitcher[message, Record, state]

type item = protocol.Item[message]

const (
	// patience is how long a reply waits for its command. The events of two threads
	// may be handed over in the other order.
	patience = int64(2 * time.Second)
	// quiet is after how long without a reply none is outstanding that answers a
	// command that was lost.
	quiet = int64(500 * time.Millisecond)
	// enough is how often a client must be seen to wait for all replies.
	enough = 3
	// maxEarly bounds the replies that wait for their commands.
	maxEarly = 64
	// maxConfirmed is about how much text of the replies to one command is kept.
	maxConfirmed = 4 << 10
)

// verdict is what becomes of a reply.
type verdict uint8

const (
	pair verdict = iota // with the oldest command
	wait
	drop
)

// stitch makes rows. Redis answers in order, so that a reply belongs to the oldest
// command that has none; pushes and what MONITOR writes belong to none.
func stitch(s *stitcher) {
	for {
		silent(s)
		if s.Responses.Len() == 0 {
			break
		}
		resp := s.Responses.At(0)
		if push(s, resp) {
			continue
		}
		switch judge(s, resp) {
		case wait:
			return
		case drop:
			s.Drop(protocol.LostUnpaired)
			s.State.lastReply = max(s.State.lastReply, resp.Last)
		case pair:
			s.State.lastReply = resp.Last
			answer(s, resp)
			if s.Requests.Len() == 0 && s.Requests.Open() == nil {
				s.State.drained = min(s.State.drained+1, enough)
			}
		}
		s.Responses.Pop()
	}
	if s.Why >= protocol.Closed {
		finish(s)
	}
}

// silent emits the oldest commands as long as they have no reply.
func silent(s *stitcher) {
	for s.Requests.Len() > 0 && s.Requests.At(0).Frame.silent {
		req := s.Requests.At(0)
		emit(s, req, &item{Extent: protocol.Extent{First: req.Last, Last: req.Last}})
		s.Requests.Pop()
	}
}

// push makes a row of a message that is no reply, and reports whether it was one.
func push(s *stitcher, resp *item) bool {
	st, m := s.State, &resp.Frame
	// In the middle of a connection nobody knows what it subscribed to before.
	unasked := s.Requests.Len() == 0 && (s.Conn.Joined || st.unsure)
	name := ""
	switch {
	case m.kind == publish && (m.first == typePush || st.subscribed+st.shards > 0 || unasked):
		name = "PUSH PUB"
	case m.kind == monitored && (st.monitor || unasked):
		name = "PUSH MONITOR"
	case m.first == typePush && (m.kind == reply || s.Requests.Len() == 0 || s.Requests.At(0).Frame.kind != m.kind):
		name = "PUSH"
	default:
		return false
	}
	st.resp3 = st.resp3 || m.first == typePush
	r := s.Record()
	r.Exchange = protocol.Exchange{Conn: s.Conn, Request: resp.Extent, Response: resp.Extent}
	r.Request.First, r.Request.Last = resp.First, resp.Last
	m.cmd = name
	r.req, r.resp, r.push, r.resp3, r.db = m, m, true, st.resp3, st.db
	r.emit(s)
	s.Responses.Pop()
	return true
}

// judge decides about a reply. While nothing was lost, order alone counts. After a loss
// the rest of a reply may look like replies of its own, and it is not known which
// commands they answer: all that came before are given up, until a command is sent when
// none can be outstanding. That is any that follows a reply, if the client waits for
// each, or was seen to wait for all that it had sent; and else one after a while without
// replies.
func judge(s *stitcher, resp *item) verdict {
	st := s.State
	// The client sent a command since, so that it did not wait, or a reply is missing.
	several := s.Requests.Len() > 1 && s.Requests.At(1).First < resp.First
	lost := resp.AfterLoss || resp.Frame.broken || resp.Frame.afterCut && (st.pipelined || several)
	st.unsure = st.unsure || lost
	if s.Requests.Len() == 0 {
		return early(s, resp)
	}
	req := s.Requests.At(0)
	gone := req.AfterLoss || req.Frame.afterCut || req.Frame.broken
	st.unsure = st.unsure || gone
	// Of a client that waits, one lost reply leaves two commands.
	st.pipelined = st.pipelined || several && (!lost || s.Requests.Len() > 2 && s.Requests.At(2).First < resp.First)
	if !st.unsure {
		newest := s.Requests.At(s.Requests.Len() - 1)
		st.windowed = st.windowed || st.lastReply != 0 && req.First < st.lastReply && newest.First > st.lastReply
		return pair
	}
	alone := req.First > st.lastReply
	if st.pipelined { // commands that are gone may be of the same pipeline
		alone = !gone && st.lastReply != 0 && (req.First >= st.lastReply+quiet || alone && !st.windowed && st.drained >= enough)
	}
	if !lost && alone && req.First <= resp.First {
		st.unsure = false
		return pair
	}
	giveUp(s, resp.First)
	return drop
}

// early decides about a reply for which there is no command, or none that is complete.
func early(s *stitcher, resp *item) verdict {
	open := s.Requests.Open()
	coming := open != nil && open.First <= resp.First && open.Frame.cmd != ""
	if s.Why >= protocol.Closed || s.Responses.Len() > maxEarly || s.State.unsure && !coming ||
		!coming && s.Now-resp.Last >= patience {
		return drop
	}
	return wait
}

// giveUp emits the commands that began by the time given: their replies are lost among
// others.
func giveUp(s *stitcher, by int64) {
	for s.Requests.Len() > 0 && s.Requests.At(0).First <= by {
		req := s.Requests.At(0)
		req.Frame.truncated = true
		emit(s, req, &item{Extent: protocol.Extent{First: req.Last, Last: req.Last}})
		s.Requests.Pop()
	}
}

// answer makes a row of the oldest command and its reply, or of its last reply if it has
// several.
func answer(s *stitcher, resp *item) {
	req := s.Requests.At(0)
	if m := &resp.Frame; req.Frame.kind != reply && m.kind == req.Frame.kind {
		if !s.State.confirm(&req.Frame, resp) {
			return
		}
		if s.State.confirmed > 1 {
			resp.First = s.State.began.First
			resp.Queue = s.State.began.Queue
			if len(s.State.text) > 0 {
				m.text = append(append(s.State.text, m.text...), ']')
			}
		}
		s.State.confirmed, s.State.expected, s.State.text = 0, 0, nil
	}
	s.State.follow(&req.Frame, &resp.Frame)
	emit(s, req, resp)
	s.Requests.Pop()
}

// confirm takes one of the replies that tell of a channel each, and reports whether it
// is the last. Their numbers tell how many channels are subscribed to by now.
func (s *state) confirm(req *message, resp *item) bool {
	m := &resp.Frame
	way := (m.kind - subscribe) % 3
	total := &s.subscribed
	if way == ssubscribe-subscribe {
		total = &s.shards
	}
	if s.confirmed == 0 {
		s.expected = max(1, req.args)
		if req.args == 0 { // from all channels
			s.expected = max(1, s.channels[way])
		}
		s.began = resp.Extent
	}
	switch {
	case m.number > *total:
		s.channels[way]++
	case m.number < *total && m.kind >= unsubscribe:
		s.channels[way] = max(0, s.channels[way]-1)
	}
	*total = m.number
	if s.confirmed++; s.confirmed >= s.expected {
		return true
	}
	if len(m.text) > 0 && len(s.text) < maxConfirmed {
		if len(s.text) == 0 {
			s.text = append(s.text, '[')
		}
		s.text = append(append(s.text, m.text...), ',')
	}
	return false
}

// follow notes what the command did to the connection.
func (s *state) follow(req, resp *message) {
	s.resp3 = s.resp3 || resp.first == typePush
	switch req.cmd {
	case "SELECT":
		if resp.ok {
			s.db = req.db
		}
	case "HELLO":
		if resp.code == "" {
			s.resp3 = resp.first == typeMap
		}
	case "MONITOR":
		s.monitor = s.monitor || resp.ok
	case "RESET":
		if resp.code == "" {
			*s = state{levels: s.levels, cut: s.cut, broken: s.broken, pipelined: s.pipelined,
				windowed: s.windowed, drained: s.drained, lastReply: s.lastReply, db: "0"}
		}
	}
}

// finish emits the commands that will not be answered.
func finish(s *stitcher) {
	for s.Requests.Len() > 0 {
		req := s.Requests.At(0)
		// Where replies were lost, one of them may have been the answer.
		req.Frame.truncated = req.Frame.truncated || s.Why == protocol.GivenUp || s.State.unsure ||
			s.State.confirmed > 0 || s.Lost[protocol.Response]
		emit(s, req, &item{Extent: protocol.Extent{First: s.Now, Last: s.Now}})
		s.Requests.Pop()
		s.State.confirmed = 0
	}
}

// emit makes a row of a command and its reply, which is of no type if there is none.
func emit(s *stitcher, req, resp *item) {
	r := s.Record()
	r.Exchange = protocol.Exchange{Conn: s.Conn, Request: req.Extent, Response: resp.Extent}
	r.req, r.resp, r.resp3, r.db = &req.Frame, &resp.Frame, s.State.resp3, s.State.db
	r.emit(s)
}
