// SPDX-License-Identifier: Apache-2.0

// Package config tests what the configurations of this folder make of telemetry.
package config

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/open-telemetry/opentelemetry-collector-contrib/connector/spanmetricsconnector"
	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/translator/prometheusremotewrite"
	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/transformprocessor"
	"github.com/prometheus/prometheus/prompb"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap/confmaptest"
	"go.opentelemetry.io/collector/connector/connectortest"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/processor/processortest"

	"github.com/puck-otel/puck/internal/table"
	"github.com/puck-otel/puck/internal/table/otlp"
	"github.com/puck-otel/puck/internal/table/tables"
)

// configure reads the section of a file into a component's configuration.
func configure(t *testing.T, file, section string, cfg component.Config) {
	t.Helper()
	conf, err := confmaptest.LoadConf(file)
	require.NoError(t, err)
	sub, err := conf.Sub(section)
	require.NoError(t, err)
	require.NotEmpty(t, sub.ToStringMap(), "%s has no %s", file, section)
	require.NoError(t, sub.Unmarshal(cfg))
}

// process returns a process, numbered, of a service.
func process(n int, service string) *otlp.Process {
	return &otlp.Process{
		UPID: table.ID{High: 1<<32 | uint64(n), Low: 1}, PID: int64(n), Service: service, Host: fmt.Sprint("node ", n%2),
	}
}

// spanMetrics returns what gateway.yaml's span_metrics last says of rounds of a
// request to each of these processes.
func spanMetrics(t *testing.T, rounds int, processes ...*otlp.Process) pmetric.Metrics {
	t.Helper()
	f := spanmetricsconnector.NewFactory()
	cfg := f.CreateDefaultConfig().(*spanmetricsconnector.Config)
	configure(t, "gateway.yaml", "connectors::span_metrics", cfg)
	cfg.MetricsFlushInterval = 200 * time.Millisecond
	var sink consumertest.MetricsSink
	c, err := f.CreateTracesToMetrics(t.Context(), connectortest.NewNopSettings(f.Type()), cfg, &sink)
	require.NoError(t, err)
	require.NoError(t, c.Start(t.Context(), componenttest.NewNopHost()))
	for range rounds {
		for _, p := range processes {
			td := ptrace.NewTraces()
			rs := td.ResourceSpans().AppendEmpty()
			p.WriteResource(rs.Resource(), otlp.Options{})
			s := rs.ScopeSpans().AppendEmpty().Spans().AppendEmpty()
			s.SetName("GET /")
			s.SetKind(ptrace.SpanKindServer)
			s.SetEndTimestamp(pcommon.NewTimestampFromTime(time.Now()))
			s.Attributes().PutStr("http.request.method", "GET")
			require.NoError(t, c.ConsumeTraces(t.Context(), td))
		}
	}
	// The first flush of a series says 0.
	flushed := len(sink.AllMetrics()) + 3
	require.Eventually(t, func() bool { return len(sink.AllMetrics()) >= flushed }, 10*time.Second, 10*time.Millisecond)
	require.NoError(t, c.Shutdown(t.Context()))
	all := sink.AllMetrics()
	return all[len(all)-1]
}

// oneSampleASeries fails if two points of one time became samples of one series, as
// gateway.yaml's prometheus_remote_write writes them.
func oneSampleASeries(t *testing.T, md pmetric.Metrics) {
	t.Helper()
	conf, err := confmaptest.LoadConf("gateway.yaml")
	require.NoError(t, err)
	require.False(t, conf.IsSet("exporters::prometheus_remote_write::resource_to_telemetry_conversion"),
		"the resource's attributes are labels, which this test leaves out")
	series, err := prometheusremotewrite.FromMetrics(md, prometheusremotewrite.Settings{AddMetricSuffixes: true, DisableTargetInfo: true})
	require.NoError(t, err)
	require.NotEmpty(t, series)
	for _, s := range series {
		if n := len(s.Samples) + len(s.Histograms); n > 1 {
			t.Errorf("%d samples of one series at one time: %s", n, describe(s))
		}
	}
}

func describe(series *prompb.TimeSeries) string {
	s := ""
	for _, l := range series.Labels {
		s += fmt.Sprintf("%s=%q ", l.Name, l.Value)
	}
	for _, v := range series.Samples {
		s += fmt.Sprintf(" %v@%d", v.Value, v.Timestamp)
	}
	return s
}

// TestConnStatsOfTwoProcesses has two of one service, such as nginx's workers or the
// processes of two pods.
func TestConnStatsOfTwoProcesses(t *testing.T) {
	batch := otlp.NewConnBatch(otlp.Options{}, "1", 1)
	for n := range 2 {
		p := process(n, "nginx")
		batch.Add(&tables.Conns{Time: 1e18, UPID: p.UPID, RemoteAddr: "10.0.0.9", Role: 2, Family: 2, Protocol: 1, Opened: int64(10 + n)}, p)
	}
	oneSampleASeries(t, batch.Take())
}

func TestSpanMetricsOfTwoProcesses(t *testing.T) {
	oneSampleASeries(t, spanMetrics(t, 1, process(1, "nginx"), process(2, "nginx")))
}

// TestSpanMetricsOfManyProcesses has as many as a small cluster, each of them twice:
// what the first of them came to must not begin again.
func TestSpanMetricsOfManyProcesses(t *testing.T) {
	var processes []*otlp.Process
	for n := range 1200 {
		processes = append(processes, process(n, fmt.Sprint("service ", n%50)))
	}
	calls := int64(0)
	for _, rm := range spanMetrics(t, 2, processes...).ResourceMetrics().All() {
		for _, sm := range rm.ScopeMetrics().All() {
			for _, m := range sm.Metrics().All() {
				if m.Name() == "traces.span.metrics.calls" {
					for _, p := range m.Sum().DataPoints().All() {
						calls += p.IntValue()
					}
				}
			}
		}
	}
	require.Equal(t, int64(2400), calls, "calls of 1200 processes of 50 services, two each")
}

// TestSpanMetricsNameNoProcess looks at what transform/service leaves of the resource
// of a series, which is that of its first process.
func TestSpanMetricsNameNoProcess(t *testing.T) {
	metrics := spanMetrics(t, 1, process(1, "nginx"))
	transform(t, "gateway.yaml", "transform/service", metrics)
	resource := metrics.ResourceMetrics().At(0).Resource()
	require.Equal(t, map[string]any{"service.name": "nginx"}, resource.Attributes().AsRaw())
}

// transform changes data as a transform processor of the file does.
func transform[T ptrace.Traces | pmetric.Metrics | plog.Logs](t *testing.T, file, name string, data T) {
	t.Helper()
	f := transformprocessor.NewFactory()
	cfg := f.CreateDefaultConfig()
	configure(t, file, "processors::"+name, cfg)
	set := processortest.NewNopSettings(f.Type())
	switch data := any(data).(type) {
	case ptrace.Traces:
		p, err := f.CreateTraces(t.Context(), set, cfg, consumertest.NewNop())
		require.NoError(t, err)
		require.NoError(t, p.ConsumeTraces(t.Context(), data))
	case pmetric.Metrics:
		p, err := f.CreateMetrics(t.Context(), set, cfg, consumertest.NewNop())
		require.NoError(t, err)
		require.NoError(t, p.ConsumeMetrics(t.Context(), data))
	case plog.Logs:
		p, err := f.CreateLogs(t.Context(), set, cfg, consumertest.NewNop())
		require.NoError(t, err)
		require.NoError(t, p.ConsumeLogs(t.Context(), data))
	}
}

// agentService is the service.name, and all else that agent.yaml's processors leave,
// of a resource to which k8s_attributes adds a name if it has none.
func agentService(t *testing.T, signal string, process *otlp.Process, kubernetes string) map[string]any {
	t.Helper()
	conf, err := confmaptest.LoadConf("agent.yaml")
	require.NoError(t, err)
	var resource pcommon.Resource
	var apply func(name string)
	switch signal {
	case "traces":
		td := ptrace.NewTraces()
		rs := td.ResourceSpans().AppendEmpty()
		rs.ScopeSpans().AppendEmpty().Spans().AppendEmpty()
		resource, apply = rs.Resource(), func(name string) { transform(t, "agent.yaml", name, td) }
	case "metrics":
		md := pmetric.NewMetrics()
		rm := md.ResourceMetrics().AppendEmpty()
		rm.ScopeMetrics().AppendEmpty().Metrics().AppendEmpty().SetEmptySum().DataPoints().AppendEmpty()
		resource, apply = rm.Resource(), func(name string) { transform(t, "agent.yaml", name, md) }
	case "logs":
		ld := plog.NewLogs()
		rl := ld.ResourceLogs().AppendEmpty()
		rl.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
		resource, apply = rl.Resource(), func(name string) { transform(t, "agent.yaml", name, ld) }
	}
	process.WriteResource(resource, otlp.Options{})
	for _, name := range conf.Get("service::pipelines::" + signal + "::processors").([]any) {
		switch name := name.(string); {
		case strings.HasPrefix(name, "transform/"):
			apply(name)
		case name == "k8s_attributes":
			require.Contains(t, conf.Get("processors::k8s_attributes::extract::metadata"), "service.name")
			// https://github.com/open-telemetry/opentelemetry-collector-contrib/blob/processor/k8sattributesprocessor/v1.0.0/processor/k8sattributesprocessor/processor.go#L315
			if v, ok := resource.Attributes().Get("service.name"); kubernetes != "" && (!ok || v.Str() == "") {
				resource.Attributes().PutStr("service.name", kubernetes)
			}
		}
	}
	return resource.Attributes().AsRaw()
}

// TestServiceName has the order: what the process says, what Kubernetes knows, what
// is derived.
func TestServiceName(t *testing.T) {
	for _, signal := range []string{"traces", "metrics", "logs"} {
		for _, test := range []struct {
			name       string
			process    otlp.Process
			kubernetes string
			want       string
		}{
			{"of the process", otlp.Process{Service: "cart"}, "deployment", "cart"},
			{"of the process alone", otlp.Process{Service: "cart"}, "", "cart"},
			{"of Kubernetes", otlp.Process{Service: "node", Derived: true}, "deployment", "deployment"},
			{"derived", otlp.Process{Service: "sshd", Derived: true}, "", "sshd"},
		} {
			t.Run(signal+" "+test.name, func(t *testing.T) {
				require.Equal(t, map[string]any{"service.name": test.want}, agentService(t, signal, &test.process, test.kubernetes))
			})
		}
	}
}
