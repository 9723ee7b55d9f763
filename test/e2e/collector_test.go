// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/puck-otel/puck/test/spanfile"
)

const (
	startTimeout = time.Minute
	rowTimeout   = 30 * time.Second
)

// collector is a running otelcol-puck that writes what it sees to files.
type collector struct {
	t       *testing.T
	process *process
	dir     string
	metrics int // port of its own telemetry
}

const configTemplate = `
receivers:
  protocol_trace:
    flush_interval: 50ms
%s
exporters:
  file/traces: {path: %[2]s/traces, format: proto, flush_interval: 50ms}
  file/metrics: {path: %[2]s/metrics, format: proto, flush_interval: 50ms}
  file/logs: {path: %[2]s/logs, format: proto, flush_interval: 50ms}
service:
  telemetry:
    metrics:
      level: detailed
      readers: [{pull: {exporter: {prometheus: {host: 127.0.0.1, port: %[3]d, without_type_suffix: true, without_units: true, without_scope_info: true}}}}]
  pipelines:
    traces: {receivers: [protocol_trace], exporters: [file/traces]}
    metrics: {receivers: [protocol_trace], exporters: [file/metrics]}
    logs: {receivers: [protocol_trace], exporters: [file/logs]}
`

// trace starts a collector whose receiver has these settings, YAML at the first
// level, and returns once it traces. It is stopped at the test's end.
func trace(t *testing.T, settings ...string) *collector {
	t.Helper()
	return traceWith(t, configTemplate, nil, settings...)
}

// traceWith is trace with another configuration, and more in the environment.
func traceWith(t *testing.T, template string, env []string, settings ...string) *collector {
	t.Helper()
	c := &collector{t: t, dir: t.TempDir(), metrics: freePort(t)}
	var block strings.Builder
	for _, s := range settings {
		for line := range strings.Lines(s) {
			block.WriteString("    " + strings.TrimRight(line, "\n") + "\n")
		}
	}
	config := filepath.Join(c.dir, "config.yaml")
	text := fmt.Sprintf(template, block.String(), c.dir, c.metrics)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(tools(t).collector, "--config", config)
	cmd.Env = append(os.Environ(), env...)
	c.process = start(t, cmd)
	c.process.awaitLine("tracing started", startTimeout)
	t.Cleanup(c.stop)
	return c
}

// ports is the setting that keeps all other traffic of the machine out.
func ports(numbers ...int) string {
	return "include: {ports: " + strings.Join(strings.Fields(fmt.Sprint(numbers)), ", ") + "}"
}

// stop ends the collector as a service manager would, and checks that it leaves
// in good order and nothing in the kernel.
func (c *collector) stop() {
	c.t.Helper()
	if c.process.ended() {
		return
	}
	held := heldObjects(c.t, c.process.pid())
	if err := c.process.end(syscall.SIGTERM, 30*time.Second); err != nil {
		c.t.Errorf("the collector did not leave in good order: %v\n%s", err, c.process.tail())
	}
	held.awaitGone(c.t)
	if text := c.process.output(); strings.Contains(text, "panic:") || strings.Contains(text, "DATA RACE") {
		c.t.Errorf("the collector reports:\n%s", c.process.tail())
	}
}

// spans returns what has been exported so far.
func (c *collector) spans() []*spanfile.Span {
	c.t.Helper()
	spans, err := spanfile.Spans(filepath.Join(c.dir, "traces"))
	if err != nil {
		c.t.Fatal(err)
	}
	return spans
}

// await returns the spans once check accepts them, and fails the test with its
// last objection and the spans where that does not come to pass.
func (c *collector) await(check func([]*spanfile.Span) error) []*spanfile.Span {
	c.t.Helper()
	var spans []*spanfile.Span
	err := poll(rowTimeout, func() error {
		spans = c.spans()
		return check(spans)
	})
	if err != nil {
		c.t.Fatalf("%v\nspans:\n%s\ntelemetry:\n%s", err, list(spans), strings.Join(c.ownMetrics(), "\n"))
	}
	return spans
}

// settle returns the spans once there are n, or after a while what there is.
func (c *collector) settle(n int) []*spanfile.Span {
	c.t.Helper()
	var spans []*spanfile.Span
	err := poll(rowTimeout/2, func() error {
		if spans = c.spans(); len(spans) < n {
			return fmt.Errorf("%d spans, want %d", len(spans), n)
		}
		return nil
	})
	if err != nil {
		c.t.Errorf("%v\ntelemetry:\n%s", err, strings.Join(c.ownMetrics(), "\n"))
	}
	return spans
}

// awaitCount returns the spans that match, once there are n of them. It fails
// the test where there are more.
func (c *collector) awaitCount(n int, match func(*spanfile.Span) bool) []*spanfile.Span {
	c.t.Helper()
	var found []*spanfile.Span
	c.await(func(spans []*spanfile.Span) error {
		found = filter(spans, match)
		if len(found) != n {
			return fmt.Errorf("%d spans, want %d", len(found), n)
		}
		return nil
	})
	return found
}

// path matches spans of the path on both sides.
func path(p string) func(*spanfile.Span) bool {
	return func(s *spanfile.Span) bool { return s.Str("url.path") == p }
}

func filter(spans []*spanfile.Span, match func(*spanfile.Span) bool) []*spanfile.Span {
	var found []*spanfile.Span
	for _, s := range spans {
		if match(s) {
			found = append(found, s)
		}
	}
	return found
}

// list returns the first spans, one a line.
func list(spans []*spanfile.Span) string {
	const most = 40
	var b strings.Builder
	for i, s := range spans {
		if i == most {
			fmt.Fprintf(&b, "... and %d more\n", len(spans)-most)
			break
		}
		b.WriteString(s.String() + "\n")
	}
	return b.String()
}

// poll calls f until it returns nil, and returns its last error after timeout or
// once over is closed.
func poll(timeout time.Duration, f func() error, over ...<-chan struct{}) error {
	deadline := time.Now().Add(timeout)
	for {
		done := time.Now().After(deadline)
		for _, c := range over {
			select {
			case <-c:
				done = true
			default:
			}
		}
		if err := f(); err == nil || done {
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
}
