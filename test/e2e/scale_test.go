// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// residentLimit is the most memory in MiB that the collector may have in these
// tests, well below the 400 that it may have with config/local.yaml.
const residentLimit = 256

// resident returns the memory of a process in MiB.
func resident(t *testing.T, pid int) float64 {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(raw), "VmRSS:")
	kib, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
	if err != nil {
		t.Fatal(err)
	}
	return kib / 1024
}

// awaitEmpty waits until neither the kernel's map nor the receiver holds a
// connection of the tests' traffic. Connections that the configuration leaves out
// are in the map as well, marked as such.
func (c *collector) awaitEmpty() {
	c.t.Helper()
	err := poll(90*time.Second, func() error { // The receiver looks for what ended unseen every 10 s, and at all every minute.
		held, mapped := c.metric("protocol_trace_open_connections"), c.tracedConnections()
		if held != 0 || mapped != 0 {
			return fmt.Errorf("the receiver holds %.0f connections, the map %d", held, mapped)
		}
		return nil
	})
	if err != nil {
		c.t.Errorf("%v\n%s", err, strings.Join(c.ownMetrics(), "\n"))
	}
}

// TestManyConnections has 10,000 idle connections beside 500 busy ones.
func TestManyConnections(t *testing.T) {
	s := nginx(t)
	c := trace(t, ports(s.port))
	empty := resident(t, c.process.pid())
	client, closeAll := idle(t, s, 10_000)
	opened := resident(t, c.process.pid())
	result := loadOnce(t, s, "-requests", "100000", "-connections", "500", "-path", "/tiny")
	busy := resident(t, c.process.pid())
	if n := c.metric("protocol_trace_open_connections"); n < 20_000 {
		t.Errorf("the receiver holds %.0f connections, want both ends of 10,000", n)
	}
	closeAll()
	if client.err != nil {
		t.Error(client.err)
	}
	c.awaitEmpty()
	t.Logf("%d requests; resident: %.0f MiB at first, %.0f with 10,000 idle connections, %.0f under load, %.0f after all were closed",
		result.Requests, empty, opened, busy, resident(t, c.process.pid()))
	if most := max(opened, busy); most > residentLimit {
		t.Errorf("resident memory reached %.0f MiB, the limit is %d", most, residentLimit)
	}
}

// TestConnectionsComeAndGo opens and closes 100,000 connections.
func TestConnectionsComeAndGo(t *testing.T) {
	s := nginx(t)
	c := trace(t, ports(s.port))
	loadOnce(t, s, "-requests", "20000", "-connections", "32", "-fresh", "-path", "/tiny")
	warm := resident(t, c.process.pid())
	loadOnce(t, s, "-requests", "80000", "-connections", "32", "-fresh", "-path", "/tiny")
	c.awaitEmpty()
	after := resident(t, c.process.pid())
	t.Logf("resident: %.0f MiB after 20,000 connections, %.0f after 100,000", warm, after)
	if after > warm+32 {
		t.Errorf("resident memory went from %.0f to %.0f MiB: something is kept of closed connections", warm, after)
	}
}

// deadBackend has an exporter of which nobody takes anything, with a queue that soon
// is full. The folder is not used.
const deadBackend = `
receivers:
  protocol_trace:
%s
processors:
  memory_limiter: {check_interval: 200ms, limit_mib: 180, spike_limit_mib: 36}
exporters:
  otlp_grpc: {endpoint: 127.0.0.1:1, tls: {insecure: true}, sending_queue: {sizer: items, queue_size: 100000}}
# %[2]s
service:
  telemetry:
    logs: {encoding: console}
    metrics: {readers: [{pull: {exporter: {prometheus: {host: 127.0.0.1, port: %[3]d, without_type_suffix: true, without_units: true, without_scope_info: true}}}}]}
  pipelines:
    traces: {receivers: [protocol_trace], processors: [memory_limiter], exporters: [otlp_grpc]}
`

// TestDeadBackend has the collector's heap stay below the memory_limiter's limit when
// its backend is gone, and each span that it could not keep counted. The program
// itself and the ring take up to 120 MiB beside the heap.
func TestDeadBackend(t *testing.T) {
	const n, limit = 200_000, 180 + 120
	s := nginx(t)
	c := traceWith(t, deadBackend, []string{"GOMEMLIMIT=160MiB"}, ports(s.port))
	loadOnce(t, s, "-requests", strconv.Itoa(n), "-connections", "64", "-path", "/tiny")
	err := poll(rowTimeout, func() error {
		lost := c.metric("protocol_trace_kernel_events", `outcome="ring_full"`)
		if spans := c.metric("protocol_trace_spans"); spans+lost < 2*n {
			return fmt.Errorf("%.0f spans were sent or counted as lost, and %.0f events, want %d", spans, lost, 2*n)
		}
		return nil
	})
	if err != nil {
		t.Errorf("%v\n%s", err, strings.Join(c.ownMetrics(), "\n"))
	}
	if c.metric("protocol_trace_spans", `outcome="refused"`) == 0 {
		t.Error("no span was refused: the queue is not full")
	}
	if mib := resident(t, c.process.pid()); mib > limit {
		t.Errorf("%.0f MiB are resident, the limit is %d", mib, limit)
	}
}

// TestKilledProcesses kills a server and its client in the middle of their work.
func TestKilledProcesses(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			c := trace(t, "include: {executables: [gopeer]}", "unix_sockets: true")
			for i := range 4 {
				listen := filepath.Join(t.TempDir(), "http.sock")
				if network == "tcp" {
					listen = fmt.Sprintf("127.0.0.1:%d", freePort(t))
				}
				killBoth(t, network, listen, i%2 == 0)
			}
			if of := c.spans(); len(of) == 0 {
				t.Error("nothing was traced")
			}
			c.awaitEmpty()
		})
	}
}

// killBoth starts a server and its load, and kills both under way.
func killBoth(t *testing.T, network, listen string, serverFirst bool) {
	t.Helper()
	server := start(t, exec.Command(tools(t).peer, "serve", "-listen", listen, "-network", network))
	server.awaitLine("listening on", startTimeout)
	load := start(t, exec.Command(tools(t).peer, "load", "-address", listen, "-network", network, "-requests", "1000000", "-connections", "50"))
	time.Sleep(300 * time.Millisecond)
	if load.ended() {
		t.Fatalf("the load ended early: %s", load.tail())
	}
	victims := []*process{load, server}
	if serverFirst {
		victims = []*process{server, load}
	}
	for _, p := range victims {
		// Its error is that it was killed.
		_ = p.end(syscall.SIGKILL, startTimeout)
	}
}
