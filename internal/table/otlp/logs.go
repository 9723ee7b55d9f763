// SPDX-License-Identifier: Apache-2.0

package otlp

import (
	"math"
	"strconv"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/puck-otel/puck/internal/table"
)

// LogBatch gathers the log records of rows by process and table until they are
// taken. It serves tables of any columns. It belongs to one goroutine.
type LogBatch struct {
	plans   plans
	version string
	logs    plog.Logs
	scopes  map[scopeKey]plog.LogRecordSlice
	count   int
}

// NewLogBatch returns an empty batch. version is that of the distribution.
func NewLogBatch(o Options, version string) *LogBatch {
	return &LogBatch{
		plans: plans{options: o}, version: version, logs: plog.NewLogs(), scopes: map[scopeKey]plog.LogRecordSlice{},
	}
}

// Add makes the row's log record.
func (b *LogBatch) Add(row *table.Row, process *Process) {
	key := scopeKey{process, row.Schema}
	records, ok := b.scopes[key]
	if !ok {
		rl := b.logs.ResourceLogs().AppendEmpty()
		rl.SetSchemaUrl(SchemaURL)
		process.WriteResource(rl.Resource(), b.plans.options)
		sl := rl.ScopeLogs().AppendEmpty()
		sl.SetSchemaUrl(SchemaURL)
		setScope(sl.Scope(), row.Schema, b.version)
		records = sl.LogRecords()
		b.scopes[key] = records
	}
	b.plans.of(row.Schema).writeLog(row, process.UPID, records.AppendEmpty())
	b.count++
}

// Len returns the number of records in the batch.
func (b *LogBatch) Len() int { return b.count }

// Take returns the records gathered and leaves the batch empty.
func (b *LogBatch) Take() plog.Logs {
	taken := b.logs
	b.logs = plog.NewLogs()
	clear(b.scopes)
	b.count = 0
	return taken
}

// writeLog sets dst to the row: its time, its columns as attributes, and a line
// for readers as the body.
func (p *plan) writeLog(row *table.Row, upid table.ID, dst plog.LogRecord) {
	dst.SetTimestamp(pcommon.Timestamp(p.num(row, table.SpanEnd)))
	dst.SetEventName("puck." + p.schema.Name)
	severity, text := plog.SeverityNumberInfo, "INFO"
	if i := p.schema.Index("status"); i >= 0 && p.schema.Columns[i].Type == table.Int64 && row.Values[i].Num != 0 {
		severity, text = plog.SeverityNumberError, "ERROR"
	}
	dst.SetSeverityNumber(severity)
	dst.SetSeverityText(text)
	dst.Body().SetStr(p.line(row))
	a := dst.Attributes()
	a.EnsureCapacity(len(p.steps))
	for i := range p.steps {
		st := &p.steps[i]
		v := &row.Values[st.column]
		switch st.field {
		case table.SpanEnd:
			if st.column != p.at[table.SpanEnd] {
				put(a, st, v)
			}
		case table.ResourceUPID:
			if v.ID != upid {
				a.PutStr(st.key, FormatUPID(v.ID))
			}
		default:
			put(a, st, v)
		}
	}
}

// line returns the row's columns as text, without the time and the process.
func (p *plan) line(row *table.Row) string {
	b := []byte(p.schema.Name)
	for i := range p.steps {
		st := &p.steps[i]
		v := &row.Values[st.column]
		if st.field == table.SpanEnd || st.field == table.ResourceUPID || v.Str == "" && st.typ == table.String {
			continue
		}
		b = append(b, ' ')
		b = append(b, p.schema.Columns[st.column].Name...)
		b = append(b, '=')
		switch st.typ {
		case table.String:
			b = strconv.AppendQuote(b, v.Str)
		case table.Bool:
			b = strconv.AppendBool(b, v.Num != 0)
		case table.UInt128:
			b = append(b, FormatUPID(v.ID)...)
		case table.Float64:
			b = strconv.AppendFloat(b, math.Float64frombits(uint64(v.Num)), 'g', -1, 64)
		default:
			b = strconv.AppendInt(b, v.Num, 10)
		}
	}
	return string(b)
}

// LogReader makes rows of log records again. It belongs to one goroutine.
type LogReader struct {
	plans   plans
	schemas map[string]*table.Schema
}

// NewLogReader returns a reader of the records of these tables.
func NewLogReader(schemas []*table.Schema) *LogReader {
	return &LogReader{plans: plans{options: Options{Sensitive: true}}, schemas: byScope(schemas)}
}

// ReadLogs calls each with the row of every record that came from the tables of
// r. The row is valid until each returns.
func (r *LogReader) ReadLogs(logs plog.Logs, each func(pcommon.Resource, *table.Row)) {
	var row table.Row
	for _, rl := range logs.ResourceLogs().All() {
		upid := resourceUPID(rl.Resource())
		for _, sl := range rl.ScopeLogs().All() {
			schema := r.schemas[sl.Scope().Name()]
			if schema == nil {
				continue
			}
			for _, record := range sl.LogRecords().All() {
				r.plans.of(schema).readLog(record, upid, &row)
				each(rl.Resource(), &row)
			}
		}
	}
}

// readLog undoes writeLog.
func (p *plan) readLog(src plog.LogRecord, upid table.ID, row *table.Row) {
	reset(row, p.schema)
	if i := p.at[table.SpanEnd]; i != absent {
		row.Values[i].Num = int64(src.Timestamp())
	}
	if i := p.at[table.ResourceUPID]; i != absent {
		row.Values[i].ID = upid
	}
	before := absent
	for key, v := range src.Attributes().All() {
		i := p.find(key, before)
		if i == absent {
			continue
		}
		before = i
		if k := p.keys[i].step; k != absent {
			st := &p.steps[k]
			read(v, st, &row.Values[st.column])
		}
	}
}
