// SPDX-License-Identifier: Apache-2.0

package otlp_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/puck-otel/puck/internal/protocol/all"
	"github.com/puck-otel/puck/internal/table"
	"github.com/puck-otel/puck/internal/table/otlp"
)

// exchange is a record with every field that a column can have, and a column of
// every type that has none.
type exchange struct {
	time, start                                 int64
	upid                                        table.ID
	remote, local                               string
	remotePort, localPort                       int64
	role, major, minor                          int64
	method, path, message, route, agent, header string
	status, reqSize, respSize, latency          int64
	encrypted, truncated                        bool
	ratio                                       float64
	other                                       table.ID
	traceID, parentID, host                     string
	span                                        table.Span
	unnamed                                     bool // by the span
}

func newTable() *table.Table[exchange] {
	str := func(name string, get func(*exchange) string) table.Column[exchange] {
		return table.Col(name, "Text.", get)
	}
	num := func(name string, get func(*exchange) int64) table.Column[exchange] {
		return table.Col(name, "A number.", get)
	}
	return table.New("http_events", "Requests.",
		table.Col("time_", "When.", func(r *exchange) table.Time { return table.Time(r.time) }),
		table.Col("upid", "Who.", func(r *exchange) table.ID { return r.upid }),
		str("remote_addr", func(r *exchange) string { return r.remote }),
		num("remote_port", func(r *exchange) int64 { return r.remotePort }),
		str("local_addr", func(r *exchange) string { return r.local }),
		num("local_port", func(r *exchange) int64 { return r.localPort }),
		num("trace_role", func(r *exchange) int64 { return r.role }),
		table.Col("encrypted", "TLS.", func(r *exchange) bool { return r.encrypted }).In(table.SpanScheme),
		num("major_version", func(r *exchange) int64 { return r.major }),
		num("minor_version", func(r *exchange) int64 { return r.minor }),
		str("req_headers", func(r *exchange) string { return r.header }).Sensitive(),
		str("req_method", func(r *exchange) string { return r.method }),
		str("req_path", func(r *exchange) string { return r.path }),
		num("req_body_size", func(r *exchange) int64 { return r.reqSize }).As("http.request.body.size"),
		num("resp_status", func(r *exchange) int64 { return r.status }),
		str("resp_message", func(r *exchange) string { return r.message }),
		num("resp_body_size", func(r *exchange) int64 { return r.respSize }).As("http.response.body.size"),
		num("latency", func(r *exchange) int64 { return r.latency }),
		str("http_route", func(r *exchange) string { return r.route }).As("http.route"),
		str("user_agent", func(r *exchange) string { return r.agent }).As("user_agent.original"),
		table.Col("start_time", "When it began.", func(r *exchange) table.Time { return table.Time(r.start) }).In(table.SpanStart),
		str("host", func(r *exchange) string { return r.host }),
		str("trace_id", func(r *exchange) string { return r.traceID }).In(table.SpanTraceID),
		str("parent_span_id", func(r *exchange) string { return r.parentID }).In(table.SpanParentID),
		table.Col("truncated", "Cut.", func(r *exchange) bool { return r.truncated }),
		table.Col("ratio", "A share.", func(r *exchange) float64 { return r.ratio }),
		table.Col("other", "Another process.", func(r *exchange) table.ID { return r.other }),
	).WithSpan(func(r *exchange, s *table.Span) {
		*s = r.span
		if !r.unnamed {
			s.Name, s.Target = r.method, r.route
		}
	})
}

// typical is a request as the engine sees most of them.
func typical(role int64) exchange {
	return exchange{
		time: 1_700_000_000_123_456_789, start: 1_700_000_000_123_000_000, latency: 456_789,
		upid:   table.ID{High: 7<<32 | 123, Low: 99},
		remote: "127.0.0.1", remotePort: 51034, local: "127.0.0.1", localPort: 80,
		role: role, major: 1, minor: 1, method: "GET", path: "/api/users/123?full=1", route: "/api/users/{id}",
		agent: "curl/8.14.1", host: "127.0.0.1", status: 200, message: "OK", respSize: 612,
		span: table.Span{Protocol: "http", Scheme: "http", Transport: table.TCP,
			Start: 1_700_000_000_123_000_000, End: 1_700_000_000_123_456_789},
	}
}

// roundTrip returns the row that the row's span becomes.
func roundTrip(t *testing.T, row *table.Row, resource table.ID) (ptrace.Span, table.Row) {
	t.Helper()
	options := otlp.Options{Sensitive: true}
	batch := otlp.NewSpanBatch(otlp.NewSpanWriter(options, [32]byte{1}), "1.2.3")
	batch.Add(row, &otlp.Process{UPID: resource})
	traces := batch.Take()
	wire, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(traces)
	if err != nil {
		t.Fatal(err)
	}
	traces, err = (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces(wire)
	if err != nil {
		t.Fatal(err)
	}
	reader := otlp.NewSpanReader([]*table.Schema{row.Schema})
	var span ptrace.Span
	var back table.Row
	rows := 0
	reader.ReadSpans(traces, func(_ pcommon.Resource, s ptrace.Span, r *table.Row) {
		span, back = s, *r
		rows++
	})
	if rows != 1 {
		t.Fatalf("one row became %d", rows)
	}
	return span, back
}

// random fills a row with values that are often equal, empty or at the border.
func random(rng *rand.Rand, s *table.Schema, row *table.Row) {
	texts := []string{"", "GET", "get", "_OTHER", "/", "/a?b", "?", "a?", "/a?b?c", "OK", "Not Found", "ü", "127.0.0.1", "127.0.0.1:80", "127.0.0.1:200",
		"00000000000000010000000000000002", "0000000000000003", "{\"k\":\"v\"}", "x y"}
	nums := []int64{0, 1, 2, 3, 4, -1, 80, 200, 404, 503, math.MaxInt64, math.MinInt64, 1_700_000_000_000_000_000}
	row.Schema = s
	row.Values = make([]table.Value, len(s.Columns))
	for i, c := range s.Columns {
		v := &row.Values[i]
		switch c.Type {
		case table.String:
			v.Str = texts[rng.IntN(len(texts))]
		case table.Bool:
			v.Num = int64(rng.IntN(2))
		case table.UInt128:
			v.ID = table.ID{High: uint64(rng.IntN(2)), Low: uint64(rng.IntN(2)) * math.MaxUint64}
		default:
			v.Num = nums[rng.IntN(len(nums))]
		}
	}
	ids := []byte{0, 0, 1, 2}
	row.Span = table.Span{
		Name: texts[rng.IntN(len(texts))], Target: texts[rng.IntN(len(texts))],
		ErrorType: texts[rng.IntN(len(texts))], StatusMessage: texts[rng.IntN(len(texts))],
		Protocol: texts[rng.IntN(len(texts))], ProtocolVersion: []string{"", "1.1", "2", "11", "x", "1.x"}[rng.IntN(6)],
		Scheme:     []string{"", "http", "https"}[rng.IntN(3)],
		ServerName: texts[rng.IntN(len(texts))], ServerPort: nums[rng.IntN(len(nums))],
		Start: nums[rng.IntN(len(nums))], End: nums[rng.IntN(len(nums))],
		TraceID: [16]byte{7: ids[rng.IntN(4)], 15: ids[rng.IntN(4)]}, ParentID: [8]byte{7: ids[rng.IntN(4)] * 3},
		Failed: rng.IntN(2) == 0, Kind: table.Kind(rng.IntN(6)), Transport: table.Transport(rng.IntN(4)),
	}
}

// schemas returns the tables that are spans.
func schemas() []*table.Schema {
	list := []*table.Schema{&newTable().Schema}
	for _, p := range all.Protocols(all.Config{}) {
		list = append(list, p.Schema())
	}
	return list
}

func TestRowSurvivesSpan(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, s := range schemas() {
		t.Run(s.Name, func(t *testing.T) {
			zero := table.Row{Schema: s, Values: make([]table.Value, len(s.Columns))}
			if _, back := roundTrip(t, &zero, table.ID{}); !reflect.DeepEqual(back.Values, zero.Values) {
				t.Errorf("the zero row became %+v", back.Values)
			}
			for range 3000 {
				var row table.Row
				random(rng, s, &row)
				span, back := roundTrip(t, &row, table.ID{High: 1})
				for i, c := range s.Columns {
					if row.Values[i] != back.Values[i] {
						t.Fatalf("%s: %+v became %+v\nrow %+v\nattributes %v", c.Name, row.Values[i], back.Values[i], row, span.Attributes().AsRaw())
					}
				}
			}
		})
	}
}

// TestRowSurvivesUsedWriter writes each row again and again between others, so
// that it comes from what the writer remembers, and compares with a new writer.
func TestRowSurvivesUsedWriter(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	for _, s := range schemas() {
		used := otlp.NewSpanWriter(otlp.Options{}, [32]byte{2})
		reader := otlp.NewSpanReader([]*table.Schema{s})
		upid := table.ID{High: 1}
		rows := make([]table.Row, 50)
		for i := range rows {
			random(rng, s, &rows[i])
		}
		for i := range 1000 {
			row := &rows[rng.IntN(len(rows))]
			got, want := ptrace.NewSpan(), ptrace.NewSpan()
			used.Write(row, upid, got)
			if i%7 == 0 { // what others do with a span must not reach what the writer keeps
				for _, v := range got.Attributes().All() {
					v.SetStr("overwritten")
				}
				continue
			}
			otlp.NewSpanWriter(otlp.Options{}, [32]byte{3}).Write(row, upid, want)
			if fmt.Sprint(got.Attributes().AsRaw()) != fmt.Sprint(want.Attributes().AsRaw()) || got.Name() != want.Name() || got.Status().Code() != want.Status().Code() {
				t.Fatalf("%s: %v %v, want %v %v", s.Name, got.Name(), got.Attributes().AsRaw(), want.Name(), want.Attributes().AsRaw())
			}
			var a, b table.Row
			reader.Read(got, s, upid, &a)
			reader.Read(want, s, upid, &b)
			if !reflect.DeepEqual(a.Values, b.Values) {
				t.Fatalf("%s: %+v, want %+v", s.Name, a.Values, b.Values)
			}
		}
	}
}

// FuzzReadSpans reads telemetry that anyone may have sent.
func FuzzReadSpans(f *testing.F) {
	rng := rand.New(rand.NewPCG(9, 10))
	for _, s := range schemas() {
		batch := otlp.NewSpanBatch(otlp.NewSpanWriter(otlp.Options{Sensitive: true}, [32]byte{1}), "1")
		var row table.Row
		random(rng, s, &row)
		batch.Add(&row, &otlp.Process{UPID: table.ID{High: 1}})
		wire, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(batch.Take())
		if err != nil {
			f.Fatal(err)
		}
		f.Add(wire)
	}
	reader := otlp.NewSpanReader(schemas())
	writer := otlp.NewSpanWriter(otlp.Options{Sensitive: true}, [32]byte{1})
	f.Fuzz(func(t *testing.T, wire []byte) {
		traces, err := (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces(wire)
		if err != nil {
			return
		}
		reader.ReadSpans(traces, func(_ pcommon.Resource, _ ptrace.Span, row *table.Row) {
			// The row that was read is one that survives.
			span := ptrace.NewSpan()
			writer.Write(row, table.ID{}, span)
			var back table.Row
			otlp.NewSpanReader([]*table.Schema{row.Schema}).Read(span, row.Schema, table.ID{}, &back)
			for i, v := range row.Values {
				v.Str = strings.ToValidUTF8(v.Str, "\uFFFD")
				if row.Schema.Columns[i].Type != table.Float64 && v != back.Values[i] {
					t.Fatalf("%s: %+v became %+v", row.Schema.Columns[i].Name, v, back.Values[i])
				}
			}
		})
	})
}
