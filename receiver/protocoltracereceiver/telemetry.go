// SPDX-License-Identifier: Apache-2.0

package protocoltracereceiver

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/puck-otel/puck/bpf/socktrace"
	"github.com/puck-otel/puck/internal/protocol"
)

// telemetry is what the receiver tells of itself. Every event that the kernel
// side saw is in it, delivered or lost, with the reason.
type telemetry struct {
	receiver     *protocolTrace
	registration metric.Registration
	err          error

	events, bytes, calls, connections, missed  metric.Int64ObservableCounter
	rows, lostFrames, lostBytes, spans, points metric.Int64ObservableCounter
	unusable                                   metric.Int64ObservableCounter
	tracked, buffered, waiting                 metric.Int64ObservableGauge
}

func newTelemetry(r *protocolTrace) (*telemetry, error) {
	t := &telemetry{receiver: r}
	m := r.settings.MeterProvider.Meter(scopeName)
	counter := func(name, unit, doc string) metric.Int64ObservableCounter {
		c, err := m.Int64ObservableCounter("otelcol_protocol_trace_"+name, metric.WithUnit(unit), metric.WithDescription(doc))
		t.fail(err)
		return c
	}
	gauge := func(name, unit, doc string) metric.Int64ObservableGauge {
		g, err := m.Int64ObservableGauge("otelcol_protocol_trace_"+name, metric.WithUnit(unit), metric.WithDescription(doc))
		t.fail(err)
		return g
	}
	t.events = counter("kernel_events", "{event}", "Data events of the kernel side, by what became of them.")
	t.bytes = counter("kernel_bytes", "By", "Bytes that traced calls moved, by what became of them.")
	t.calls = counter("kernel_calls", "{call}", "Calls on sockets that made no data event, by reason.")
	t.connections = counter("connections", "{connection}", "Connections entered in and removed from the kernel's map, and left out by configuration.")
	t.missed = counter("kernel_missed", "{run}", "Runs of the kernel side that the kernel skipped, since another BPF program was running on the CPU.")
	t.rows = counter("rows", "{row}", "Rows made by the protocols, by how whole they are.")
	t.lostFrames = counter("lost_frames", "{frame}", "Messages that became no row, or not a whole one, by reason.")
	t.lostBytes = counter("lost_bytes", "By", "Bytes that belong to no message, by reason.")
	t.spans = counter("spans", "{span}", "Spans, by what became of them.")
	t.points = counter("metric_points", "{datapoint}", "Data points of conn_stats, by what became of them.")
	t.unusable = counter("unusable_events", "{event}", "Events of the ring that could not be used, by reason.")
	t.tracked = gauge("open_connections", "{connection}", "Connections that the workers hold.")
	t.buffered = gauge("buffered_bytes", "By", "Bytes of messages that wait in the workers, unfinished or for an answer.")
	t.waiting = gauge("ring_bytes", "By", "Bytes that wait in the rings.")
	if t.err != nil {
		return nil, t.err
	}
	var err error
	t.registration, err = m.RegisterCallback(t.observe, t.events, t.bytes, t.calls, t.connections, t.missed,
		t.rows, t.lostFrames, t.lostBytes, t.spans, t.points, t.unusable, t.tracked, t.buffered, t.waiting)
	if err != nil {
		return nil, err
	}
	return t, nil
}

func (t *telemetry) fail(err error) {
	if t.err == nil {
		t.err = err
	}
}

func (t *telemetry) close() error { return t.registration.Unregister() }

func label(key, value string) metric.ObserveOption {
	return metric.WithAttributeSet(attribute.NewSet(attribute.String(key, value)))
}

// observe reads all counters at once.
func (t *telemetry) observe(_ context.Context, o metric.Observer) error {
	kernel, err := t.receiver.tracer.Counters()
	if err != nil {
		return fmt.Errorf("protocol_trace: %w", err)
	}
	of := func(i metric.Int64ObservableCounter, n uint64, value string) {
		o.ObserveInt64(i, int64(n), label("outcome", value))
	}
	of(t.events, kernel[socktrace.DataEvents], "delivered")
	of(t.events, kernel[socktrace.RingFullData], "ring_full")
	of(t.bytes, kernel[socktrace.DataBytes], "copied")
	of(t.bytes, kernel[socktrace.TruncatedBytes], "truncated")
	of(t.bytes, kernel[socktrace.RingFullBytes], "ring_full")
	of(t.bytes, kernel[socktrace.SkippedBytes], "skipped")
	of(t.calls, kernel[socktrace.MapFull], "map_full")
	of(t.calls, kernel[socktrace.Faults], "fault")
	of(t.calls, kernel[socktrace.IgnoredCalls], "ignored")
	of(t.calls, kernel[socktrace.SkippedCalls], "skipped")
	of(t.calls, kernel[socktrace.Unplaced], "unseen")
	of(t.connections, kernel[socktrace.Opened], "opened")
	of(t.connections, kernel[socktrace.Closed], "closed")
	of(t.unusable, kernel[socktrace.RingFullOther], "ring_full")
	if missed, err := t.receiver.tracer.Missed(); err == nil {
		o.ObserveInt64(t.missed, int64(missed))
	}
	s := t.receiver.sender
	of(t.spans, s.sent.Load(), "sent")
	of(t.spans, s.refused.Load(), "refused")
	of(t.spans, s.dropped.Load(), "queue_full")
	of(t.points, t.receiver.points.sent.Load(), "sent")
	of(t.points, t.receiver.points.refused.Load(), "refused")
	t.observeWorkers(o, kernel[socktrace.Filtered])
	return nil
}

// observeWorkers adds up what the workers have last told. filtered are the connections
// that the kernel side has left out, to which the workers add.
func (t *telemetry) observeWorkers(o metric.Observer, filtered uint64) {
	var (
		counts            workerCounts
		tracked, buffered int
		waiting           int
	)
	protocols := make([]protocol.Counters, len(t.receiver.names))
	for _, w := range t.receiver.workers {
		s := w.snapshot.Load()
		counts.malformed += s.counts.malformed
		counts.unknown += s.counts.unknown
		counts.sampled += s.counts.sampled
		counts.dropped += s.counts.dropped
		filtered += s.counts.filtered
		tracked += s.engine.Streams
		buffered += s.engine.Buffered
		waiting += w.ring.Waiting()
		for i := range s.engine.Protocols {
			add(&protocols[i], &s.engine.Protocols[i])
		}
	}
	o.ObserveInt64(t.unusable, int64(counts.malformed), label("outcome", "malformed"))
	o.ObserveInt64(t.unusable, int64(counts.unknown), label("outcome", "unknown_connection"))
	o.ObserveInt64(t.spans, int64(counts.sampled), label("outcome", "sampled_out"))
	o.ObserveInt64(t.spans, int64(counts.dropped), label("outcome", "filtered"))
	o.ObserveInt64(t.connections, int64(filtered), label("outcome", "filtered"))
	o.ObserveInt64(t.tracked, int64(tracked))
	o.ObserveInt64(t.buffered, int64(buffered))
	o.ObserveInt64(t.waiting, int64(waiting))
	for i, name := range t.receiver.names {
		t.observeProtocol(o, name, &protocols[i])
	}
}

func (t *telemetry) observeProtocol(o metric.Observer, name string, c *protocol.Counters) {
	with := func(key, value string) metric.ObserveOption {
		return metric.WithAttributeSet(attribute.NewSet(attribute.String("protocol", name), attribute.String(key, value)))
	}
	for i, n := range c.Rows {
		o.ObserveInt64(t.rows, int64(n), with("outcome", protocol.Outcome(i).String()))
	}
	for i, n := range c.LostFrames {
		o.ObserveInt64(t.lostFrames, int64(n), with("reason", protocol.Loss(i).String()))
	}
	for i, n := range c.LostBytes {
		o.ObserveInt64(t.lostBytes, int64(n), with("reason", protocol.Loss(i).String()))
	}
}

func add(sum, c *protocol.Counters) {
	for i, n := range c.Rows {
		sum.Rows[i] += n
	}
	for i, n := range c.LostFrames {
		sum.LostFrames[i] += n
	}
	for i, n := range c.LostBytes {
		sum.LostBytes[i] += n
	}
}
