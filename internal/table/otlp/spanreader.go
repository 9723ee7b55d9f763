// SPDX-License-Identifier: Apache-2.0

package otlp

import (
	"math"
	"strings"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/puck-otel/puck/internal/table"
)

// SpanReader makes rows of spans again. It belongs to one goroutine.
type SpanReader struct {
	plans   plans
	schemas map[string]*table.Schema // by scope
	seen    []bool                   // the columns that an attribute carried
}

// NewSpanReader returns a reader of the spans of these tables.
func NewSpanReader(schemas []*table.Schema) *SpanReader {
	return &SpanReader{plans: plans{options: Options{Sensitive: true}}, schemas: byScope(schemas)}
}

// byScope returns the schemas by the names of their scopes.
func byScope(schemas []*table.Schema) map[string]*table.Schema {
	m := make(map[string]*table.Schema, len(schemas))
	for _, s := range schemas {
		m[ScopePrefix+s.Name] = s
	}
	return m
}

// Schema returns the table whose spans the scope holds, nil if they are not ours.
func (r *SpanReader) Schema(scope pcommon.InstrumentationScope) *table.Schema {
	return r.schemas[scope.Name()]
}

// spanText is what a reader finds on the way that is no column by itself.
type spanText struct {
	methodOriginal, query, template string
	hasQuery                        bool
}

// Read sets row, whose memory it reuses, to the row of schema that src was made
// of. upid is what the resource says. Attributes that do not fit the schema are
// left out: src may come from anyone.
func (r *SpanReader) Read(src ptrace.Span, schema *table.Schema, upid table.ID, row *table.Row) {
	p := r.plans.of(schema)
	reset(row, schema)
	if cap(r.seen) < len(schema.Columns) {
		r.seen = make([]bool, len(schema.Columns))
	}
	r.seen = r.seen[:len(schema.Columns)]
	clear(r.seen)

	f := facts{start: int64(src.StartTimestamp()), end: int64(src.EndTimestamp()), kind: tableKind(src.Kind())}
	var text spanText
	readSpan(src, &f, row)
	before := absent
	for key, v := range src.Attributes().All() {
		i := p.find(key, before)
		if i == absent {
			continue
		}
		before = i
		if k := p.keys[i].step; k != absent {
			st := &p.steps[k]
			if read(v, st, &row.Values[st.column]) {
				r.seen[st.column] = true
			}
		}
		if fact := p.keys[i].fact; fact != noFact {
			readFact(fact, v, &f, &text, &row.Span)
		}
	}
	p.derive(row, &f, &text, upid, r.seen)
}

// reset makes row an empty row of schema.
func reset(row *table.Row, schema *table.Schema) {
	row.Schema, row.Span = schema, table.Span{}
	if cap(row.Values) < len(schema.Columns) {
		row.Values = make([]table.Value, len(schema.Columns))
	}
	row.Values = row.Values[:len(schema.Columns)]
	clear(row.Values)
}

// readSpan reads what the span says in fields of its own.
func readSpan(src ptrace.Span, f *facts, row *table.Row) {
	s := &row.Span
	s.Name, s.Kind, s.Start, s.End = src.Name(), f.kind, f.start, f.end
	s.Failed = src.Status().Code() == ptrace.StatusCodeError
	s.StatusMessage = src.Status().Message()
	if !src.ParentSpanID().IsEmpty() {
		s.TraceID, s.ParentID = src.TraceID(), src.ParentSpanID()
		s.Sampled = src.Flags()&flagSampled != 0
		s.TraceState = src.TraceState().AsRaw()
	}
	f.hasParent, f.traceID, f.parentID = s.HasParent(), s.TraceID, s.ParentID
}

// read sets the cell to an attribute's value, if that is of the column's type.
func read(v pcommon.Value, st *step, cell *table.Value) bool {
	switch st.typ {
	case table.String:
		if st.list && v.Type() == pcommon.ValueTypeSlice {
			cell.Str = joinList(v.Slice())
			return true
		}
		if v.Type() == pcommon.ValueTypeStr {
			cell.Str = v.Str()
			return true
		}
	case table.Int64, table.Time64NS:
		if v.Type() == pcommon.ValueTypeInt {
			cell.Num = v.Int()
			return true
		}
	case table.Bool:
		if v.Type() == pcommon.ValueTypeBool {
			if v.Bool() {
				cell.Num = 1
			}
			return true
		}
	case table.Float64:
		if v.Type() == pcommon.ValueTypeDouble {
			cell.Num = int64(math.Float64bits(v.Double()))
			return true
		}
	case table.UInt128:
		if v.Type() == pcommon.ValueTypeStr {
			id, err := ParseUPID(v.Str())
			cell.ID = id
			return err == nil
		}
	}
	return false
}

// joinList undoes what putList did. What is no text is an empty element.
func joinList(list pcommon.Slice) string {
	var b strings.Builder
	for i, e := range list.All() {
		if i > 0 {
			b.WriteByte(',')
		}
		if e.Type() == pcommon.ValueTypeStr {
			b.WriteString(e.Str())
		}
	}
	return b.String()
}

// fact is a key that says more than its column, or has none.
type fact uint8

const (
	noFact fact = iota
	factServerAddress
	factServerPort
	factClientAddress
	factClientPort
	factProtocol
	factVersion
	factTransport
	factScheme
	factDBSystem
	factErrorType
	factMethodOriginal
	factQuery
	factURL // says nothing that others do not
	factTemplate
	lastFact
)

// key returns the key of the fact.
func (f fact) key() string {
	return [lastFact]string{
		"", KeyServerAddress, KeyServerPort, KeyClientAddress, KeyClientPort, KeyProtocol, KeyProtocolVersion,
		KeyTransport, KeyURLScheme, KeyDBSystem, KeyErrorType, KeyMethodOriginal, KeyURLQuery, KeyURLFull, KeyURLTemplate,
	}[f]
}

// readFact reads a fact. Values of another type than it has are left out.
func readFact(key fact, v pcommon.Value, f *facts, text *spanText, s *table.Span) {
	switch v.Type() {
	case pcommon.ValueTypeInt:
		switch key {
		case factServerPort:
			f.serverPort = v.Int()
		case factClientPort:
			f.clientPort = v.Int()
		}
	case pcommon.ValueTypeStr:
		switch key {
		case factServerAddress:
			f.serverAddr = v.Str()
		case factClientAddress:
			f.clientAddr = v.Str()
		case factProtocol:
			s.Protocol = v.Str()
		case factVersion:
			f.version, s.ProtocolVersion = v.Str(), v.Str()
		case factTransport:
			s.Transport = parseTransport(v.Str())
		case factScheme:
			f.scheme, s.Scheme = v.Str(), v.Str()
		case factDBSystem:
			s.DBSystem = v.Str()
		case factErrorType:
			s.ErrorType = v.Str()
		case factMethodOriginal:
			text.methodOriginal = v.Str()
		case factQuery:
			text.query, text.hasQuery = v.Str(), true
		case factTemplate:
			text.template = v.Str()
		}
	}
}

// parseTransport reads what Transport.String writes.
func parseTransport(s string) table.Transport {
	for t := table.TCP; t <= table.Unix; t++ {
		if t.String() == s {
			return t
		}
	}
	return table.UnknownTransport
}

// derive fills in the columns that the span says without an attribute of theirs.
// The order matters: the ends follow from the role, the reason from the status.
func (p *plan) derive(row *table.Row, f *facts, text *spanText, upid table.ID, seen []bool) {
	f.role = roleOf(f.kind)
	if i := p.at[table.SpanRole]; i != absent && seen[i] {
		f.role = row.Values[i].Num
	}
	f.hasMajor = p.at[table.SpanMajor] != absent
	f.major = f.number(table.SpanMajor)
	if i := p.at[table.SpanMajor]; i != absent && seen[i] {
		f.major = row.Values[i].Num
	}
	f.status = p.num(row, table.HTTPStatus)
	for i := range p.steps {
		st := &p.steps[i]
		v := &row.Values[st.column]
		switch st.field {
		case table.HTTPMethod:
			if v.Str == otherMethod && text.methodOriginal != "" {
				v.Str = text.methodOriginal
			}
		case table.HTTPTarget:
			if text.hasQuery {
				v.Str = joinTarget(v.Str, text.query)
			}
		case table.HTTPRoute:
			if !seen[st.column] {
				v.Str = text.template
			}
		case table.NoField, table.RemoteAddr, table.RemotePort, table.HTTPStatus:
		default:
			if !seen[st.column] {
				deriveCell(st, v, f, upid)
			}
		}
	}
}

// deriveCell fills in one such column.
func deriveCell(st *step, v *table.Value, f *facts, upid table.ID) {
	switch st.typ {
	case table.String:
		v.Str = f.text(st.field)
	case table.UInt128:
		v.ID = upid
	default:
		v.Num = f.number(st.field)
	}
}

// joinTarget undoes what putTarget did.
func joinTarget(path, query string) string {
	var b strings.Builder
	b.Grow(len(path) + 1 + len(query))
	b.WriteString(path)
	b.WriteByte('?')
	b.WriteString(query)
	return b.String()
}
