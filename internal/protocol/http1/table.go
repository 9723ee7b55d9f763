// SPDX-License-Identifier: Apache-2.0

package http1

import (
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/puck-otel/puck/internal/protocol"
	"github.com/puck-otel/puck/internal/table"
)

// Record is a request and its response. It is valid until it was emitted.
type Record struct {
	protocol.Exchange
	codec     *codec
	req, resp *message
}

// truncated reports whether bytes were lost that the row should tell of.
func (r *Record) truncated() bool { return r.req.truncated || r.resp.truncated }

func exchange(r *Record) *protocol.Exchange { return &r.Exchange }

// Table is http_events as HTTP/1 fills it.
var Table = table.New("http_events",
	"HTTP requests and their responses. time_ is when the last byte of the response was moved; "+
		"for a request that was never answered it is when its connection ended or a timeout passed, and resp_status is 0.",
	protocol.Columns(exchange, protocol.ResponseTime, append(columns(), ownColumns()...)...)...).WithSpan(span)

// columns returns the columns of the compatibility set behind the common ones.
func columns() []table.Column[Record] {
	return []table.Column[Record]{
		table.Col("major_version", "Major version of the protocol, 1 or 2.",
			func(*Record) int64 { return 1 }).Is(table.GeneralEnum, table.None),
		table.Col("minor_version", "Minor version of the protocol.",
			func(r *Record) int64 { return int64(r.req.minor) }).Is(table.GeneralEnum, table.None),
		table.Col("content_type", "Type of the response's content: 0 unknown, 1 JSON, 2 gRPC.",
			func(r *Record) int64 { return int64(r.resp.content) }).Is(table.GeneralEnum, table.None),
		table.Col("req_headers", "Header fields of the request that the configuration keeps, as a JSON object.",
			func(r *Record) string { return headerText(r.req) }).Is(table.Structured, table.None).Sensitive(),
		table.Col("req_method", "Method of the request, as it was sent.",
			func(r *Record) string { return r.req.method }).Is(table.GeneralEnum, table.HTTPReqMethod).
			As(string(semconv.HTTPRequestMethodKey)),
		table.Col("req_path", "Target of the request: path and query. The values of the query are REDACTED unless the configuration keeps them.",
			func(r *Record) string { return r.req.target }).Is(table.Structured, table.None).
			As(string(semconv.URLPathKey)),
		table.Col("req_body", "Body of the request, decoded and cut at the configured size.",
			func(r *Record) string { return r.codec.bodyText(r.req) }).Is(table.Structured, table.None).Sensitive(),
		table.Col("req_body_size", "Bytes of the request's body as sent, chunk framing left out, before any cut.",
			func(r *Record) int64 { return r.req.size }).Is(table.MetricGauge, table.Bytes).
			As(string(semconv.HTTPRequestBodySizeKey)),
		table.Col("resp_headers", "Header fields of the response that the configuration keeps, as a JSON object.",
			func(r *Record) string { return headerText(r.resp) }).Is(table.Structured, table.None).Sensitive(),
		table.Col("resp_status", "Status code of the response, 0 if there was none.",
			func(r *Record) int64 { return int64(r.resp.status) }).Is(table.GeneralEnum, table.HTTPRespStatus).
			As(string(semconv.HTTPResponseStatusCodeKey)),
		table.Col("resp_message", "Reason phrase of the response.",
			func(r *Record) string { return r.resp.reason }).Is(table.Structured, table.HTTPRespMessage),
		table.Col("resp_body", "Body of the response, decoded and cut at the configured size.",
			func(r *Record) string { return r.codec.bodyText(r.resp) }).Is(table.Structured, table.None).Sensitive(),
		table.Col("resp_body_size", "Bytes of the response's body as sent, chunk framing left out, before any cut.",
			func(r *Record) int64 { return r.resp.size }).Is(table.MetricGauge, table.Bytes).
			As(string(semconv.HTTPResponseBodySizeKey)),
		protocol.LatencyColumn(exchange),
	}
}

// ownColumns returns the columns that only Puck has.
func ownColumns() []table.Column[Record] {
	return append(protocol.TimeColumns(exchange),
		table.Col("http_route", "The path with its variable parts replaced, so that few routes stand for many paths. "+
			"It is inferred from the paths that the service is asked for. A client's leaves as url.template.",
			func(r *Record) string { return r.req.route }).Is(table.GeneralEnum, table.None).
			As(string(semconv.HTTPRouteKey)),
		table.Col("user_agent", "The request's User-Agent.",
			func(r *Record) string { return r.req.agent }).As(string(semconv.UserAgentOriginalKey)),
		table.Col("host", "The request's Host.",
			func(r *Record) string { return r.req.host }),
		table.Col("trace_id", "Trace id of the request's traceparent, 32 hexadecimal digits, if it carries a valid one.",
			func(r *Record) string { return traceID(r.req) }),
		table.Col("parent_span_id", "Span id of the request's traceparent, 16 hexadecimal digits.",
			func(r *Record) string { return parentID(r.req) }),
		table.Col("truncated", "Whether bytes were lost that the row should tell of: part of a head, the end of a body, or the response.",
			func(r *Record) bool { return r.truncated() }).Is(table.GeneralEnum, table.None),
	)
}

func traceID(m *message) string {
	if m.trace == "" {
		return ""
	}
	return m.trace[:32]
}

func parentID(m *message) string {
	if m.trace == "" {
		return ""
	}
	return m.trace[33:49]
}
