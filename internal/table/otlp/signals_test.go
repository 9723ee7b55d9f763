// SPDX-License-Identifier: Apache-2.0

package otlp_test

import (
	"math"
	"math/rand/v2"
	"reflect"
	"testing"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/puck-otel/puck/internal/table"
	"github.com/puck-otel/puck/internal/table/otlp"
	"github.com/puck-otel/puck/internal/table/tables"
)

func TestRowSurvivesLog(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	process := &otlp.Process{UPID: table.ID{High: 1}}
	for _, s := range append(tables.Schemas(), schemas()...) {
		t.Run(s.Name, func(t *testing.T) {
			batch := otlp.NewLogBatch(otlp.Options{Sensitive: true}, "1.2.3")
			rows := make([]table.Row, 1000)
			for i := range rows {
				if i > 0 {
					random(rng, s, &rows[i])
				} else {
					rows[i] = table.Row{Schema: s, Values: make([]table.Value, len(s.Columns))}
				}
				batch.Add(&rows[i], process)
			}
			logs := overWire(t, batch.Take())
			read := 0
			otlp.NewLogReader([]*table.Schema{s}).ReadLogs(logs, func(_ pcommon.Resource, row *table.Row) {
				if !reflect.DeepEqual(row.Values, rows[read].Values) {
					t.Fatalf("row %d: %+v became %+v", read, rows[read].Values, row.Values)
				}
				read++
			})
			if read != len(rows) {
				t.Errorf("%d rows became %d", len(rows), read)
			}
		})
	}
}

// overWire returns what a receiver of the logs would have.
func overWire(t *testing.T, logs plog.Logs) plog.Logs {
	t.Helper()
	wire, err := (&plog.ProtoMarshaler{}).MarshalLogs(logs)
	if err != nil {
		t.Fatal(err)
	}
	logs, err = (&plog.ProtoUnmarshaler{}).UnmarshalLogs(wire)
	if err != nil {
		t.Fatal(err)
	}
	return logs
}

func TestProbeStatusReads(t *testing.T) {
	var row table.Row
	tables.ProbeStatus.Fill(&tables.Probe{
		Time: 5, Source: "protocol_trace", Tracepoint: "syscalls/sys_exit_read",
		Status: tables.StatusPermissionDenied, Error: "needs CAP_BPF",
	}, &row)
	batch := otlp.NewLogBatch(otlp.Options{}, "1.2.3")
	batch.Add(&row, &otlp.Process{Service: "puck"})
	logs := batch.Take()
	rl := logs.ResourceLogs().At(0)
	record := rl.ScopeLogs().At(0).LogRecords().At(0)
	want := `probe_status source_connector="protocol_trace" tracepoint="syscalls/sys_exit_read" status=7 error="needs CAP_BPF"`
	if got := record.Body().Str(); got != want {
		t.Errorf("body is %s, want %s", got, want)
	}
	if record.SeverityNumber() != plog.SeverityNumberError || record.EventName() != "puck.probe_status" {
		t.Errorf("severity %v, event %q", record.SeverityNumber(), record.EventName())
	}
	if rl.SchemaUrl() != otlp.SchemaURL {
		t.Errorf("schema URL is %q", rl.SchemaUrl())
	}
	if batch.Len() != 0 || batch.Take().LogRecordCount() != 0 {
		t.Error("the batch is not empty after Take")
	}
}

func TestConnStatsSurviveMetrics(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	pick := func(n ...int64) int64 { return n[rng.IntN(len(n))] }
	big := func() int64 { return pick(0, 1, math.MaxInt64, -1, rng.Int64()) }
	process := &otlp.Process{UPID: table.ID{High: 1}, PID: 4}
	batch := otlp.NewConnBatch(otlp.Options{}, "1.2.3", 77)
	records := []tables.Conns{{}}
	for i := range 2000 {
		records = append(records, tables.Conns{
			Time: int64(1_700_000_000_000_000_000 + i), UPID: table.ID{High: uint64(rng.IntN(2))},
			RemoteAddr: []string{"", "10.0.0.1", "::1"}[rng.IntN(3)], RemotePort: pick(0, 80, 65535),
			Role: pick(0, 1, 2, 3, 4, 99), Family: pick(0, 1, 2, 10, 17, -5), Protocol: pick(0, 1, 2, 13, 14, -1),
			TLS: rng.IntN(2) == 0, Opened: big(), Closed: big(), Active: big(), Sent: big(), Received: big(),
		})
	}
	for i := range records {
		batch.Add(&records[i], process)
	}
	metrics := batch.Take()
	checkConnMetrics(t, metrics)
	read := 0
	otlp.ReadConns(metrics, func(_ pcommon.Resource, c *tables.Conns) {
		if *c != records[read] {
			t.Fatalf("record %d: %+v became %+v", read, records[read], *c)
		}
		read++
	})
	if read != len(records) {
		t.Errorf("%d records became %d", len(records), read)
	}
}

func checkConnMetrics(t *testing.T, metrics pmetric.Metrics) {
	t.Helper()
	want := map[string]string{
		otlp.MetricIO: "By", otlp.MetricOpened: "{connection}", otlp.MetricClosed: "{connection}", otlp.MetricActive: "{connection}",
	}
	for _, m := range metrics.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().All() {
		if want[m.Name()] != m.Unit() || m.Sum().IsMonotonic() != (m.Name() != otlp.MetricActive) {
			t.Errorf("%s: unit %q, monotonic %v", m.Name(), m.Unit(), m.Sum().IsMonotonic())
		}
		if m.Sum().DataPoints().At(0).StartTimestamp() != 77 {
			t.Errorf("%s begins at %d", m.Name(), m.Sum().DataPoints().At(0).StartTimestamp())
		}
		delete(want, m.Name())
	}
	if len(want) != 0 {
		t.Errorf("metrics missing: %v", want)
	}
}

func TestUPIDText(t *testing.T) {
	for text, id := range map[string]table.ID{
		"0:0:0":        {},
		"7:123:456789": {High: 7<<32 | 123, Low: 456789},
		"4294967295:4294967295:18446744073709551615": {High: math.MaxUint64, Low: math.MaxUint64},
	} {
		if got := otlp.FormatUPID(id); got != text {
			t.Errorf("FormatUPID(%+v) = %q, want %q", id, got, text)
		}
		if got, err := otlp.ParseUPID(text); err != nil || got != id {
			t.Errorf("ParseUPID(%q) = %+v, %v, want %+v", text, got, err, id)
		}
	}
	for _, text := range []string{"", "1", "1:2", "1:2:", "1:2:3:4", "4294967296:0:0", "-1:0:0", "a:b:c", " 1:2:3"} {
		if id, err := otlp.ParseUPID(text); err == nil {
			t.Errorf("ParseUPID(%q) = %+v, want an error", text, id)
		}
	}
}

func TestResourceSurvives(t *testing.T) {
	p := otlp.Process{
		UPID: table.ID{High: 1<<32 | 42, Low: 9}, PID: 42, Service: "shop", Derived: true, Executable: "nginx", Path: "/usr/sbin/nginx",
		Command: "nginx -g secret", ContainerID: "abc", PodUID: "def", Host: "node-1",
	}
	dst := pcommon.NewResource()
	p.WriteResource(dst, otlp.Options{CommandLine: true})
	if got := otlp.ReadResource(dst); got != p {
		t.Errorf("%+v became %+v", p, got)
	}
	a := dst.Attributes().AsRaw()
	if a[otlp.KeyServiceInstance] != "1:42:9" || a[otlp.KeyServiceDerived] != "shop" {
		t.Errorf("%v", a)
	}
	p.Derived = false
	dst = pcommon.NewResource()
	p.WriteResource(dst, otlp.Options{})
	if got := otlp.ReadResource(dst); got.Derived {
		t.Error("a name that was said became a derived one")
	}
	if _, ok := dst.Attributes().Get(otlp.KeyProcessCommand); ok {
		t.Error("the command line leaves by default")
	}
}
