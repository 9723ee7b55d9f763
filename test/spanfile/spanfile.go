// SPDX-License-Identifier: Apache-2.0

// Package spanfile reads back what the collector's file exporter wrote in its
// proto format: each message after its length as four bytes, big endian.
package spanfile

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"sort"
	"strings"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// maxMessage bounds one message: a longer one means that the file is not ours.
const maxMessage = 256 << 20

// Span is a span with its resource, flattened.
type Span struct {
	Service, Exe string
	PID          int64
	Kind         ptrace.SpanKind
	Name         string
	Status       ptrace.StatusCode
	TraceID      string // hex
	SpanID       string // hex
	ParentID     string // hex, empty for a root
	Start, End   int64  // nanoseconds since the UNIX epoch
	Attrs        pcommon.Map
	Resource     pcommon.Map
}

// Str returns the attribute as text, empty where it is missing.
func (s *Span) Str(key string) string {
	if v, ok := s.Attrs.Get(key); ok {
		return v.AsString()
	}
	return ""
}

// Int returns the attribute as a number, -1 where it is missing.
func (s *Span) Int(key string) int64 {
	if v, ok := s.Attrs.Get(key); ok && v.Type() == pcommon.ValueTypeInt {
		return v.Int()
	}
	return -1
}

// String returns the span on one line, its attributes sorted.
func (s *Span) String() string {
	var keys []string
	for k := range s.Attrs.All() {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	var b strings.Builder
	fmt.Fprintf(&b, "%s %q service=%s exe=%s pid=%d start=%d took=%dns status=%s trace=%s span=%s parent=%s",
		s.Kind, s.Name, s.Service, s.Exe, s.PID, s.Start, s.End-s.Start, s.Status, s.TraceID, s.SpanID, s.ParentID)
	for _, k := range keys {
		fmt.Fprintf(&b, " %s=%q", k, s.Str(k))
	}
	return b.String()
}

// EachSpan calls f for each span of the file, in the file's order. An unfinished
// last message is left out, since the collector may be writing it.
func EachSpan(path string, f func(*Span)) error {
	var u ptrace.ProtoUnmarshaler
	return eachMessage(path, func(raw []byte) error {
		traces, err := u.UnmarshalTraces(raw)
		if err != nil {
			return fmt.Errorf("traces of %s: %w", path, err)
		}
		for _, rs := range traces.ResourceSpans().All() {
			for _, ss := range rs.ScopeSpans().All() {
				for _, s := range ss.Spans().All() {
					f(flatten(rs.Resource().Attributes(), s))
				}
			}
		}
		return nil
	})
}

// Spans returns all spans of the file.
func Spans(path string) ([]*Span, error) {
	var spans []*Span
	err := EachSpan(path, func(s *Span) { spans = append(spans, s) })
	return spans, err
}

// Logs returns all log records of the file, a text each: body and attributes.
func Logs(path string) ([]string, error) {
	var lines []string
	var u plog.ProtoUnmarshaler
	err := eachMessage(path, func(raw []byte) error {
		logs, err := u.UnmarshalLogs(raw)
		if err != nil {
			return fmt.Errorf("logs of %s: %w", path, err)
		}
		for _, rl := range logs.ResourceLogs().All() {
			for _, sl := range rl.ScopeLogs().All() {
				for _, l := range sl.LogRecords().All() {
					lines = append(lines, fmt.Sprintf("%s %s %v", l.EventName(), l.Body().AsString(), l.Attributes().AsRaw()))
				}
			}
		}
		return nil
	})
	return lines, err
}

// Point is one number of a metric, with its attributes and its resource's.
type Point struct {
	Metric   string
	Value    float64
	Time     pcommon.Timestamp
	Attrs    pcommon.Map
	Resource pcommon.Map
}

// Points returns the numbers of all sums and gauges of the file.
func Points(path string) ([]Point, error) {
	var points []Point
	var u pmetric.ProtoUnmarshaler
	err := eachMessage(path, func(raw []byte) error {
		metrics, err := u.UnmarshalMetrics(raw)
		if err != nil {
			return fmt.Errorf("metrics of %s: %w", path, err)
		}
		for _, rm := range metrics.ResourceMetrics().All() {
			for _, sm := range rm.ScopeMetrics().All() {
				for _, m := range sm.Metrics().All() {
					points = appendPoints(points, rm.Resource().Attributes(), m)
				}
			}
		}
		return nil
	})
	return points, err
}

func appendPoints(points []Point, resource pcommon.Map, m pmetric.Metric) []Point {
	var numbers pmetric.NumberDataPointSlice
	switch m.Type() {
	case pmetric.MetricTypeSum:
		numbers = m.Sum().DataPoints()
	case pmetric.MetricTypeGauge:
		numbers = m.Gauge().DataPoints()
	default:
		return points
	}
	for _, n := range numbers.All() {
		v := n.DoubleValue()
		if n.ValueType() == pmetric.NumberDataPointValueTypeInt {
			v = float64(n.IntValue())
		}
		points = append(points, Point{Metric: m.Name(), Value: v, Time: n.Timestamp(), Attrs: n.Attributes(), Resource: resource})
	}
	return points
}

func flatten(resource pcommon.Map, s ptrace.Span) *Span {
	out := &Span{
		Kind: s.Kind(), Name: s.Name(), Status: s.Status().Code(),
		TraceID: s.TraceID().String(), SpanID: s.SpanID().String(), ParentID: s.ParentSpanID().String(),
		Start: int64(s.StartTimestamp()), End: int64(s.EndTimestamp()),
		Attrs: s.Attributes(), Resource: resource,
	}
	if v, ok := resource.Get("service.name"); ok {
		out.Service = v.AsString()
	}
	if v, ok := resource.Get("process.executable.name"); ok {
		out.Exe = v.AsString()
	}
	if v, ok := resource.Get("process.pid"); ok {
		out.PID = v.Int()
	}
	return out
}

// eachMessage calls f for each whole message. What f gets is its own.
func eachMessage(path string, f func([]byte) error) error {
	file, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil // Nothing has been exported yet.
	}
	if err != nil {
		return err
	}
	defer file.Close()
	r := bufio.NewReaderSize(file, 1<<20)
	for {
		var size [4]byte
		if _, err := io.ReadFull(r, size[:]); err != nil {
			return ignoreEOF(err)
		}
		n := binary.BigEndian.Uint32(size[:])
		if n > maxMessage {
			return fmt.Errorf("message of %d bytes in %s: more than %d", n, path, maxMessage)
		}
		raw := make([]byte, n)
		if _, err := io.ReadFull(r, raw); err != nil {
			return ignoreEOF(err)
		}
		if err := f(raw); err != nil {
			return err
		}
	}
}

func ignoreEOF(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}
