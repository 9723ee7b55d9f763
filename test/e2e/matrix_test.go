// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"

	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/puck-otel/puck/test/spanfile"
)

// request is one that a client makes in the matrix.
type request struct {
	server *server
	client string
	exe    string // the client's executable
	method string
	path   string
	sent   int // bytes of the body
}

// clients are how each client makes a number of requests of one server.
func clients() map[string]struct {
	exe string
	ask func(*testing.T, []request)
} {
	type client = struct {
		exe string
		ask func(*testing.T, []request)
	}
	script := func(interpreter, pkg, file string) func(*testing.T, []request) {
		return func(t *testing.T, requests []request) {
			args := []string{testdata(t, file)}
			for _, r := range requests {
				args = append(args, r.method, r.server.url(r.path), strconv.Itoa(r.sent))
			}
			checkAnswers(t, run(t, program(t, interpreter, pkg), args...), len(requests))
		}
	}
	return map[string]client{
		"curl":   {"curl", askCurl},
		"go":     {"e2e.test", askGo},
		"python": {"python", script("python3", "python3-requests", "client.py")},
		"node":   {"node", script("node", "nodejs", "client.js")},
	}
}

// checkAnswers reads lines of status and size.
func checkAnswers(t *testing.T, out string, n int) {
	t.Helper()
	if want := strings.Repeat("200 2000\n", n); out != want {
		t.Fatalf("the client got %q, want %q", out, want)
	}
}

func askCurl(t *testing.T, requests []request) {
	var args []string
	for i, r := range requests {
		if i > 0 {
			args = append(args, "--next")
		}
		args = append(args, "-s", "-o", "/dev/null", "-w", "%{http_code} %{size_download}\n", "-X", r.method, r.server.url(r.path))
		if r.sent > 0 {
			args = append(args, "--data-binary", strings.Repeat("b", r.sent))
		}
	}
	checkAnswers(t, run(t, program(t, "curl", "curl"), args...), len(requests))
}

func askGo(t *testing.T, requests []request) {
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := http.Client{Transport: transport}
	for _, r := range requests {
		req, err := http.NewRequestWithContext(t.Context(), r.method, r.server.url(r.path), bytes.NewReader(bytes.Repeat([]byte("b"), r.sent)))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if err != nil || n != 2000 || resp.StatusCode != 200 {
			t.Fatalf("%s: %s, %d bytes, error %v", r.path, resp.Status, n, err)
		}
	}
}

func TestServersAndClients(t *testing.T) {
	behind := nginx(t)
	servers := []*server{
		behind, haproxy(t, behind), apache(t), pythonServer(t, "HTTP/1.0"), pythonServer(t, "HTTP/1.1"),
		nodeServer(t), javaServer(t), goServer(t),
	}
	var numbers []int
	for _, s := range servers {
		numbers = append(numbers, s.port)
	}
	c := trace(t, ports(numbers...))
	var made []request
	for name, client := range clients() {
		for _, s := range servers {
			var requests []request
			for i := range 3 {
				r := request{server: s, client: name, exe: client.exe, method: "GET", path: fmt.Sprintf("/m/%s/%s/%d", s.name, name, i)}
				if i == 1 && s.posts {
					r.method, r.sent = "POST", 3000
				}
				requests = append(requests, r)
			}
			client.ask(t, requests)
			made = append(made, requests...)
		}
	}
	// Each request has two spans, and two more where haproxy forwards it.
	spans := c.settle(2*len(made) + 2*3*len(clients()))
	for _, r := range made {
		t.Run(strings.TrimPrefix(r.path, "/m/"), func(t *testing.T) { checkRequest(t, spans, r) })
	}
}

// checkRequest looks for the request's two spans and compares them with what was
// sent and with each other.
func checkRequest(t *testing.T, spans []*spanfile.Span, r request) {
	t.Helper()
	of := filter(spans, func(s *spanfile.Span) bool {
		return s.Str("url.path") == r.path && serverSocket(s) == int64(r.server.port)
	})
	if len(of) != 2 || of[0].Kind == of[1].Kind {
		t.Fatalf("%d spans, want the client's and the server's:\n%s", len(of), list(of))
	}
	client, server := of[0], of[1]
	if client.Kind != ptrace.SpanKindClient {
		client, server = server, client
	}
	for _, s := range []*spanfile.Span{client, server} {
		checkExchange(t, s, r)
	}
	if !strings.HasPrefix(client.Exe, r.exe) || !strings.HasPrefix(server.Exe, r.server.exe) {
		t.Errorf("made by %s and answered by %s, want %s and %s", client.Exe, server.Exe, r.exe, r.server.exe)
	}
	if r.client == "go" && client.PID != int64(os.Getpid()) {
		t.Errorf("the client's process is %d, want %d", client.PID, os.Getpid())
	}
	if r.server.name != "nginx" && r.server.name != "apache" && server.PID != int64(r.server.pid()) {
		t.Errorf("the server's process is %d, want %d", server.PID, r.server.pid())
	}
	if client.Start > server.Start || client.End < server.End {
		t.Errorf("the client's span does not enclose the server's: it begins %d ns before and ends %d ns after",
			server.Start-client.Start, client.End-server.End)
	}
	for _, key := range []string{"client.address", "client.port", "server.address", "server.port"} {
		if client.Str(key) != server.Str(key) || client.Str(key) == "" {
			t.Errorf("%s is %q on the client's span and %q on the server's", key, client.Str(key), server.Str(key))
		}
	}
	if t.Failed() {
		t.Logf("spans:\n%s", list(of))
	}
}

// serverSocket returns the port of the server's end of the connection. server.port is
// what the Host field says, which a proxy hands on.
func serverSocket(s *spanfile.Span) int64 {
	if s.Kind == ptrace.SpanKindClient {
		return s.Int("network.peer.port")
	}
	if port := s.Int("network.local.port"); port >= 0 {
		return port
	}
	return s.Int("server.port")
}

// checkExchange compares one of the spans with the request.
func checkExchange(t *testing.T, s *spanfile.Span, r request) {
	t.Helper()
	texts := map[string]string{
		"http.request.method": r.method, "server.address": "127.0.0.1", "client.address": "127.0.0.1",
		"network.peer.address": "127.0.0.1",
	}
	if r.server.name != "haproxy" && r.server.name != "python-1.0" {
		texts["network.protocol.version"] = "1.1"
	}
	for key, want := range texts {
		if got := s.Str(key); got != want {
			t.Errorf("%s span: %s is %q, want %q", s.Kind, key, got, want)
		}
	}
	numbers := map[string]int64{
		"http.response.status_code": 200, "http.response.body.size": 2000, "server.port": int64(r.server.port),
	}
	if r.sent > 0 {
		numbers["http.request.body.size"] = int64(r.sent)
	}
	for key, want := range numbers {
		if got := s.Int(key); got != want {
			t.Errorf("%s span: %s is %d, want %d", s.Kind, key, got, want)
		}
	}
	if peer, own := s.Int("network.peer.port"), s.Int("server.port"); (s.Kind == ptrace.SpanKindClient) != (peer == own) {
		t.Errorf("%s span: network.peer.port is %d, server.port %d", s.Kind, peer, own)
	}
	if s.End <= s.Start {
		t.Errorf("%s span: takes %d ns", s.Kind, s.End-s.Start)
	}
	if s.Service == "" {
		t.Errorf("%s span: no service.name", s.Kind)
	}
}
