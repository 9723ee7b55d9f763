// SPDX-License-Identifier: Apache-2.0

package protocoltracereceiver

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/receivertest"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.uber.org/goleak"

	"github.com/puck-otel/puck/internal/process"
)

// requestsVariable tells the test binary to be a process that makes so many
// requests to itself: the receiver leaves its own process out.
const requestsVariable = "PUCK_TEST_REQUESTS"

func TestMain(m *testing.M) {
	if n := os.Getenv(requestsVariable); n != "" {
		if err := talk(n); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// talk serves and makes requests when told to, until its input ends.
func talk(count string) error {
	n, err := strconv.Atoi(count)
	if err != nil {
		return err
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Answer", "42")
		if strings.HasPrefix(r.URL.Path, "/missing") {
			w.WriteHeader(http.StatusNotFound)
		}
		_, _ = io.WriteString(w, "hello")
	}))
	defer server.Close()
	fmt.Println(server.URL)
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		for i := range n {
			path := fmt.Sprintf("/users/%d?token=secret", i)
			if i%10 == 9 {
				path = "/missing"
			}
			req, err := http.NewRequest(http.MethodGet, server.URL+path, nil)
			if err != nil {
				return err
			}
			req.Header.Set("traceparent", "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01")
			req.Header.Set("X-Question", "6*7")
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				return err
			}
			if _, err := io.Copy(io.Discard, resp.Body); err != nil {
				return err
			}
			if err := resp.Body.Close(); err != nil {
				return err
			}
		}
		fmt.Println("done")
	}
	return in.Err()
}

// talker is such a process.
type talker struct {
	t   *testing.T
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
	url string
}

func newTalker(t *testing.T, requests int) *talker {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), requestsVariable+"="+strconv.Itoa(requests), "OTEL_SERVICE_NAME=talker")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	p := &talker{t: t, cmd: cmd, in: in, out: bufio.NewScanner(out)}
	t.Cleanup(p.end)
	require.True(t, p.out.Scan())
	p.url = p.out.Text()
	return p
}

// talk has it make its requests.
func (p *talker) talk() {
	p.t.Helper()
	_, err := fmt.Fprintln(p.in)
	require.NoError(p.t, err)
	require.True(p.t, p.out.Scan())
	require.Equal(p.t, "done", p.out.Text())
}

func (p *talker) end() {
	if p.cmd.ProcessState == nil {
		_ = p.in.Close()
		_ = p.cmd.Wait()
	}
}

// running is a receiver with sinks behind all of its signals.
type running struct {
	t         *testing.T
	traces    consumertest.TracesSink
	metrics   consumertest.MetricsSink
	logs      consumertest.LogsSink
	telemetry *componenttest.Telemetry
	receivers []interface {
		Shutdown(context.Context) error
	}
}

func run(t *testing.T, change func(*Config)) *running {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root, or CAP_BPF and CAP_PERFMON, to load BPF programs")
	}
	r := &running{t: t, telemetry: componenttest.NewTelemetry()}
	f := NewFactory()
	set := receivertest.NewNopSettings(f.Type())
	set.TelemetrySettings = r.telemetry.NewTelemetrySettings()
	cfg := createDefaultConfig().(*Config)
	cfg.FlushInterval = 20 * time.Millisecond
	cfg.CollectionInterval = 100 * time.Millisecond
	cfg.RingBufferSize = 1 << 20
	if change != nil {
		change(cfg)
	}
	require.NoError(t, cfg.Validate())
	ctx := context.Background()
	traces, err := f.CreateTraces(ctx, set, cfg, &r.traces)
	require.NoError(t, err)
	metrics, err := f.CreateMetrics(ctx, set, cfg, &r.metrics)
	require.NoError(t, err)
	logs, err := f.CreateLogs(ctx, set, cfg, &r.logs)
	require.NoError(t, err)
	for _, c := range []receiver.Traces{traces, metrics, logs} {
		require.NoError(t, c.Start(ctx, componenttest.NewNopHost()))
		r.receivers = append(r.receivers, c)
	}
	t.Cleanup(r.shutdown)
	return r
}

func (r *running) shutdown() {
	for _, c := range r.receivers {
		require.NoError(r.t, c.Shutdown(context.Background()))
	}
	if r.receivers != nil {
		require.NoError(r.t, r.telemetry.Shutdown(context.Background()))
	}
	r.receivers = nil
}

// spans returns those of the process pid.
func (r *running) spans(pid int) (spans []ptrace.Span, resource pcommon.Map) {
	for _, td := range r.traces.AllTraces() {
		for _, rs := range td.ResourceSpans().All() {
			if v, ok := rs.Resource().Attributes().Get("process.pid"); !ok || v.Int() != int64(pid) {
				continue
			}
			resource = rs.Resource().Attributes()
			for _, ss := range rs.ScopeSpans().All() {
				for _, s := range ss.Spans().All() {
					spans = append(spans, s)
				}
			}
		}
	}
	return spans, resource
}

func (r *running) wait(p *talker, n int) ([]ptrace.Span, pcommon.Map) {
	r.t.Helper()
	require.Eventually(r.t, func() bool {
		spans, _ := r.spans(p.cmd.Process.Pid)
		return len(spans) >= n
	}, 10*time.Second, 10*time.Millisecond)
	spans, resource := r.spans(p.cmd.Process.Pid)
	require.Len(r.t, spans, n)
	return spans, resource
}

func str(t *testing.T, m pcommon.Map, key string) string {
	t.Helper()
	v, ok := m.Get(key)
	require.True(t, ok, "no %s in %v", key, m.AsRaw())
	return v.AsString()
}

func TestSpans(t *testing.T) {
	r := run(t, nil)
	p := newTalker(t, 10)
	p.talk()
	spans, resource := r.wait(p, 20)
	require.Equal(t, "talker", str(t, resource, "service.name"))
	require.NotEmpty(t, str(t, resource, "puck.upid"))
	require.NotEmpty(t, str(t, resource, "host.name"))
	kinds := map[ptrace.SpanKind][]ptrace.Span{}
	for _, s := range spans {
		kinds[s.Kind()] = append(kinds[s.Kind()], s)
		require.Equal(t, "0123456789abcdef0123456789abcdef", s.TraceID().String())
		require.Equal(t, "0123456789abcdef", s.ParentSpanID().String())
		require.Equal(t, strings.TrimPrefix(p.url, "http://127.0.0.1:"), str(t, s.Attributes(), "server.port"))
		require.Equal(t, "5", str(t, s.Attributes(), "http.response.body.size"))
		_, ok := s.Attributes().Get("http_events.req_headers")
		require.False(t, ok, "headers leave by default")
		if str(t, s.Attributes(), "url.path") != "/missing" {
			require.Equal(t, "token=REDACTED", str(t, s.Attributes(), "url.query"))
			require.Equal(t, "200", str(t, s.Attributes(), "http.response.status_code"))
		} else {
			require.Equal(t, s.Kind() == ptrace.SpanKindClient, s.Status().Code() == ptrace.StatusCodeError)
		}
	}
	require.Len(t, kinds[ptrace.SpanKindClient], 10)
	require.Len(t, kinds[ptrace.SpanKindServer], 10)
	for i, c := range kinds[ptrace.SpanKindClient] {
		s := kinds[ptrace.SpanKindServer][i]
		require.Equal(t, str(t, c.Attributes(), "url.path"), str(t, s.Attributes(), "url.path"))
		require.LessOrEqual(t, c.StartTimestamp(), s.StartTimestamp())
		require.GreaterOrEqual(t, c.EndTimestamp(), s.EndTimestamp())
	}
	require.Equal(t, "GET /users/{id}", kinds[ptrace.SpanKindServer][0].Name())
}

func TestProbeStatus(t *testing.T) {
	r := run(t, nil)
	require.Equal(t, 22, r.logs.LogRecordCount())
	record := r.logs.AllLogs()[0].ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0)
	require.Equal(t, "protocol_trace", str(t, record.Attributes(), "probe_status.source_connector"))
}

func TestConnStats(t *testing.T) {
	r := run(t, nil)
	p := newTalker(t, 10)
	p.talk()
	require.Eventually(t, func() bool {
		sums := r.sums(p.cmd.Process.Pid)
		return sums["puck.connection.opened client"] == 1 && sums["puck.connection.active server"] == 1 &&
			sums["puck.connection.io client transmit"] > 1000 &&
			sums["puck.connection.io client transmit"] == sums["puck.connection.io server receive"] &&
			sums["puck.connection.io client receive"] == sums["puck.connection.io server transmit"]
	}, 10*time.Second, 50*time.Millisecond, "%v", r.sums(p.cmd.Process.Pid))
	before := r.sums(p.cmd.Process.Pid)
	p.end()
	require.Eventually(t, func() bool {
		sums := r.sums(p.cmd.Process.Pid)
		return sums["puck.connection.closed client"] == 1 && sums["puck.connection.active client"] == 0 &&
			sums["puck.connection.io client transmit"] == before["puck.connection.io client transmit"]
	}, 10*time.Second, 50*time.Millisecond)
}

// With nothing copied there are no spans, and bytes are counted all the same.
func TestNoCapture(t *testing.T) {
	r := run(t, func(c *Config) { c.CaptureSize = 0 })
	p := newTalker(t, 10)
	p.talk()
	require.Eventually(t, func() bool {
		sums := r.sums(p.cmd.Process.Pid)
		sent := sums["puck.connection.io client transmit"] + sums["puck.connection.io unknown transmit"]
		return sent > 1000 && sent == sums["puck.connection.io server receive"]+sums["puck.connection.io unknown receive"]
	}, 10*time.Second, 50*time.Millisecond)
	require.Equal(t, int64(0), r.counter("kernel_bytes", "copied"))
	spans, _ := r.spans(p.cmd.Process.Pid)
	require.Empty(t, spans)
}

// sums returns the newest values of a process's conn_stats by name, role and
// direction.
func (r *running) sums(pid int) map[string]int64 {
	sums := map[string]int64{}
	for _, md := range r.metrics.AllMetrics() {
		for _, rm := range md.ResourceMetrics().All() {
			if v, ok := rm.Resource().Attributes().Get("process.pid"); !ok || v.Int() != int64(pid) {
				continue
			}
			clear(sums)
			for _, m := range rm.ScopeMetrics().At(0).Metrics().All() {
				for _, point := range points(m) {
					key := m.Name() + " " + str(r.t, point.Attributes(), "puck.connection.role")
					if d, ok := point.Attributes().Get("network.io.direction"); ok {
						key += " " + d.Str()
					}
					sums[key] += point.IntValue()
				}
			}
		}
	}
	return sums
}

func points(m pmetric.Metric) (list []pmetric.NumberDataPoint) {
	for _, p := range m.Sum().DataPoints().All() {
		list = append(list, p)
	}
	return list
}

func TestFilters(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*Config)
		spans  int
	}{
		{"servers only", func(c *Config) { c.Roles = []string{"server"} }, 10},
		{"this executable excluded", func(c *Config) { c.Exclude.Executables = []string{"protocoltracereceiver.test*"} }, 0},
		{"another included", func(c *Config) { c.Include.Executables = []string{"/usr/sbin/nginx"} }, 0},
		{"this included", func(c *Config) { c.Include.Executables = []string{"*.test"} }, 20},
		{"sampled out", func(c *Config) { c.Sampling = []SamplingConfig{{Service: "talk*", Ratio: 0}} }, 0},
		{"sampled in", func(c *Config) { c.Sampling = []SamplingConfig{{Service: "other", Ratio: 0}} }, 20},
		{"port excluded", func(c *Config) { c.Exclude.Ports = []int{0} }, 0},
		{"included with its port", func(c *Config) { c.Include = FilterConfig{Executables: []string{"*.test"}, Ports: []int{0}} }, 20},
		{"included with another port", func(c *Config) { c.Include = FilterConfig{Executables: []string{"*.test"}, Ports: []int{1}} }, 0},
		{"its port with another included", func(c *Config) { c.Include = FilterConfig{Executables: []string{"nginx"}, Ports: []int{0}} }, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newTalker(t, 10)
			r := run(t, func(cfg *Config) {
				c.change(cfg)
				for _, ports := range [][]int{cfg.Include.Ports, cfg.Exclude.Ports} {
					if len(ports) > 0 && ports[0] == 0 { // the talker's
						var err error
						ports[0], err = strconv.Atoi(p.port())
						require.NoError(t, err)
					}
				}
			})
			p.talk()
			if c.spans > 0 {
				r.wait(p, c.spans)
				return
			}
			if c.name == "sampled out" {
				require.Eventually(t, func() bool { return r.counter("spans", "sampled_out") == 20 }, 10*time.Second, 10*time.Millisecond)
			}
			r.shutdownOf(p)
			if spans, resource := r.spans(p.cmd.Process.Pid); len(spans) > 0 {
				t.Errorf("%d spans of %v", len(spans), resource.AsRaw())
			}
		})
	}
}

// shutdownOf ends the process and the receiver: what it saw has been sent then.
func (r *running) shutdownOf(p *talker) {
	p.end()
	for _, c := range r.receivers {
		require.NoError(r.t, c.Shutdown(context.Background()))
	}
}

func TestHeaders(t *testing.T) {
	r := run(t, func(c *Config) {
		c.Headers = HeadersConfig{Request: []string{"x-question"}, Response: []string{"x-answer"}}
		c.KeepQueryValues = true
	})
	p := newTalker(t, 1)
	p.talk()
	spans, _ := r.wait(p, 2)
	for _, s := range spans {
		require.JSONEq(t, `{"X-Question":"6*7"}`, str(t, s.Attributes(), "http_events.req_headers"))
		require.JSONEq(t, `{"X-Answer":"42"}`, str(t, s.Attributes(), "http_events.resp_headers"))
		require.Equal(t, "token=secret", str(t, s.Attributes(), "url.query"))
	}
}

func TestTelemetry(t *testing.T) {
	r := run(t, nil)
	p := newTalker(t, 10)
	p.talk()
	r.wait(p, 20)
	require.GreaterOrEqual(t, r.counter("kernel_events", "delivered"), int64(40))
	require.Equal(t, int64(0), r.counter("kernel_events", "ring_full"))
	require.Eventually(t, func() bool { return r.counter("rows", "complete") >= 20 }, 5*time.Second, 50*time.Millisecond)
	require.GreaterOrEqual(t, r.counter("spans", "sent"), int64(20))
}

// counter returns the sum of one of the receiver's own metrics over the protocols, -1
// where it has no such outcome.
func (r *running) counter(name, outcome string) int64 {
	m, err := r.telemetry.GetMetric("otelcol_protocol_trace_" + name)
	require.NoError(r.t, err)
	sum := int64(-1)
	for _, point := range m.Data.(metricdata.Sum[int64]).DataPoints {
		if v, ok := point.Attributes.Value("outcome"); ok && v.AsString() == outcome {
			sum = max(sum, 0) + point.Value
		}
	}
	return sum
}

func TestRestart(t *testing.T) {
	p := newTalker(t, 10)
	for range 3 {
		r := run(t, nil)
		p.talk() // over the connection of the first time, which is older than r
		r.wait(p, 20)
		r.shutdown()
	}
}

func TestLifecycle(t *testing.T) {
	f := NewFactory()
	require.Equal(t, "protocol_trace", f.Type().String())
	cfg := f.CreateDefaultConfig()
	r, err := f.CreateTraces(context.Background(), receivertest.NewNopSettings(f.Type()), cfg, consumertest.NewNop())
	require.NoError(t, err)
	require.NoError(t, r.Shutdown(context.Background()), "without Start")
	require.NoError(t, r.Shutdown(context.Background()), "twice")
}

// Spans that the pipeline refuses are counted, and harm nothing.
func TestRefusal(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, or CAP_BPF and CAP_PERFMON, to load BPF programs")
	}
	f := NewFactory()
	cfg := createDefaultConfig().(*Config)
	cfg.FlushInterval = 20 * time.Millisecond
	r, err := f.CreateTraces(context.Background(), receivertest.NewNopSettings(f.Type()), cfg, consumertest.NewErr(errors.New("no room")))
	require.NoError(t, err)
	require.NoError(t, r.Start(context.Background(), componenttest.NewNopHost()))
	newTalker(t, 10).talk()
	s := r.(*protocolTrace).sender
	require.Eventually(t, func() bool { return s.refused.Load() >= 20 }, 10*time.Second, 10*time.Millisecond)
	require.NoError(t, r.Shutdown(context.Background()))
	require.Zero(t, s.sent.Load())
	for _, w := range r.(*protocolTrace).workers {
		require.Empty(t, w.sums.by, "sums that nobody asks for would grow for ever")
	}
}

func TestMatchCgroup(t *testing.T) {
	require.True(t, matchCgroup("*kubepods*", "/kubepods.slice/pod1/abc"))
	require.True(t, matchCgroup("/system.slice/*", "/system.slice/nginx.service"))
	require.False(t, matchCgroup("/system.slice/*", "/user.slice/x"))
	require.Equal(t, "curl", executableName(&process.Process{Name: "curl"}))
}
