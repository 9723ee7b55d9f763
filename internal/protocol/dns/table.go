// SPDX-License-Identifier: Apache-2.0

package dns

import (
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/puck-otel/puck/internal/protocol"
	"github.com/puck-otel/puck/internal/table"
)

// Record is a query and its response. It is valid until it was emitted.
type Record struct {
	protocol.Exchange
	req, resp *message
}

// truncated reports whether bytes were lost that the row should tell of.
func (r *Record) truncated() bool { return r.req.cut || r.resp.cut }

// answered reports whether there was a response.
func (r *Record) answered() bool { return r.resp.isResponse() }

func exchange(r *Record) *protocol.Exchange { return &r.Exchange }

// Table is dns_events.
var Table = table.New("dns_events",
	"DNS queries and their responses. time_ is when the response was moved; for a query that was never answered it is "+
		"when its socket was closed or a timeout passed, and resp_header is empty.",
	protocol.Columns(exchange, protocol.ResponseTime, append(columns(), ownColumns()...)...)...).WithSpan(span)

// columns returns the columns of the compatibility set behind the common ones.
func columns() []table.Column[Record] {
	return []table.Column[Record]{
		table.Col("req_header", "Header of the query, as a JSON object: txid, the flags, opcode, rcode, and how many records each section has.",
			func(r *Record) string { return headerText(r.req) }),
		table.Col("req_body", "Questions of the query, as a JSON object: queries is a list of name and type.",
			func(r *Record) string { return r.req.body }),
		table.Col("resp_header", "Header of the response, as req_header; empty if there was none.",
			func(r *Record) string {
				if !r.answered() {
					return ""
				}
				return headerText(r.resp)
			}),
		table.Col("resp_body", "Answers of the response, as a JSON object: answers is a list of name, type, and by the type addr, cname or, "+
			"in the presentation format of zone files, data. Beyond 16 KiB answers are left out.",
			func(r *Record) string {
				if r.answered() && r.resp.body == "" {
					return `{"answers":[]}`
				}
				return r.resp.body
			}),
		protocol.LatencyColumn(exchange),
	}
}

// ownColumns returns the columns that only Puck has.
func ownColumns() []table.Column[Record] {
	return append(protocol.TimeColumns(exchange),
		table.Col("question_name", "Name that the first question asks for, without the dot at its end.",
			func(r *Record) string { return r.req.name }).As(string(semconv.DNSQuestionNameKey)),
		table.Col("question_type", "Type of the records that the first question asks for, such as AAAA, or TYPE and its number.",
			func(r *Record) string {
				if r.req.counts[questions] == 0 {
					return ""
				}
				return typeName(r.req.kind)
			}).Is(table.GeneralEnum, table.None),
		table.Col("answers", "Addresses among the answers, parted by commas.",
			func(r *Record) string { return r.resp.addresses }).As(string(semconv.DNSAnswersKey)).List(),
		table.Col("rcode", "Name of the response code, with the bits that EDNS adds; empty if there was no response.",
			func(r *Record) string {
				if !r.answered() {
					return ""
				}
				return rcodeName(r.resp.rcode)
			}).Is(table.GeneralEnum, table.None),
		table.Col("retransmits", "How often the client sent the query again from the same socket.",
			func(r *Record) int64 { return int64(r.req.retries) }).Is(table.MetricGauge, table.None),
		table.Col("truncated", "Whether bytes were lost that the row should tell of: part of a message, or the response. "+
			"It is not the flag tc, by which a server says that not all answers fit.",
			func(r *Record) bool { return r.truncated() }).Is(table.GeneralEnum, table.None),
	)
}

// headerText returns the header as a JSON object.
func headerText(m *message) string {
	var room [256]byte
	return string(appendHeader(room[:0], &m.header))
}
