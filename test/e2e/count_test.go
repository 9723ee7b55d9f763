// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/puck-otel/puck/test/spanfile"
)

// rows counts the spans of a file by kind, those without a status apart.
type rows struct {
	client, server int
	unanswered     int // say that there was no answer
	wrong          int // with a size that does not belong to the path
	firstWrong     *spanfile.Span
}

// count reads the spans of paths that begin with prefix. A row of /echo/ is wrong
// unless its response is as long as what follows in its path.
func (c *collector) count(prefix string) rows {
	c.t.Helper()
	var n rows
	err := spanfile.EachSpan(filepath.Join(c.dir, "traces"), func(s *spanfile.Span) {
		p := s.Str("url.path")
		switch {
		case !strings.HasPrefix(p, prefix):
			return
		case s.Int(status) == -1:
			n.unanswered++
			return
		case s.Kind == ptrace.SpanKindClient:
			n.client++
		case s.Kind == ptrace.SpanKindServer:
			n.server++
		}
		if tail, ok := strings.CutPrefix(p, "/echo/"); ok && s.Int(received) != int64(len(tail)) {
			n.wrong++
			n.firstWrong = s
		}
	})
	if err != nil {
		c.t.Fatal(err)
	}
	return n
}

// settleCount returns the counts once they are as many as wanted or no longer
// grow.
func (c *collector) settleCount(prefix string, want int) rows {
	c.t.Helper()
	last := rows{client: -1}
	for {
		n := c.count(prefix)
		if n.client >= want && n.server >= want || n.client == last.client && n.server == last.server {
			return n
		}
		last = n
		time.Sleep(2 * time.Second)
	}
}

// handled returns how many requests nginx has had, without the one that asks.
func handled(t *testing.T, s *server) int {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp := must(client.Get(s.url("/count")))
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	fields := strings.Fields(string(text))
	for i, f := range fields {
		if f == "requests" && i+3 < len(fields) {
			return must(strconv.Atoi(fields[i+3])) - 1
		}
	}
	t.Fatalf("nginx says %q, error %v", text, err)
	return 0
}

// stopAt is a script for wrk, which has no option for a number of requests: it
// makes no more of them, but goes on to the end of its time.
const stopAt = `
local seen = 0
function response()
  seen = seen + 1
  if seen == %d then
    wrk.thread:stop()
    print("enough")
    io.stdout:flush()
  end
end
`

// TestExactCountKeptAlive compares 200,000 requests over 64 connections as wrk
// and nginx counted them with the rows. When wrk stops, each other connection may
// have a request under way, which nginx has answered or has not seen.
func TestExactCountKeptAlive(t *testing.T) {
	const n, connections = 200_000, 64
	s := nginx(t)
	wrk := program(t, "wrk", "wrk")
	script := filepath.Join(t.TempDir(), "stop.lua")
	write(t, script, fmt.Sprintf(stopAt, n))
	c := trace(t, ports(s.port), "ring_buffer_size: 67108864")
	before := handled(t, s)
	begin := time.Now()
	load := start(t, exec.Command(wrk, "-t", "1", "-c", strconv.Itoa(connections), "-d", "120s", "-s", script, s.url("/tiny")))
	load.awaitLine("enough", 2*time.Minute)
	took := time.Since(begin)
	if err := load.end(syscall.SIGINT, time.Minute); err != nil {
		t.Fatalf("wrk: %v\n%s", err, load.tail())
	}
	out := load.output()
	m := regexp.MustCompile(`(\d+) requests in`).FindStringSubmatch(out)
	if m == nil || strings.Contains(out, "Socket errors") {
		t.Fatalf("wrk printed:\n%s", out)
	}
	counted := must(strconv.Atoi(m[1]))
	if counted < n {
		t.Fatalf("wrk made %d requests, want %d:\n%s", counted, n, out)
	}
	answered := handled(t, s) - before - 1 // the request of before came after its answer was made
	c.settleCount("/tiny", counted)
	lost := c.losses()
	c.stop()
	got := c.count("/tiny")
	t.Logf("%d requests in %v: wrk counted %d, nginx %d; rows: client %d and %d unanswered, server %d; losses %v",
		counted, took.Round(time.Millisecond), counted, answered, got.client, got.unanswered, got.server, lost)
	if got.client > counted+connections || got.server > answered {
		t.Errorf("more rows than requests")
	}
	explain(t, "client", counted-got.client, lost)
	explain(t, "server", answered-got.server, lost)
}

// explain fails the test unless the missing rows are accounted for by events that
// were lost: each lost event takes away at most one row.
func explain(t *testing.T, side string, missing int, lost losses) {
	t.Helper()
	if missing <= 0 {
		return
	}
	t.Logf("%s: %d rows are missing", side, missing)
	if missing > lost.events {
		t.Errorf("%s: %d rows are missing, but only %d events were lost: %+v", side, missing, lost.events, lost)
	}
}

// losses are the receiver's own account of what did not become rows.
type losses struct {
	delivered, events int // data events of the kernel side, handed over and dropped
	frames            int // messages that became no row or not a whole one
	complete, halves  int // rows, those that lack something apart
	unknown           int // events of connections that were not announced
	spans             int // rows that became no span that was sent
	missed            int // runs of programs that the kernel skipped
}

func (c *collector) losses() losses {
	c.t.Helper()
	of := func(name string, labels ...string) int { return int(c.metric("protocol_trace_"+name, labels...)) }
	return losses{
		delivered: of("kernel_events", `outcome="delivered"`),
		events:    of("kernel_events", `outcome="ring_full"`),
		frames:    of("lost_frames"),
		complete:  of("rows", `outcome="complete"`),
		halves:    of("rows", `outcome="truncated"`) + of("rows", `outcome="unanswered"`),
		unknown:   of("unusable_events", `outcome="unknown_connection"`),
		spans:     of("spans") - of("spans", `outcome="sent"`),
		missed:    of("kernel_missed"),
	}
}

// TestExactCountFresh makes 20,000 requests over a connection each.
func TestExactCountFresh(t *testing.T) {
	const n = 20_000
	s := nginx(t)
	c := trace(t, ports(s.port), "ring_buffer_size: 67108864")
	result := finish(t, startLoad(t, s, "-requests", strconv.Itoa(n), "-connections", "16", "-fresh", "-path", "/echo/*"))
	if result.Requests != n || result.Errors != 0 {
		t.Fatalf("%+v", result)
	}
	c.settleCount("/echo/", n)
	lost := c.losses()
	c.stop()
	got := c.count("/echo/")
	t.Logf("rows: client %d, server %d; %+v", got.client, got.server, lost)
	if got.wrong != 0 || got.unanswered != 0 {
		t.Errorf("%d rows with a wrong size such as %v, %d unanswered", got.wrong, got.firstWrong, got.unanswered)
	}
	explain(t, "client", n-got.client, lost)
	explain(t, "server", n-got.server, lost)
	if got.client > n || got.server > n {
		t.Error("more rows than requests")
	}
}

// TestCountWithTooSmallRing has a ring that cannot hold what comes. What is seen
// and what is lost must add up, and what is left must be right: after a loss a
// response must not be taken for the answer to another request.
func TestCountWithTooSmallRing(t *testing.T) {
	const n = 100_000
	s := nginx(t)
	c := trace(t, ports(s.port), "ring_buffer_size: 65536")
	load := startLoad(t, s, "-requests", strconv.Itoa(n), "-connections", "64", "-path", "/echo/*")
	result := finish(t, load)
	if result.Requests != n || result.Errors != 0 {
		t.Fatalf("%+v", result)
	}
	c.settleCount("/echo/", n)
	c.awaitEmpty()
	lost := c.losses()
	lines := strings.Join(c.ownMetrics(), "\n")
	c.stop()
	got := c.count("/echo/")
	t.Logf("rows: client %d, server %d, unanswered %d, wrong %d; %+v", got.client, got.server, got.unanswered, got.wrong, lost)
	if lost.events == 0 {
		t.Error("nothing was lost: the ring is not too small")
	}
	// Each request is four events: written, read, and the same for its answer.
	if all := lost.delivered + lost.events; all != 4*n {
		t.Errorf("%d events were handed over or lost, want %d\n%s", all, 4*n, lines)
	}
	// Each event that was handed over is half of a whole row, a row of its own that
	// lacks the other half, or counted as a message that makes no row.
	if told := 2*lost.complete + lost.halves + lost.frames + lost.unknown; told != lost.delivered {
		t.Errorf("%d events were handed over, %d are accounted for\n%s", lost.delivered, told, lines)
	}
	if got.client+got.server != lost.complete || got.unanswered != lost.halves {
		t.Errorf("rows: %d whole and %d not, the telemetry says %d and %d", got.client+got.server, got.unanswered, lost.complete, lost.halves)
	}
	if got.wrong != 0 {
		t.Errorf("%d rows have a size that is not their path's, such as %v", got.wrong, got.firstWrong)
	}
}

// loadOnce has the load client run to its end.
func loadOnce(t *testing.T, s *server, args ...string) loadResult {
	t.Helper()
	result := finish(t, startLoad(t, s, args...))
	if result.Errors != 0 {
		t.Fatalf("%+v", result)
	}
	return result
}

// idle starts a client that keeps connections open on which it made a request
// each, until close is called.
func idle(t *testing.T, s *server, connections int) (p *process, closeAll func()) {
	t.Helper()
	cmd := exec.Command(tools(t).peer, "idle", "-address", s.address(), "-path", "/tiny", "-connections", strconv.Itoa(connections))
	in := must(cmd.StdinPipe())
	p = start(t, cmd)
	p.awaitLine(fmt.Sprintf("idle %d", connections), startTimeout)
	return p, func() {
		in.Close()
		if err := p.wait(startTimeout); err != nil {
			t.Errorf("the idle client: %v\n%s", err, p.tail())
		}
	}
}
