// SPDX-License-Identifier: Apache-2.0

package redis

import (
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/puck-otel/puck/internal/protocol"
	"github.com/puck-otel/puck/internal/table"
)

// Record is a command and its reply, or a push. It is valid until it was emitted.
type Record struct {
	protocol.Exchange
	req, resp *message
	push      bool // there is no command: req is resp, and has a name
	resp3     bool
	db        string
}

// args returns the arguments that are kept, or nothing.
func (r *Record) args() string {
	if r.push {
		return ""
	}
	return string(r.req.text)
}

// truncated reports whether bytes were lost that the row should tell of.
func (r *Record) truncated() bool { return r.req.truncated || r.resp.truncated }

// answered reports whether the row is complete without a reply, or has one.
func (r *Record) answered() bool { return r.req.silent || r.resp.first != 0 }

// emit emits the record with the outcome that follows from it.
func (r *Record) emit(s *stitcher) {
	switch {
	case r.truncated():
		s.Emit(r, protocol.Truncated)
	case !r.answered():
		s.Emit(r, protocol.Unanswered)
	default:
		s.Emit(r, protocol.Complete)
	}
}

func exchange(r *Record) *protocol.Exchange { return &r.Exchange }

// Table is redis_events.
var Table = table.New("redis_events",
	"Redis commands and their replies, and what a server pushes to its subscribers. time_ is when the last byte of the "+
		"reply was moved; for a command that was never answered it is when its connection ended. "+
		"A message of a subscription is a row with the command PUSH PUB, a line of MONITOR one with PUSH MONITOR, "+
		"any other push one with PUSH.",
	protocol.Columns(exchange, protocol.ResponseTime, append(columns(), ownColumns()...)...)...).WithSpan(span)

// columns returns the columns of the compatibility set behind the common ones.
func columns() []table.Column[Record] {
	return []table.Column[Record]{
		table.Col("req_cmd", "The command in capitals, with its subcommand where it has one: CONFIG GET. _OTHER if it cannot be a command's name.",
			func(r *Record) string { return r.req.cmd }).Is(table.General, table.None).
			As(string(semconv.DBOperationNameKey)),
		table.Col("req_args", "The command's arguments as a JSON array, as many as the configuration keeps. Those of commands that carry passwords are never kept.",
			func(r *Record) string { return r.args() }).Is(table.General, table.None).Sensitive(),
		table.Col("resp", "The reply as text, aggregates as JSON, cut at the configured size.",
			func(r *Record) string { return string(r.resp.text) }).Is(table.General, table.None).Sensitive(),
		protocol.LatencyColumn(exchange),
	}
}

// ownColumns returns the columns that only Puck has.
func ownColumns() []table.Column[Record] {
	return append(protocol.TimeColumns(exchange),
		table.Col("query_text", "The command with a question mark in place of each argument.",
			func(r *Record) string { return r.req.query }).Is(table.GeneralEnum, table.None).
			As(string(semconv.DBQueryTextKey)),
		table.Col("error_code", "The prefix of an error: ERR, WRONGTYPE, MOVED. Empty if the reply is none.",
			func(r *Record) string { return r.resp.code }).Is(table.GeneralEnum, table.None).
			As(string(semconv.DBResponseStatusCodeKey)),
		table.Col("db_index", "The database that the connection selected, empty if it was not seen to select one.",
			func(r *Record) string { return r.db }).Is(table.GeneralEnum, table.None).
			As(string(semconv.DBNamespaceKey)),
		table.Col("truncated", "Whether bytes were lost that the row should tell of: part of the command or the reply, or the whole reply.",
			func(r *Record) bool { return r.truncated() }).Is(table.GeneralEnum, table.None),
	)
}
