// SPDX-License-Identifier: Apache-2.0

package http1

import (
	"time"

	"github.com/puck-otel/puck/internal/protocol"
)

type stitcher = protocol.Stitcher[message, Record, state]

type item = protocol.Item[message]

const (
	// patience is how long a response waits for its request. The events of two
	// threads may be handed over in the other order.
	patience = int64(2 * time.Second)
	// quiet is after how long without a response none is outstanding that answers a
	// request that was lost.
	quiet = int64(500 * time.Millisecond)
	// maxEarly bounds the responses that wait for their requests.
	maxEarly = 8
)

// pair finds the request that the response in progress answers, now that its
// status is known: how its body ends depends on the method.
func (k *codec) pair(in *input, m *message) {
	s, resp := in.State, in.Responses.Open()
	req, newest := unanswered(in.Requests, s.answered, resp.First)
	if req == nil || m.paired {
		return
	}
	lost := resp.AfterLoss || s.cutResponse
	s.cutResponse = false
	if req != newest && !lost {
		s.pipelines(in.Conn)
	}
	alone := req == newest && req.First >= s.lastResponse+quiet
	switch {
	case s.unsure, s.pipelined && (lost || req.AfterLoss || s.cutRequest):
		s.unsure, s.cutRequest = !alone, false
		if !alone {
			s.answered, m.orphan = newest.Seq+1, true
			return
		}
	case resp.AfterLoss && req == newest && !req.AfterLoss:
		// Each request before this response was seen and all but one are answered: the
		// lost bytes are the answer to that one, and this answers one not seen.
		s.answered, m.orphan = newest.Seq+1, true
		return
	case lost:
		req = newest
	}
	m.paired, m.request, m.method = true, req.Seq, req.Frame.method
	// A connection that was joined in the middle misses no request that it saw the
	// answer of begin.
	m.doubtful = lost && (!in.Conn.Joined || s.lastResponse != 0)
	m.first = in.Conn.Joined && s.lastResponse == 0
	m.bodyless = m.bodyless || m.method == "HEAD" || m.method == "CONNECT" && m.status/100 == 2
	s.answered = req.Seq + 1
}

// pipelines notes that requests do not wait for responses. A connection that was
// joined in the middle may owe answers to requests not seen.
func (s *state) pipelines(c *protocol.Conn) {
	if !s.pipelined {
		s.pipelined, s.unsure = true, s.unsure || c.Joined
	}
}

// unanswered returns the oldest request from the one numbered seq on, and the newest,
// of those that began by the time given. The last may be in progress.
func unanswered(q *protocol.Queue[message], seq uint64, by int64) (oldest, newest *item) {
	n := q.Len()
	if open := q.Open(); open != nil && open.Frame.method != "" && open.First <= by {
		newest = open
	}
	for n > 0 && newest == nil {
		if n--; q.At(n).First <= by {
			newest = q.At(n)
		}
	}
	if newest == nil || newest.Seq < seq {
		return nil, nil
	}
	for i := range n {
		if it := q.At(i); it.Seq >= seq {
			return it, newest
		}
	}
	return newest, newest
}

// stitch makes rows of the responses whose requests are complete, in the order
// of the responses, and of the requests that will not be answered.
func (k *codec) stitch(s *stitcher) {
	for s.Responses.Len() > 0 {
		resp := s.Responses.At(0)
		if !resp.Frame.paired && !k.adopt(s, resp) {
			if early(s, resp) {
				return
			}
			drop(s)
			continue
		}
		k.giveUp(s, resp.Frame.request)
		if s.Requests.Len() == 0 || s.Requests.At(0).Seq != resp.Frame.request {
			if open := s.Requests.Open(); open != nil && open.Seq == resp.Frame.request {
				return
			}
			drop(s)
			continue
		}
		if resp.Frame.doubtful || resp.Frame.first {
			if wait, wrong := doubt(s, resp); wait {
				return
			} else if wrong {
				drop(s)
				continue
			}
		}
		k.emit(s, s.Requests.At(0), resp)
		s.State.lastResponse = resp.Last
		s.Requests.Pop()
		s.Responses.Pop()
	}
	answered := s.State.answered
	if open := s.Responses.Open(); open != nil && open.Frame.paired {
		answered = open.Frame.request
	}
	k.giveUp(s, answered)
	k.expire(s)
}

// doubt decides about a pair with lost bytes before its response: a request that
// the response rather answers may be lost too. The request that follows tells: it
// begins behind a loss, or nothing was lost between the two. It is not waited for
// for long: then the request itself tells whether requests are being lost.
func doubt(s *stitcher, resp *item) (wait, wrong bool) {
	next := s.Requests.Open()
	if s.Requests.Len() > 1 {
		next = s.Requests.At(1)
	}
	if next != nil && next.Seq <= resp.Frame.request {
		next = nil
	}
	if resp.Frame.first && shifted(s, resp, next) {
		return false, true
	}
	if next != nil {
		return false, resp.Frame.doubtful && next.AfterLoss
	}
	wait = s.Why == protocol.Framed || s.Why == protocol.Tick && s.Now-resp.Last < patience
	return wait, !wait && resp.Frame.doubtful && s.Requests.At(0).AfterLoss
}

// shifted reports whether the first response of a connection joined in the middle
// answers a request that was not seen: the client does not wait for responses, or there
// is one more response than requests.
func shifted(s *stitcher, resp, next *item) bool {
	more := s.Responses.Open()
	if s.Responses.Len() > 1 {
		more = s.Responses.At(1)
	}
	if next != nil && next.First < resp.Last || next == nil && more != nil && more.Frame.status >= 200 {
		s.State.pipelines(s.Conn)
	}
	return s.State.unsure
}

// drop counts the oldest response, which makes no row.
func drop(s *stitcher) {
	s.State.lastResponse = max(s.State.lastResponse, s.Responses.At(0).Last)
	s.Drop(protocol.LostUnpaired)
	s.Responses.Pop()
}

// adopt pairs a response that came before its request, by their times.
func (k *codec) adopt(s *stitcher, resp *item) bool {
	if resp.Frame.orphan || s.Requests.Len() == 0 {
		return false
	}
	for i := range s.Requests.Len() {
		req := s.Requests.At(i)
		if req.Seq < s.State.answered {
			continue
		}
		if req.First > resp.First || req.Last > resp.Last {
			return false
		}
		resp.Frame.paired, resp.Frame.request = true, req.Seq
		s.State.answered = req.Seq + 1
		return true
	}
	return false
}

// early reports whether the response may be waiting for a request yet to come. The
// first response of a connection that was joined in the middle follows no loss: a
// sender's call may return after the answer to it was read.
func early(s *stitcher, resp *item) bool {
	lost := resp.AfterLoss && (!s.Conn.Joined || s.State.lastResponse != 0)
	return !resp.Frame.orphan && !lost && s.Why <= protocol.Tick && s.Requests.Len() == 0 &&
		s.Responses.Len() <= maxEarly && s.Now-resp.Last < patience
}

// giveUp emits the requests before the one numbered seq: their responses were lost.
func (k *codec) giveUp(s *stitcher, seq uint64) {
	for s.Requests.Len() > 0 && s.Requests.At(0).Seq < seq {
		req := s.Requests.At(0)
		req.Frame.truncated = true
		k.emit(s, req, &item{Extent: protocol.Extent{First: req.Last, Last: req.Last}})
		s.Requests.Pop()
	}
}

// expire emits the requests that waited for too long, or that wait when the
// connection ends.
func (k *codec) expire(s *stitcher) {
	if s.Why == protocol.Framed {
		return
	}
	for s.Requests.Len() > 0 {
		req := s.Requests.At(0)
		if open := s.Responses.Open(); s.Why == protocol.Tick &&
			(s.Now-req.Last < k.timeout || open != nil && open.Frame.paired && open.Frame.request == req.Seq) {
			return
		}
		s.State.answered = max(s.State.answered, req.Seq+1)
		// Where responses were lost, one of them may have been the answer.
		req.Frame.truncated = req.Frame.truncated || s.Why == protocol.GivenUp || s.Lost[protocol.Response]
		k.emit(s, req, &item{Extent: protocol.Extent{First: s.Now, Last: s.Now}})
		s.Requests.Pop()
	}
}

// emit makes a row of a request and its response, whose status is 0 if there is none.
func (k *codec) emit(s *stitcher, req, resp *item) {
	r := s.Record()
	r.Exchange = protocol.Exchange{Conn: s.Conn, Request: req.Extent, Response: resp.Extent}
	r.codec, r.req, r.resp = k, &req.Frame, &resp.Frame
	outcome := protocol.Complete
	switch {
	case r.truncated():
		outcome = protocol.Truncated
	case resp.Frame.status == 0:
		outcome = protocol.Unanswered
	}
	s.Emit(r, outcome)
}
