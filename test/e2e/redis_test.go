// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/puck-otel/puck/test/spanfile"
)

// redisServer starts a Redis server that stores nothing.
func redisServer(t *testing.T) *server {
	t.Helper()
	port := freePort(t)
	return launch(t, server{name: "redis", port: port, exe: "redis-server"},
		exec.Command(program(t, "redis-server", "redis-server"), "--port", strconv.Itoa(port), "--bind", "127.0.0.1",
			"--save", "", "--appendonly", "no", "--dir", t.TempDir()))
}

// commands counts the spans of a side by their names.
func commands(spans []*spanfile.Span, kind ptrace.SpanKind) map[string]int {
	n := map[string]int{}
	for _, s := range spans {
		if s.Kind == kind {
			n[s.Name]++
		}
	}
	return n
}

// awaitCommands returns the spans once both sides have as many of each name as wanted.
func (c *collector) awaitCommands(want map[string]int) []*spanfile.Span {
	c.t.Helper()
	return c.await(func(spans []*spanfile.Span) error {
		for _, kind := range []ptrace.SpanKind{ptrace.SpanKindClient, ptrace.SpanKindServer} {
			got := commands(spans, kind)
			for name, n := range want {
				if got[name] != n {
					return fmt.Errorf("%s: %d spans of %s, want %d: %v", kind, got[name], name, n, got)
				}
			}
		}
		return nil
	})
}

func TestRedisCLI(t *testing.T) {
	s := redisServer(t)
	cli := program(t, "redis-cli", "redis-tools")
	c := trace(t, ports(s.port))
	call := func(args ...string) { run(t, cli, append([]string{"-p", strconv.Itoa(s.port)}, args...)...) }
	call("set", "k", "secret")
	call("-n", "5", "get", "k")
	call("config", "get", "maxmemory")
	call("-3", "hgetall", "h")
	call("lpush", "k", "secret")
	want := map[string]int{"SET": 1, "GET": 1, "CONFIG GET": 1, "HGETALL": 1, "LPUSH": 1, "SELECT": 1, "HELLO": 1}
	spans := c.awaitCommands(want)
	for _, span := range spans {
		compare(t, span, attrs{"db.system.name": "redis", "db.operation.name": span.Name, "server.address": "127.0.0.1",
			"server.port": s.port, "network.protocol.name": "redis", "network.transport": "tcp"})
		if strings.Contains(span.String(), "secret") {
			t.Errorf("a value leaves: %s", span)
		}
		if span.Kind == ptrace.SpanKindServer && span.Service != "redis-server" {
			t.Errorf("the server's name: %s", span)
		}
		switch span.Name {
		case "SET":
			compare(t, span, attrs{"db.query.text": "SET ? ?", "error.type": "-"})
		case "GET":
			compare(t, span, attrs{"db.query.text": "GET ?", "db.namespace": "5"})
		case "HGETALL":
			compare(t, span, attrs{"network.protocol.version": "3"})
		case "LPUSH":
			compare(t, span, attrs{"error.type": "WRONGTYPE", "db.response.status_code": "WRONGTYPE"})
			if span.Status != ptrace.StatusCodeError {
				t.Errorf("LPUSH did not fail: %s", span)
			}
		}
	}
}

// redisRows counts the spans of a command, and those without a reply.
func (c *collector) redisRows(name string) (client, server, incomplete int) {
	c.t.Helper()
	err := spanfile.EachSpan(filepath.Join(c.dir, "traces"), func(s *spanfile.Span) {
		if s.Name != name {
			return
		}
		if s.Kind == ptrace.SpanKindClient {
			client++
		} else {
			server++
		}
		if s.Str("redis_events.truncated") != "" || s.Str("error.type") != "" {
			incomplete++
		}
	})
	if err != nil {
		c.t.Fatal(err)
	}
	return client, server, incomplete
}

// TestRedisExactCount has redis-benchmark send pipelines of 16, and compares the rows
// with its operations.
func TestRedisExactCount(t *testing.T) {
	const n = 200_000
	s := redisServer(t)
	c := trace(t, ports(s.port), "ring_buffer_size: 67108864")
	begin := time.Now()
	run(t, program(t, "redis-benchmark", "redis-tools"), "-p", strconv.Itoa(s.port), "-n", strconv.Itoa(n), "-P", "16", "-c", "20", "-t", "set,get", "-q")
	took := time.Since(begin)
	for _, name := range []string{"SET", "GET"} {
		last := -1
		for client, server := 0, 0; (client < n || server < n) && last != client+server; time.Sleep(2 * time.Second) {
			last = client + server
			client, server, _ = c.redisRows(name)
		}
	}
	lost := c.losses()
	c.stop()
	for _, name := range []string{"SET", "GET"} {
		client, server, incomplete := c.redisRows(name)
		t.Logf("%s: %d operations in %v; rows: client %d, server %d, incomplete %d; losses %+v", name, n, took.Round(time.Millisecond), client, server, incomplete, lost)
		if client > n || server > n {
			t.Errorf("%s: more rows than operations", name)
		}
		// A lost event holds a pipeline.
		if missing := 2*n - client - server; missing > 16*lost.events {
			t.Errorf("%s: %d rows are missing, but only %d events were lost", name, missing, lost.events)
		}
		if lost.events == 0 && incomplete > 0 {
			t.Errorf("%s: %d rows have no reply, though nothing was lost", name, incomplete)
		}
	}
}

func TestRedisPython(t *testing.T) {
	s := redisServer(t)
	c := trace(t, ports(s.port))
	run(t, program(t, "python3", "python3"), testdata(t, "redis_client.py"), strconv.Itoa(s.port))
	spans := c.awaitCommands(map[string]int{
		"SET": 3, "GET": 2, "CONFIG GET": 1, "LPUSH": 51, "MULTI": 1, "EXEC": 1, "INCRBY": 1, "RPUSH": 50, "LRANGE": 1,
		"SUBSCRIBE": 1, "PUBLISH": 1, "PUSH PUB": 1, "UNSUBSCRIBE": 1,
	})
	for _, span := range spans {
		if span.Name == "GET" || span.Name == "RPUSH" || span.Name == "LRANGE" {
			compare(t, span, attrs{"db.namespace": "3", "error.type": "-", "redis_events.truncated": "-"})
		}
	}
}

func TestRedisGo(t *testing.T) {
	s := redisServer(t)
	c := trace(t, ports(s.port))
	run(t, tools(t).peer, "redis", "-address", s.address(), "-pipeline", "100")
	spans := c.awaitCommands(map[string]int{
		"SET": 1, "LPUSH": 1, "HSET": 1, "HGETALL": 1, "INCR": 100, "MULTI": 1, "GET": 1, "DEL": 1, "EXEC": 1,
		"SUBSCRIBE": 1, "PUBLISH": 2, "PUSH PUB": 2,
	})
	for _, span := range spans {
		if span.Name == "INCR" || span.Name == "HGETALL" {
			compare(t, span, attrs{"network.protocol.version": "3", "db.namespace": "2", "error.type": "-", "redis_events.truncated": "-"})
		}
	}
}
