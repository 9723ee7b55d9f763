// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/puck-otel/puck/test/spanfile"
)

func TestIPv6(t *testing.T) {
	s := goServerOn(t, "::1")
	c := trace(t, ports(s.port))
	curl(t, fmt.Sprintf("http://[::1]:%d/m/six", s.port))
	c.pair(t, "/m/six", attrs{status: 200, "server.address": "::1", "client.address": "::1", "network.peer.address": "::1", "server.port": s.port})
}

// TestMappedIPv4 has one end or both use an IPv6 socket for IPv4.
func TestMappedIPv4(t *testing.T) {
	s := goServerOn(t, "")
	c := trace(t, ports(s.port))
	// server.address is what the client's Host field says, mapped or not.
	want := attrs{status: 200, "client.address": "127.0.0.1", "network.peer.address": "127.0.0.1", "server.port": s.port}
	curl(t, fmt.Sprintf("http://127.0.0.1:%d/m/server-mapped", s.port))
	c.pair(t, "/m/server-mapped", want)
	curl(t, fmt.Sprintf("http://[::ffff:127.0.0.1]:%d/m/both-mapped", s.port))
	c.pair(t, "/m/both-mapped", want)
}

func TestUnixSockets(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "http.sock")
	s := start(t, exec.Command(tools(t).peer, "serve", "-network", "unix", "-listen", socket))
	s.awaitLine("listening on", startTimeout)
	ask := func(p string) { curl(t, "--unix-socket", socket, "http://localhost"+p) }
	const only = "include: {executables: [gopeer, curl]}"
	t.Run("on", func(t *testing.T) {
		c := trace(t, only, "unix_sockets: true")
		ask("/m/unix")
		client, server := c.pair(t, "/m/unix", attrs{method: "GET", status: 200, received: 2000, "network.transport": "unix"})
		if client.Exe != "curl" || server.PID != int64(s.pid()) {
			t.Errorf("made by %s and answered by process %d, want curl and %d", client.Exe, server.PID, s.pid())
		}
	})
	t.Run("off", func(t *testing.T) {
		c := trace(t, only)
		tcp := goServer(t)
		ask("/m/unix")
		curl(t, tcp.url("/m/tcp"))
		c.pair(t, "/m/tcp", attrs{status: 200})
		if of := filter(c.spans(), path("/m/unix")); len(of) != 0 {
			t.Errorf("traced although the option is off:\n%s", list(of))
		}
	})
}

// TestFilters has one kind of filter in each case, of which the first request
// must be seen on the sides named and the second not at all.
func TestFilters(t *testing.T) {
	seen, hidden := goServer(t), nginx(t)
	tests := map[string]struct {
		settings string
		sides    int // spans of the request to the server that is seen
	}{
		"include ports":       {ports(seen.port), 2},
		"exclude ports":       {fmt.Sprintf("exclude: {ports: [%d]}", hidden.port), 2},
		"include executables": {"include: {executables: [gopeer]}", 1},
		"exclude executables": {"exclude: {executables: [nginx, curl]}", 1},
		"servers":             {fmt.Sprintf("roles: [server]\nexclude: {ports: [%d]}", hidden.port), 1},
		"clients":             {fmt.Sprintf("roles: [client]\nexclude: {ports: [%d]}", hidden.port), 1},
		"sampling":            {"sampling: [{service: nginx, ratio: 0}, {service: curl, ratio: 0}]", 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := trace(t, tt.settings)
			curl(t, hidden.url("/m/hidden"))
			curl(t, seen.url("/m/seen"))
			c.awaitCount(tt.sides, path("/m/seen"))
			if of := filter(c.spans(), path("/m/hidden")); len(of) != 0 {
				t.Errorf("not left out:\n%s", list(of))
			}
		})
	}
}

// TestEverything traces with no filter, so it shares the machine's other traffic,
// and must leave out the collector's own.
func TestEverything(t *testing.T) {
	s := goServer(t)
	c := trace(t)
	curl(t, s.url("/m/everything"))
	c.pair(t, "/m/everything", attrs{status: 200})
	c.ownMetrics()
	c.awaitCount(1, func(s *spanfile.Span) bool {
		return s.Str("url.path") == "/metrics" && s.Int("server.port") == int64(c.metrics)
	})
	if of := filter(c.spans(), func(s *spanfile.Span) bool { return s.PID == int64(c.process.pid()) }); len(of) != 0 {
		t.Errorf("the collector traces itself:\n%s", list(of))
	}
}
