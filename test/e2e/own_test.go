// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/puck-otel/puck/test/spanfile"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func drainBody(t *testing.T, resp *http.Response) {
	t.Helper()
	_, err := io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, error %v", resp.Request.URL, resp.Status, err)
	}
}

// TestConnStats compares conn_stats with what the client counted.
func TestConnStats(t *testing.T) {
	s := nginx(t)
	c := trace(t, ports(s.port), "collection_interval: 200ms")
	result := finish(t, startLoad(t, s, "-requests", "2000", "-connections", "7", "-path", "/m/stats"))
	if result.Errors != 0 {
		t.Fatalf("%+v", result)
	}
	want := map[string]float64{
		"client puck.connection.io transmit": float64(result.Sent), "client puck.connection.io receive": float64(result.Received),
		"server puck.connection.io transmit": float64(result.Received), "server puck.connection.io receive": float64(result.Sent),
		"client puck.connection.opened ": 7, "client puck.connection.closed ": 7, "client puck.connection.active ": 0,
		"server puck.connection.opened ": 7, "server puck.connection.closed ": 7, "server puck.connection.active ": 0,
	}
	err := poll(rowTimeout, func() error {
		got, err := connStats(c)
		if err != nil {
			return err
		}
		for key, v := range want {
			if got[key] != v {
				return fmt.Errorf("%s is %v, want %v; all: %v", key, got[key], v, got)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// connStats returns the latest sums by role, metric and direction.
func connStats(c *collector) (map[string]float64, error) {
	points, err := spanfile.Points(filepath.Join(c.dir, "metrics"))
	if err != nil {
		return nil, err
	}
	latest := map[string]spanfile.Point{}
	for _, p := range points {
		id := p.Metric + fmt.Sprint(p.Attrs.AsRaw(), p.Resource.AsRaw())
		if p.Time >= latest[id].Time {
			latest[id] = p
		}
	}
	sums := map[string]float64{}
	for _, p := range latest {
		text := func(key string) string {
			if v, ok := p.Attrs.Get(key); ok {
				return v.AsString()
			}
			return ""
		}
		sums[text("puck.connection.role")+" "+p.Metric+" "+text("network.io.direction")] += p.Value
	}
	return sums, nil
}

func TestProbeStatus(t *testing.T) {
	c := trace(t)
	err := poll(rowTimeout, func() error {
		logs, err := spanfile.Logs(filepath.Join(c.dir, "logs"))
		if err != nil {
			return err
		}
		text := strings.Join(logs, "\n")
		for _, hook := range []string{"sys_exit_read", "sys_exit_write", "sys_exit_sendfile64", "sys_exit_accept4", "sys_exit_connect"} {
			if !strings.Contains(text, hook) {
				return fmt.Errorf("no row of probe_status is about %s:\n%s", hook, text)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if strings.Contains(c.process.output(), "probe not attached") {
		t.Errorf("a probe is not attached on this kernel:\n%s", c.process.tail())
	}
}

// TestOwnTelemetry looks for the counters by which losses are accounted for, and
// for numbers that a known number of requests must give.
func TestOwnTelemetry(t *testing.T) {
	s := nginx(t)
	c := trace(t, ports(s.port))
	const n = 500
	if result := finish(t, startLoad(t, s, "-requests", fmt.Sprint(n), "-connections", "5", "-path", "/tiny")); result.Errors != 0 {
		t.Fatalf("%+v", result)
	}
	c.awaitCount(2*n, path("/tiny"))
	want := map[string]float64{
		`protocol_trace_spans outcome="sent"`:              2 * n,
		`protocol_trace_spans outcome="refused"`:           0,
		`protocol_trace_spans outcome="queue_full"`:        0,
		`protocol_trace_spans outcome="sampled_out"`:       0,
		`protocol_trace_spans outcome="filtered"`:          0,
		`protocol_trace_rows outcome="complete"`:           2 * n,
		`protocol_trace_rows outcome="truncated"`:          0,
		`protocol_trace_rows outcome="unanswered"`:         0,
		`protocol_trace_kernel_events outcome="delivered"`: 4 * n,
		`protocol_trace_kernel_events outcome="ring_full"`: 0,
		`protocol_trace_kernel_calls outcome="map_full"`:   0,
		`protocol_trace_kernel_calls outcome="fault"`:      0,
		`protocol_trace_lost_frames `:                      0,
		`protocol_trace_lost_bytes `:                       0,
		`protocol_trace_unusable_events `:                  0,
		`protocol_trace_open_connections `:                 0,
		`protocol_trace_buffered_bytes `:                   0,
		`protocol_trace_ring_bytes `:                       0,
	}
	err := poll(rowTimeout, func() error {
		for key, v := range want {
			name, l, _ := strings.Cut(key, " ")
			got, points := c.findMetric(name, l)
			if got != v || points == 0 {
				return fmt.Errorf("%s is %v in %d points, want %v", key, got, points, v)
			}
		}
		return nil
	})
	if err != nil {
		t.Errorf("%v\n%s", err, strings.Join(c.ownMetrics(), "\n"))
	}
}
