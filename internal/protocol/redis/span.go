// SPDX-License-Identifier: Apache-2.0

package redis

import (
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/puck-otel/puck/internal/protocol"
	"github.com/puck-otel/puck/internal/table"
)

// system is the value of db.system.name.
var system = semconv.DBSystemNameRedis.Value.AsString()

// span makes a span by the semantic conventions for Redis. Each command is a span of its
// own, in a pipeline too: what it took is what the client waited for it.
func span(r *Record, s *table.Span) {
	s.Protocol, s.DBSystem, s.Name = "redis", system, r.req.cmd
	if r.resp3 {
		s.ProtocolVersion = "3"
	}
	s.Transport = table.Transport(r.Conn.Transport)
	s.Start, s.End = r.Request.First, r.Response.Last
	switch {
	case r.resp.code != "":
		s.Failed, s.ErrorType = true, r.resp.code
	case !r.answered() && !r.truncated():
		s.Failed, s.ErrorType = true, protocol.NoResponse
	}
}
