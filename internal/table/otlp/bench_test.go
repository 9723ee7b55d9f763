// SPDX-License-Identifier: Apache-2.0

package otlp_test

import (
	"testing"

	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/puck-otel/puck/internal/table"
	"github.com/puck-otel/puck/internal/table/otlp"
)

// BenchmarkFill makes the row alone, the baseline of the benchmarks below.
func BenchmarkFill(b *testing.B) {
	t, record := newTable(), typical(2)
	var row table.Row
	b.ReportAllocs()
	for b.Loop() {
		t.Fill(&record, &row)
	}
}

// BenchmarkSpan makes one span of a typical request in a batch of 1,000 of two
// processes, garbage included.
func BenchmarkSpan(b *testing.B) {
	t := newTable()
	var rows [2]table.Row
	client, server := typical(1), typical(2)
	t.Fill(&client, &rows[0])
	t.Fill(&server, &rows[1])
	processes := [2]*otlp.Process{
		{UPID: client.upid, Service: "curl", PID: 1}, {UPID: server.upid, Service: "nginx", PID: 2},
	}
	batch := otlp.NewSpanBatch(otlp.NewSpanWriter(otlp.Options{}, [32]byte{1}), "1.2.3")
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		batch.Add(&rows[i&1], processes[i&1])
		if batch.Len() == 1000 {
			batch.Take()
		}
	}
}

// BenchmarkReadSpan makes the row of such a span again.
func BenchmarkReadSpan(b *testing.B) {
	t, record := newTable(), typical(2)
	var row table.Row
	t.Fill(&record, &row)
	span := ptrace.NewSpan()
	otlp.NewSpanWriter(otlp.Options{}, [32]byte{1}).Write(&row, record.upid, span)
	reader := otlp.NewSpanReader([]*table.Schema{&t.Schema})
	b.ReportAllocs()
	for b.Loop() {
		reader.Read(span, &t.Schema, record.upid, &row)
	}
}
