// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"strings"
	"time"

	"github.com/puck-otel/puck/internal/protocol"
)

type stitcher = protocol.Stitcher[message, Record, state]

type item = protocol.Item[message]

const (
	// patience is how long a response waits for its query. The events of two threads
	// may be handed over in the other order.
	patience = int64(2 * time.Second)
	// maxEarly bounds the responses that wait for their queries.
	maxEarly = 64
	// maxPending bounds the queries of a socket that wait for responses: a server has
	// one socket for all its clients.
	maxPending = 2048
)

// stitch makes rows of the responses whose queries are there, in whatever order they
// come, and of the queries that will not be answered.
func (k *codec) stitch(s *stitcher) {
	if n := s.Requests.Len(); n > 0 && !s.Requests.At(n-1).Frame.seen {
		asked(s, n-1)
	}
	if n := s.Responses.Len(); n > 0 && !s.Responses.At(n-1).Frame.seen {
		answered(s, n-1)
	}
	for s.Responses.Len() > 0 && (s.Responses.Len() > maxEarly || s.Why > protocol.Tick ||
		s.Why == protocol.Tick && s.Now-s.Responses.At(0).Last >= patience) {
		s.Drop(protocol.LostUnpaired)
		s.Responses.Pop()
	}
	for s.Requests.Len() > 0 {
		req := s.Requests.At(0)
		crowded := s.Requests.Len() > maxPending
		if !crowded && s.Why <= protocol.Tick && s.Now-req.Last < k.timeout {
			return
		}
		// Where responses were lost, one of them may have been the answer.
		req.Frame.cut = req.Frame.cut || crowded || s.Why == protocol.GivenUp ||
			s.Why != protocol.Framed && s.Lost[protocol.Response] || s.State.lossAt >= req.First
		emit(s, req, &item{Extent: protocol.Extent{First: s.Now, Last: s.Now}})
		s.Requests.Pop()
	}
}

// asked takes the newest query. A client that asks again, with the same id from the
// same socket, still waits for the same answer: both are one row. To a server they are
// two, each of which it answers.
func asked(s *stitcher, n int) {
	req := s.Requests.At(n)
	req.Frame.seen = true
	for i := range n {
		before := s.Requests.At(i)
		if before.Frame.id != req.Frame.id || !alike(before, req) {
			continue
		}
		if s.Conn.Role == protocol.Client {
			before.Frame.retries++
			s.Requests.Remove(n)
			return
		}
		req.Frame.again = true
	}
	for i := range s.Responses.Len() {
		if resp := s.Responses.At(i); resp.Frame.id == req.Frame.id && alike(req, resp) {
			pair(s, n, i)
			return
		}
	}
}

// answered takes the newest response. Most answer a query of late.
func answered(s *stitcher, n int) {
	resp := s.Responses.At(n)
	resp.Frame.seen = true
	if resp.AfterLoss {
		s.State.lossAt = resp.First
	}
	found := -1
	for i := s.Requests.Len() - 1; i >= 0; i-- {
		req := s.Requests.At(i)
		if req.Frame.id != resp.Frame.id || !alike(req, resp) {
			continue
		}
		if found = i; !req.Frame.again {
			break
		}
	}
	switch {
	case found >= 0:
		pair(s, found, n)
	case s.State.transfer == uint32(resp.Frame.id)+1:
		s.Responses.Remove(n) // more of an answer that has its row
	}
}

// alike reports whether two messages with the same id are of one exchange: between the
// same ends, and about the same. Some responses do not repeat the question.
func alike(a, b *item) bool {
	if a.Frame.opcode() != b.Frame.opcode() || !a.Peer.Matches(b.Peer) {
		return false
	}
	return b.Frame.counts[questions] == 0 ||
		a.Frame.kind == b.Frame.kind && a.Frame.class == b.Frame.class && strings.EqualFold(a.Frame.name, b.Frame.name)
}

// pair makes a row of the query and the response with these indexes.
func pair(s *stitcher, request, response int) {
	req := s.Requests.At(request)
	s.State.transfer = 0
	if req.Frame.kind == typeAXFR || req.Frame.kind == typeIXFR {
		s.State.transfer = uint32(req.Frame.id) + 1
	}
	emit(s, req, s.Responses.At(response))
	s.Requests.Remove(request)
	s.Responses.Remove(response)
}

// emit makes a row of a query and its response, which is no response if there is none.
func emit(s *stitcher, req, resp *item) {
	r := s.Record()
	r.Exchange = protocol.Exchange{Conn: s.Conn, Request: req.Extent, Response: resp.Extent}
	r.req, r.resp = &req.Frame, &resp.Frame
	outcome := protocol.Complete
	switch {
	case r.truncated():
		outcome = protocol.Truncated
	case !r.answered():
		outcome = protocol.Unanswered
	}
	s.Emit(r, outcome)
}
