// SPDX-License-Identifier: Apache-2.0

package dns

import "github.com/puck-otel/puck/internal/table"

// noResponse is the error.type of a query whose socket was closed, or that waited for
// too long, without a response.
const noResponse = "no_response"

// span makes a span. Its name is the type and the name of the question; a message that
// is no query is named by its opcode in place of the type. The names that are asked
// for may be many, as those of HTTP's paths: whoever counts spans by name counts the
// names that a service resolves.
func span(r *Record, s *table.Span) {
	s.Protocol = "dns"
	s.Transport = table.Transport(r.Conn.Transport)
	s.Start, s.End = r.Request.First, r.Response.Last
	s.Name, s.Target = operation(r.req), r.req.name
	switch {
	case r.answered() && r.resp.rcode != 0:
		s.Failed, s.ErrorType = true, rcodeName(r.resp.rcode)
	case !r.answered() && !r.truncated():
		s.Failed, s.ErrorType = true, noResponse
	}
}

// operation returns what a message does.
func operation(m *message) string {
	switch {
	case m.opcode() == opNotify:
		return "NOTIFY"
	case m.opcode() == opUpdate:
		return "UPDATE"
	case m.opcode() != opQuery || m.counts[questions] == 0:
		return "DNS"
	}
	return typeName(m.kind)
}
