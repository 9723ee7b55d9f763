// SPDX-License-Identifier: Apache-2.0

package terminalexporter

import (
	"slices"
	"strconv"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/puck-otel/puck/internal/table/otlp"
	"github.com/puck-otel/puck/internal/table/tables"
)

// logs appends a line for each log record. Of our probes those that failed have
// a line each, the others one together.
func (p *printer) logs(logs plog.Logs) {
	for _, rl := range logs.ResourceLogs().All() {
		for _, sl := range rl.ScopeLogs().All() {
			if sl.Scope().Name() == otlp.ScopePrefix+tables.ProbeStatus.Name {
				p.probes(sl.LogRecords())
				continue
			}
			for _, record := range sl.LogRecords().All() {
				p.log(record, rl.Resource())
			}
		}
	}
}

// log appends one line.
func (p *printer) log(record plog.LogRecord, resource pcommon.Resource) {
	ts := record.Timestamp()
	if ts == 0 {
		ts = record.ObservedTimestamp()
	}
	p.time(ts)
	p.gap()
	text, s := record.SeverityText(), plain
	if text == "" {
		text = record.SeverityNumber().String()
	}
	switch n := record.SeverityNumber(); {
	case n >= plog.SeverityNumberError:
		s = redBold
	case n >= plog.SeverityNumberWarn:
		s = yellow
	case n < plog.SeverityNumberInfo:
		s = dim
	}
	p.left(kindWidth, s, func() { p.text(text) })
	p.process(resource)
	p.text(record.Body().AsString())
	p.end()
}

// probes appends the outcome of attaching the probes of one resource.
func (p *printer) probes(records plog.LogRecordSlice) {
	attached := map[string]int{}
	var last pcommon.Timestamp
	for _, record := range records.All() {
		last = max(last, record.Timestamp())
		source := attribute(record, "source_connector")
		if v, ok := record.Attributes().Get("probe_status.status"); !ok || v.Int() == tables.StatusOK {
			attached[source]++
			continue
		}
		p.time(record.Timestamp())
		p.gap()
		p.left(kindWidth, redBold, func() { p.text("FAILED") })
		p.gap()
		p.text(source + ": " + attribute(record, "tracepoint") + ": ")
		p.styled(red, func() { p.text(attribute(record, "error")) })
		p.end()
	}
	sources := make([]string, 0, len(attached))
	for source := range attached {
		sources = append(sources, source)
	}
	slices.Sort(sources)
	for _, source := range sources {
		p.time(last)
		p.gap()
		p.left(kindWidth, green, func() { p.text("probes") })
		p.gap()
		p.text(source + ": " + strconv.Itoa(attached[source]) + " attached")
		p.end()
	}
}

// attribute returns a column of probe_status.
func attribute(record plog.LogRecord, column string) string {
	v, ok := record.Attributes().Get(tables.ProbeStatus.Name + "." + column)
	if !ok {
		return noValue
	}
	return v.AsString()
}

// metrics appends a line for each data point.
func (p *printer) metrics(metrics pmetric.Metrics) {
	for _, rm := range metrics.ResourceMetrics().All() {
		for _, sm := range rm.ScopeMetrics().All() {
			for _, m := range sm.Metrics().All() {
				p.metric(m, rm.Resource())
			}
		}
	}
}

// metric appends a line for each data point of a metric.
func (p *printer) metric(m pmetric.Metric, resource pcommon.Resource) {
	switch m.Type() {
	case pmetric.MetricTypeGauge:
		p.numbers(m, resource, m.Gauge().DataPoints())
	case pmetric.MetricTypeSum:
		p.numbers(m, resource, m.Sum().DataPoints())
	case pmetric.MetricTypeHistogram:
		for _, d := range m.Histogram().DataPoints().All() {
			p.point(m, resource, d.Timestamp(), d.Attributes(), summary(d.Count(), d.Sum(), d.HasSum()))
		}
	case pmetric.MetricTypeExponentialHistogram:
		for _, d := range m.ExponentialHistogram().DataPoints().All() {
			p.point(m, resource, d.Timestamp(), d.Attributes(), summary(d.Count(), d.Sum(), d.HasSum()))
		}
	case pmetric.MetricTypeSummary:
		for _, d := range m.Summary().DataPoints().All() {
			p.point(m, resource, d.Timestamp(), d.Attributes(), summary(d.Count(), d.Sum(), true))
		}
	}
}

// numbers appends a line for each of the points.
func (p *printer) numbers(m pmetric.Metric, resource pcommon.Resource, points pmetric.NumberDataPointSlice) {
	for _, d := range points.All() {
		value := noValue
		switch d.ValueType() {
		case pmetric.NumberDataPointValueTypeInt:
			value = strconv.FormatInt(d.IntValue(), 10)
		case pmetric.NumberDataPointValueTypeDouble:
			value = strconv.FormatFloat(d.DoubleValue(), 'g', 6, 64)
		}
		p.point(m, resource, d.Timestamp(), d.Attributes(), value)
	}
}

// summary returns what a line shows of a distribution.
func summary(count uint64, sum float64, hasSum bool) string {
	text := "count=" + strconv.FormatUint(count, 10)
	if hasSum {
		text += " sum=" + strconv.FormatFloat(sum, 'g', 6, 64)
	}
	return text
}

// point appends one line.
func (p *printer) point(m pmetric.Metric, resource pcommon.Resource, ts pcommon.Timestamp, attributes pcommon.Map, value string) {
	p.time(ts)
	p.gap()
	p.left(kindWidth, dim, func() { p.text("metric") })
	p.process(resource)
	p.left(nameWidth, bold, func() { p.text(m.Name()) })
	p.gap()
	p.text(value)
	p.buf = append(p.buf, ' ')
	p.text(m.Unit())
	p.styled(dim, func() {
		for key, v := range attributes.All() {
			p.buf = append(p.buf, ' ')
			p.text(key + "=" + v.AsString())
		}
	})
	p.end()
}
