// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bufio"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// ownMetrics returns the lines of the collector's own telemetry that are about
// the receiver, in the Prometheus text format.
func (c *collector) ownMetrics() []string {
	c.t.Helper()
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(fmt.Sprintf("http://127.0.0.1:%d/metrics", c.metrics))
	if err != nil {
		return []string{"no telemetry: " + err.Error()}
	}
	defer resp.Body.Close()
	var lines []string
	for s := bufio.NewScanner(resp.Body); s.Scan(); {
		if !strings.HasPrefix(s.Text(), "#") && strings.Contains(s.Text(), "protocol_trace") {
			lines = append(lines, s.Text())
		}
	}
	return lines
}

// metric returns the sum of the points of the metric whose labels contain all of
// the texts, such as `reason="ring_full"`. The names' otelcol_ may be left out. It
// fails the test where no point is there unless one is optional.
func (c *collector) metric(name string, labels ...string) float64 {
	c.t.Helper()
	sum, _ := c.findMetric(name, labels...)
	return sum
}

// findMetric also returns how many points there were.
func (c *collector) findMetric(name string, labels ...string) (sum float64, points int) {
	c.t.Helper()
next:
	for _, line := range c.ownMetrics() {
		id, value, ok := cutLast(line, " ")
		series, set, _ := strings.Cut(id, "{")
		if !ok || strings.TrimPrefix(series, "otelcol_") != name {
			continue
		}
		for _, l := range labels {
			if !strings.Contains(set, l) {
				continue next
			}
		}
		v, err := strconv.ParseFloat(value, 64)
		if err != nil {
			c.t.Fatalf("telemetry line %q: %v", line, err)
		}
		sum += v
		points++
	}
	return sum, points
}

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}
