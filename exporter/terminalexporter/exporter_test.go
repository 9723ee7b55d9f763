// SPDX-License-Identifier: Apache-2.0

package terminalexporter

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/exporter/exportertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.uber.org/goleak"

	"github.com/puck-otel/puck/internal/table"
	"github.com/puck-otel/puck/internal/table/otlp"
	"github.com/puck-otel/puck/internal/table/tables"
)

func TestMain(m *testing.M) {
	if os.Getenv("PUCK_TEST_CLOSED_STDOUT") != "" {
		os.Exit(writeToClosedStdout())
	}
	goleak.VerifyTestMain(m)
}

// request returns a span of each side of one exchange and one that failed.
func requests() ptrace.Traces {
	traces := ptrace.NewTraces()
	base := time.Date(2026, 11, 22, 12, 3, 4, 123e6, time.UTC).UnixNano()
	for _, c := range []struct {
		service, name, peer string
		pid, status         int64
		kind                ptrace.SpanKind
		start, took         int64
		request, response   int64
		port                int64
	}{
		{"nginx", "GET /api/users/{id}", "127.0.0.1", 123, 200, ptrace.SpanKindServer, 1e6, 1_234_000, 120, 4300, 51034},
		{"curl", "GET /api/users/{id}", "::1", 77, 404, ptrace.SpanKindClient, 0, 45_600_000, 120, 4300, 80},
		{"a-service-with-a-name-that-is-longer-than-its-column", "HTTP", "10.0.0.1", 1, 0, ptrace.SpanKindServer, 2e6, 12_000_000_000, 0, 0, 9},
	} {
		rs := traces.ResourceSpans().AppendEmpty()
		rs.Resource().Attributes().PutStr(otlp.KeyServiceName, c.service)
		rs.Resource().Attributes().PutInt(otlp.KeyProcessPID, c.pid)
		span := rs.ScopeSpans().AppendEmpty().Spans().AppendEmpty()
		span.SetName(c.name)
		span.SetKind(c.kind)
		span.SetStartTimestamp(pcommon.Timestamp(base + c.start))
		span.SetEndTimestamp(pcommon.Timestamp(base + c.start + c.took))
		a := span.Attributes()
		a.PutStr(otlp.KeyPeerAddress, c.peer)
		a.PutInt(otlp.KeyPeerPort, c.port)
		if c.status == 0 {
			span.Status().SetCode(ptrace.StatusCodeError)
			span.Status().SetMessage("closed\x1b[2J before a response")
			a.PutStr(otlp.KeyErrorType, "no_response")
			continue
		}
		a.PutInt(otlp.KeyStatusCode, c.status)
		a.PutInt(otlp.KeyRequestSize, c.request)
		a.PutInt(otlp.KeyResponseSize, c.response)
	}
	return traces
}

// printed returns what the exporter prints with this configuration.
func printed(t *testing.T, cfg *Config, consume func(*terminal) error) string {
	t.Helper()
	var out bytes.Buffer
	e := newExporter(exportertest.NewNopSettings(component.MustNewType(typeName)), cfg, &out)
	e.lines.zone = time.UTC
	if err := consume(e); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func compare(t *testing.T, got, want string) {
	t.Helper()
	want = strings.TrimPrefix(want, "\n")
	if got != want {
		t.Errorf("printed\n%s\nwant\n%s", got, want)
	}
}

func TestSpanLines(t *testing.T) {
	cfg := createDefaultConfig().(*Config)
	got := printed(t, cfg, func(e *terminal) error { return e.consumeTraces(t.Context(), requests()) })
	compare(t, got, `
12:03:04.123  client    curl[77]            GET /api/users/{id}               404      46ms   ↓4.3kB   ↑120B  [::1]:80
12:03:04.124  server    nginx[123]          GET /api/users/{id}               200     1.2ms    ↓120B  ↑4.3kB  127.0.0.1:51034
12:03:04.125  server    a-service-with-a-name-that-is-longer-than-its-column[1]  HTTP                              no_response      12s                   10.0.0.1:9  closed·[2J before a response
`)
}

func TestMinDurationKeepsFailures(t *testing.T) {
	cfg := createDefaultConfig().(*Config)
	cfg.MinDuration = time.Minute
	got := printed(t, cfg, func(e *terminal) error { return e.consumeTraces(t.Context(), requests()) })
	if strings.Count(got, "\n") != 1 || !strings.Contains(got, "no_response") {
		t.Errorf("printed\n%s", got)
	}
	cfg.MinDuration = 20 * time.Millisecond
	got = printed(t, cfg, func(e *terminal) error { return e.consumeTraces(t.Context(), requests()) })
	if strings.Count(got, "\n") != 2 || strings.Contains(got, "nginx") {
		t.Errorf("printed\n%s", got)
	}
}

func TestColor(t *testing.T) {
	cfg := createDefaultConfig().(*Config)
	plain := printed(t, cfg, func(e *terminal) error { return e.consumeTraces(t.Context(), requests()) })
	cfg.Color = colorAlways
	colored := printed(t, cfg, func(e *terminal) error { return e.consumeTraces(t.Context(), requests()) })
	for _, want := range []string{"\x1b[36mserver", "\x1b[35mclient", "\x1b[32m200", "\x1b[33m404", "\x1b[1;31mno_response"} {
		if !strings.Contains(colored, want) {
			t.Errorf("%q is missing in %q", want, colored)
		}
	}
	stripped := colored
	for _, s := range []style{dim, bold, red, redBold, green, yellow, magenta, cyan} {
		stripped = strings.ReplaceAll(stripped, "\x1b["+string(s)+"m", "")
	}
	compare(t, strings.ReplaceAll(stripped, "\x1b[0m", ""), plain)
}

func TestNoColorWhereNobodySeesIt(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = r.Close(), w.Close() })
	if colored(colorAuto, w) || colored(colorNever, w) || !colored(colorAlways, w) {
		t.Error("a pipe is coloured by auto or never, or not by always")
	}
}

func TestProbeLines(t *testing.T) {
	batch := otlp.NewLogBatch(otlp.Options{}, "1.2.3")
	process := &otlp.Process{Service: "puck"}
	at := time.Date(2026, 11, 22, 12, 3, 4, 5e6, time.UTC).UnixNano()
	var row table.Row
	for _, p := range []tables.Probe{
		{Time: at, Source: "protocol_trace", Tracepoint: "syscalls/sys_exit_read"},
		{Time: at, Source: "protocol_trace", Tracepoint: "syscalls/sys_exit_write"},
		{Time: at, Source: "protocol_trace", Tracepoint: "syscalls/sys_exit_readv", Status: tables.StatusPermissionDenied, Error: "needs CAP_PERFMON"},
	} {
		tables.ProbeStatus.Fill(&p, &row)
		batch.Add(&row, process)
	}
	logs := batch.Take()
	other := logs.ResourceLogs().AppendEmpty()
	other.Resource().Attributes().PutStr(otlp.KeyServiceName, "shop")
	record := other.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
	record.SetObservedTimestamp(pcommon.Timestamp(at))
	record.SetSeverityNumber(plog.SeverityNumberWarn)
	record.Body().SetStr("two\nlines")
	got := printed(t, createDefaultConfig().(*Config), func(e *terminal) error { return e.consumeLogs(t.Context(), logs) })
	compare(t, got, `
12:03:04.005  FAILED    protocol_trace: syscalls/sys_exit_readv: needs CAP_PERFMON
12:03:04.005  probes    protocol_trace: 2 attached
12:03:04.005  Warn      shop                two·lines
`)
}

func TestMetricLines(t *testing.T) {
	batch := otlp.NewConnBatch(otlp.Options{}, "1.2.3", 0)
	at := time.Date(2026, 11, 22, 12, 3, 4, 5e6, time.UTC).UnixNano()
	batch.Add(&tables.Conns{Time: at, RemoteAddr: "::1", Role: 2, Sent: 42}, &otlp.Process{Service: "nginx", PID: 9})
	metrics := batch.Take()
	h := metrics.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().AppendEmpty()
	h.SetName("h")
	d := h.SetEmptyHistogram().DataPoints().AppendEmpty()
	d.SetTimestamp(pcommon.Timestamp(at))
	d.SetCount(3)
	d.SetSum(1.5)
	cfg := createDefaultConfig().(*Config)
	consume := func(e *terminal) error { return e.consumeMetrics(t.Context(), metrics) }
	if got := printed(t, cfg, consume); got != "" {
		t.Errorf("metrics are off, and printed\n%s", got)
	}
	cfg.Metrics = true
	got := printed(t, cfg, consume)
	first, rest, _ := strings.Cut(got, "\n")
	compare(t, first, "12:03:04.005  metric    nginx[9]            puck.connection.io                42 By network.peer.address=::1 puck.connection.role=server network.io.direction=transmit")
	if !strings.Contains(rest, "h                                 count=3 sum=1.5") {
		t.Errorf("printed\n%s", got)
	}
}

func TestNumbers(t *testing.T) {
	for ns, want := range map[int64]string{
		-1: "-", 0: "0ns", 999: "999ns", 1000: "1.0µs", 9949: "9.9µs", 9950: "10µs", 45_600_000: "46ms", 1e9: "1.0s", 90e9: "1.5m", 36000e9: "10h",
	} {
		if got := duration(ns); got != want {
			t.Errorf("%d ns is %s, want %s", ns, got, want)
		}
	}
	for n, want := range map[int64]string{-1: "-", 0: "0B", 999: "999B", 4300: "4.3kB", 52_428_800: "52MB", 3e9: "3.0GB", 2e12: "2.0TB"} {
		if got := bytesText(n); got != want {
			t.Errorf("%d bytes is %s, want %s", n, got, want)
		}
	}
}

func TestConfig(t *testing.T) {
	if err := componenttest.CheckConfigStruct(NewFactory().CreateDefaultConfig()); err != nil {
		t.Error(err)
	}
	cfg := createDefaultConfig().(*Config)
	err := confmap.NewFromStringMap(map[string]any{
		"color": "never", "min_duration": "10ms", "metrics": true, "sending_queue": map[string]any{"queue_size": 5},
	}).Unmarshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := cfg.Validate(); err != nil {
		t.Error(err)
	}
	if cfg.Color != colorNever || cfg.MinDuration != 10*time.Millisecond || !cfg.Metrics || cfg.QueueConfig.Get().QueueSize != 5 {
		t.Errorf("%+v", cfg)
	}
	cfg.Color, cfg.MinDuration = "pink", -1
	want := "color is \"pink\", it must be auto, always or never\nmin_duration is -1ns, it must be 0s or more"
	if err := cfg.Validate(); err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

func TestLifecycle(t *testing.T) {
	f := NewFactory()
	set := exportertest.NewNopSettings(f.Type())
	cfg := createDefaultConfig().(*Config)
	cfg.MinDuration = time.Hour // prints nothing of what the test sends
	cfg.Metrics = true
	ctx := context.Background()
	traces, err := f.CreateTraces(ctx, set, cfg)
	if err != nil {
		t.Fatal(err)
	}
	metrics, err := f.CreateMetrics(ctx, set, cfg)
	if err != nil {
		t.Fatal(err)
	}
	logs, err := f.CreateLogs(ctx, set, cfg)
	if err != nil {
		t.Fatal(err)
	}
	all := []component.Component{traces, metrics, logs}
	for _, c := range all {
		if err := c.Start(ctx, componenttest.NewNopHost()); err != nil {
			t.Fatal(err)
		}
	}
	if err := traces.ConsumeTraces(ctx, ptrace.NewTraces()); err != nil {
		t.Error(err)
	}
	if err := metrics.ConsumeMetrics(ctx, pmetric.NewMetrics()); err != nil {
		t.Error(err)
	}
	if err := logs.ConsumeLogs(ctx, plog.NewLogs()); err != nil {
		t.Error(err)
	}
	for _, c := range all {
		if err := c.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	}
	unstarted := newExporter(set, cfg, os.Stdout)
	for range 2 {
		if err := unstarted.shutdown(ctx); err != nil {
			t.Errorf("shutdown without start: %v", err)
		}
	}
}

// TestClosedStdout runs this binary with a standard output that nobody reads.
func TestClosedStdout(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), "PUCK_TEST_CLOSED_STDOUT=1")
	var stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = w, &stderr
	err = cmd.Run()
	_ = w.Close()
	if err != nil || stderr.String() != "alive" {
		t.Errorf("%v, standard error %q", err, stderr.String())
	}
}

// writeToClosedStdout is the other process of TestClosedStdout.
func writeToClosedStdout() int {
	ctx := context.Background()
	e := newExporter(exportertest.NewNopSettings(component.MustNewType(typeName)), createDefaultConfig().(*Config), os.Stdout)
	if e.start(ctx, componenttest.NewNopHost()) != nil {
		return 2
	}
	for range 3 {
		if e.consumeTraces(ctx, requests()) != nil {
			return 3
		}
	}
	if !e.closed {
		return 4
	}
	if _, err := os.Stderr.WriteString("alive"); err != nil {
		return 5
	}
	return 0
}

func BenchmarkSpans(b *testing.B) {
	p := printer{zone: time.UTC, colors: true}
	traces := requests()
	b.ReportAllocs()
	for b.Loop() {
		p.buf = p.buf[:0]
		p.traces(traces)
	}
}
