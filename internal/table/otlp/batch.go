// SPDX-License-Identifier: Apache-2.0

package otlp

import (
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/puck-otel/puck/internal/table"
)

// SpanBatch gathers the spans of rows by process and table until they are taken.
// It belongs to one goroutine.
type SpanBatch struct {
	writer  *SpanWriter
	version string
	traces  ptrace.Traces
	scopes  map[scopeKey]ptrace.SpanSlice
	places  map[*Process]ptrace.ScopeSpansSlice
	lastKey scopeKey
	last    ptrace.SpanSlice
	count   int
}

// scopeKey tells scopes apart. Processes are told apart by their pointers, which
// therefore must stay the same while a process does.
type scopeKey struct {
	process *Process
	schema  *table.Schema
}

// NewSpanBatch returns an empty batch. version is that of the distribution.
func NewSpanBatch(w *SpanWriter, version string) *SpanBatch {
	return &SpanBatch{
		writer: w, version: version, traces: ptrace.NewTraces(),
		scopes: map[scopeKey]ptrace.SpanSlice{}, places: map[*Process]ptrace.ScopeSpansSlice{},
	}
}

// Add makes the row's span. It keeps process until the batch is taken, and does
// not keep row, but the text that row holds.
func (b *SpanBatch) Add(row *table.Row, process *Process) {
	key := scopeKey{process, row.Schema}
	if b.count == 0 || key != b.lastKey {
		b.last, b.lastKey = b.scope(key), key
	}
	b.writer.Write(row, process.UPID, b.last.AppendEmpty())
	b.count++
}

// scope returns the spans of a process and table, made when first asked for.
func (b *SpanBatch) scope(key scopeKey) ptrace.SpanSlice {
	if spans, ok := b.scopes[key]; ok {
		return spans
	}
	place, ok := b.places[key.process]
	if !ok {
		rs := b.traces.ResourceSpans().AppendEmpty()
		rs.SetSchemaUrl(SchemaURL)
		key.process.WriteResource(rs.Resource(), b.writer.plans.options)
		place = rs.ScopeSpans()
		b.places[key.process] = place
	}
	ss := place.AppendEmpty()
	ss.SetSchemaUrl(SchemaURL)
	setScope(ss.Scope(), key.schema, b.version)
	b.scopes[key] = ss.Spans()
	return ss.Spans()
}

// setScope says which table the scope's telemetry is of.
func setScope(dst pcommon.InstrumentationScope, s *table.Schema, version string) {
	dst.SetName(ScopePrefix + s.Name)
	dst.SetVersion(version)
}

// Len returns the number of spans in the batch.
func (b *SpanBatch) Len() int { return b.count }

// Take returns the spans gathered and leaves the batch empty. They are the
// caller's.
func (b *SpanBatch) Take() ptrace.Traces {
	taken := b.traces
	b.traces = ptrace.NewTraces()
	clear(b.scopes)
	clear(b.places)
	b.last, b.lastKey, b.count = ptrace.SpanSlice{}, scopeKey{}, 0
	return taken
}

// ReadSpans calls each with the row of every span that came from the tables of
// r. The row is valid until each returns.
func (r *SpanReader) ReadSpans(traces ptrace.Traces, each func(pcommon.Resource, ptrace.Span, *table.Row)) {
	var row table.Row
	for _, rs := range traces.ResourceSpans().All() {
		upid := resourceUPID(rs.Resource())
		for _, ss := range rs.ScopeSpans().All() {
			schema := r.Schema(ss.Scope())
			if schema == nil {
				continue
			}
			for _, span := range ss.Spans().All() {
				r.Read(span, schema, upid, &row)
				each(rs.Resource(), span, &row)
			}
		}
	}
}
