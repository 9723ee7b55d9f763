// SPDX-License-Identifier: Apache-2.0

//go:build unix

package otlp_test

import (
	"syscall"
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

// cpu returns the CPU time of this process in nanoseconds, the collection of
// garbage included. It tells more than the clock where others use the machine.
func cpu(b *testing.B) int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

// BenchmarkSpan makes one span of a typical request in a batch of 1,000, garbage
// included, as either end and as both in turn, which are two processes.
func BenchmarkSpan(b *testing.B) {
	t := newTable()
	var rows [2]table.Row
	client, server := typical(1), typical(2)
	t.Fill(&client, &rows[0])
	t.Fill(&server, &rows[1])
	processes := [2]*otlp.Process{
		{UPID: client.upid, Service: "curl", PID: 1}, {UPID: server.upid, Service: "nginx", PID: 2},
	}
	for _, c := range []struct {
		name string
		ends [2]int
	}{{"client", [2]int{0, 0}}, {"server", [2]int{1, 1}}, {"both", [2]int{0, 1}}} {
		b.Run(c.name, func(b *testing.B) {
			batch := otlp.NewSpanBatch(otlp.NewSpanWriter(otlp.Options{}, [32]byte{1}), "1.2.3")
			b.ReportAllocs()
			before := cpu(b)
			for i := 0; b.Loop(); i++ {
				end := c.ends[i&1]
				batch.Add(&rows[end], processes[end])
				if batch.Len() == 1000 {
					batch.Take()
				}
			}
			b.ReportMetric(float64(cpu(b)-before)/float64(b.N), "cpu-ns/op")
		})
	}
}

// BenchmarkAttributes puts as many attributes as that span has into a map, which
// is the least that a span costs.
func BenchmarkAttributes(b *testing.B) {
	keys := []string{
		otlp.KeyServerAddress, otlp.KeyServerPort, otlp.KeyClientAddress, otlp.KeyClientPort, otlp.KeyPeerAddress,
		otlp.KeyPeerPort, otlp.KeyProtocol, otlp.KeyProtocolVersion, otlp.KeyTransport, otlp.KeyURLScheme, otlp.KeyMethod,
		otlp.KeyURLPath, otlp.KeyURLQuery, otlp.KeyRoute, otlp.KeyStatusCode, otlp.KeyResponseSize, "user_agent.original",
	}
	spans := ptrace.NewSpanSlice()
	b.ReportAllocs()
	before := cpu(b)
	for b.Loop() {
		if spans.Len() == 1000 {
			spans = ptrace.NewSpanSlice()
		}
		a := spans.AppendEmpty().Attributes()
		a.EnsureCapacity(len(keys))
		for _, key := range keys {
			a.PutStr(key, "x")
		}
	}
	b.ReportMetric(float64(cpu(b)-before)/float64(b.N), "cpu-ns/op")
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
	before := cpu(b)
	for b.Loop() {
		reader.Read(span, &t.Schema, record.upid, &row)
	}
	b.ReportMetric(float64(cpu(b)-before)/float64(b.N), "cpu-ns/op")
}
