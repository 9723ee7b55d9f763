// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// loadResult is what gopeer load prints.
type loadResult struct {
	Requests, Errors, Sent, Received int64
	First                            string
}

// startLoad starts gopeer's load client.
func startLoad(t *testing.T, s *server, args ...string) *process {
	t.Helper()
	return start(t, exec.Command(tools(t).peer, append([]string{"load", "-address", s.address()}, args...)...))
}

// finish waits for the load client's end and returns what it counted.
func finish(t *testing.T, load *process) loadResult {
	t.Helper()
	if err := load.wait(5 * time.Minute); err != nil {
		t.Fatalf("load: %v\n%s", err, load.tail())
	}
	var result loadResult
	if err := json.Unmarshal([]byte(load.output()), &result); err != nil {
		t.Fatalf("load printed %q: %v", load.output(), err)
	}
	return result
}

// TestOlderConnection traces connections from their next request on that were
// open before the collector was there.
func TestOlderConnection(t *testing.T) {
	for name, s := range map[string]*server{"go": goServer(t), "nginx": nginx(t)} {
		t.Run(name, func(t *testing.T) {
			transport := &http.Transport{}
			defer transport.CloseIdleConnections()
			ask := func(p string) {
				resp, err := transport.RoundTrip(must(http.NewRequestWithContext(t.Context(), "GET", s.url(p), nil)))
				if err != nil {
					t.Fatal(err)
				}
				drainBody(t, resp)
			}
			ask("/m/before")
			c := trace(t, ports(s.port))
			ask("/m/first")
			ask("/m/second")
			c.pair(t, "/m/first", attrs{status: 200, received: 2000, "server.port": s.port})
			c.pair(t, "/m/second", attrs{status: 200, received: 2000, "server.port": s.port})
			if of := filter(c.spans(), path("/m/before")); len(of) != 0 {
				t.Errorf("a request from before became spans:\n%s", list(of))
			}
		})
	}
}

// TestRestartsUnderLoad stops and starts the collector five times, once by
// SIGKILL, while a client works.
func TestRestartsUnderLoad(t *testing.T) {
	s := nginx(t)
	load := startLoad(t, s, "-requests", "20000", "-connections", "32", "-rate", "1000", "-path", "/m/load")
	for i := range 5 {
		c := trace(t, ports(s.port))
		time.Sleep(500 * time.Millisecond)
		if load.ended() {
			t.Fatalf("the load ended before start %d: %s", i, load.tail())
		}
		if i == 2 {
			held := heldObjects(t, c.process.pid())
			// Its error is that it was killed.
			_ = c.process.end(syscall.SIGKILL, startTimeout)
			held.awaitGone(t)
		} else {
			c.stop()
		}
		if of := c.spans(); len(of) == 0 {
			t.Errorf("start %d: no spans", i)
		}
	}
	result := finish(t, load)
	if result.Errors != 0 || result.Requests != 20000 {
		t.Errorf("the client's requests suffered: %+v", result)
	}
	if pids := children(t, s.pid()); len(pids) != 1 || s.ended() {
		t.Errorf("the server suffered: workers %v", pids)
	}
}

// TestStartsAndSaysWhatItLacks runs the collector without rights.
func TestStartsAndSaysWhatItLacks(t *testing.T) {
	setpriv := program(t, "setpriv", "util-linux")
	c := &collector{t: t, dir: t.TempDir(), metrics: freePort(t)}
	config := c.dir + "/config.yaml"
	write(t, config, fmt.Sprintf(configTemplate, "", c.dir, c.metrics))
	p := start(t, exec.Command(setpriv, "--bounding-set=-all", "--inh-caps=-all", "--", tools(t).collector, "--config", config))
	if err := p.wait(startTimeout); err == nil {
		t.Error("it ended without an error")
	}
	for _, want := range []string{"CAP_BPF", "CAP_PERFMON"} {
		if !strings.Contains(p.output(), want) {
			t.Errorf("it does not name %s:\n%s", want, p.tail())
		}
	}
}
