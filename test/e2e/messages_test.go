// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/puck-otel/puck/test/spanfile"
)

// attrs are attributes that both spans of a request must have. A number is
// compared as a number, "-" stands for an attribute that must be missing.
type attrs map[string]any

// pair returns the client's and the server's span of a path, once both are there,
// and compares them with want.
func (c *collector) pair(t *testing.T, p string, want attrs) (client, server *spanfile.Span) {
	t.Helper()
	spans := c.awaitCount(2, path(p))
	client, server = spans[0], spans[1]
	if client.Kind != ptrace.SpanKindClient {
		client, server = server, client
	}
	if client.Kind != ptrace.SpanKindClient || server.Kind != ptrace.SpanKindServer {
		t.Errorf("%s: spans of the kinds %s and %s", p, client.Kind, server.Kind)
	}
	for _, s := range spans {
		compare(t, s, want)
	}
	if client.Start > server.Start || client.End < server.End {
		t.Errorf("%s: the client's span does not enclose the server's: it begins %d ns before and ends %d ns after",
			p, server.Start-client.Start, client.End-server.End)
	}
	return client, server
}

func compare(t *testing.T, s *spanfile.Span, want attrs) {
	t.Helper()
	for key, value := range want {
		var bad bool
		switch v := value.(type) {
		case int:
			bad = s.Int(key) != int64(v)
		case string:
			bad = s.Str(key) != strings.TrimPrefix(v, "-")
		}
		if bad {
			t.Errorf("%s is %q, want %v: %s", key, s.Str(key), value, s)
		}
	}
}

const (
	method   = "http.request.method"
	status   = "http.response.status_code"
	sent     = "http.request.body.size"
	received = "http.response.body.size"
	version  = "network.protocol.version"
)

// curl runs curl without output of the body and returns what -w asks for.
func curl(t *testing.T, args ...string) string {
	t.Helper()
	return run(t, program(t, "curl", "curl"), append([]string{"-s", "-S", "-o", "/dev/null", "--max-time", "60"}, args...)...)
}

func TestMethods(t *testing.T) {
	s := goServer(t)
	c := trace(t, ports(s.port))
	methods := []string{"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "QUERY", "M-SEARCH", "PUCKIFY"}
	for _, m := range methods {
		curl(t, "-X", m, s.url("/m/method/"+m))
	}
	curl(t, "--head", s.url("/m/method/HEAD"))
	for _, m := range methods {
		want := attrs{method: m, status: 200, received: 2000}
		switch m {
		case "PROPFIND", "M-SEARCH", "PUCKIFY":
			// Only the methods that the semantic conventions list keep their name.
			want[method], want["http.request.method_original"] = "_OTHER", m
		}
		c.pair(t, "/m/method/"+m, want)
	}
	c.pair(t, "/m/method/HEAD", attrs{method: "HEAD", status: 200, received: "-"})
}

func TestStatuses(t *testing.T) {
	s := goServer(t)
	c := trace(t, ports(s.port))
	// One connection for all, so that an answer without a body that was taken for
	// one with a body would hide those after it.
	codes := []int{204, 304, 200, 404, 204, 500, 304, 418, 503}
	var args []string
	for i, code := range codes {
		if i > 0 {
			args = append(args, "--next")
		}
		args = append(args, "-s", s.url(fmt.Sprintf("/status/%d?n=%d", code, i)), "-o", "/dev/null")
	}
	run(t, program(t, "curl", "curl"), args...)
	spans := c.awaitCount(2*len(codes), func(s *spanfile.Span) bool { return strings.HasPrefix(s.Str("url.path"), "/status/") })
	for _, kind := range []ptrace.SpanKind{ptrace.SpanKindClient, ptrace.SpanKindServer} {
		of := filter(spans, func(s *spanfile.Span) bool { return s.Kind == kind })
		if len(of) != len(codes) {
			t.Errorf("%d %s spans, want %d", len(of), kind, len(codes))
			continue
		}
		for i, code := range codes {
			want := ptrace.StatusCodeUnset
			if code >= 500 || code >= 400 && kind == ptrace.SpanKindClient {
				want = ptrace.StatusCodeError
			}
			if got := of[i]; got.Int(status) != int64(code) || got.Status != want {
				t.Errorf("%s span %d: status %d, %s; want %d, %s", kind, i, got.Int(status), got.Status, code, want)
			}
		}
	}
}

func TestExpectContinue(t *testing.T) {
	s := goServer(t)
	c := trace(t, ports(s.port))
	body := filepath.Join(t.TempDir(), "body")
	if err := os.WriteFile(body, make([]byte, 300_000), 0o600); err != nil {
		t.Fatal(err)
	}
	curl(t, "-H", "Expect: 100-continue", "--data-binary", "@"+body, s.url("/upload/continue"))
	curl(t, s.url("/hints"))
	c.pair(t, "/upload/continue", attrs{method: "POST", status: 200, sent: 300_000})
	client, server := c.pair(t, "/hints", attrs{status: 200, received: 2000})
	for _, s := range []*spanfile.Span{client, server} {
		if took := time.Duration(s.End - s.Start); took < 50*time.Millisecond {
			t.Errorf("%s span takes %v: it ends at the 103, not at the 200", s.Kind, took)
		}
	}
}

func TestDuration(t *testing.T) {
	s := goServer(t)
	c := trace(t, ports(s.port))
	begin := time.Now()
	curl(t, s.url("/slow/300"))
	whole := time.Since(begin)
	client, server := c.pair(t, "/slow/300", attrs{status: 200, received: 2000})
	for _, s := range []*spanfile.Span{client, server} {
		took := time.Duration(s.End - s.Start)
		if took < 300*time.Millisecond || took > whole {
			t.Errorf("%s span takes %v, the request took 300ms of %v", s.Kind, took, whole)
		}
		if s.Start < begin.UnixNano() || s.End > begin.Add(whole).UnixNano() {
			t.Errorf("%s span lies outside of the time in which curl ran", s.Kind)
		}
	}
}

func TestChunkedBothWaysWithTrailers(t *testing.T) {
	s := goServer(t)
	c := trace(t, ports(s.port))
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	for i := range 3 {
		r, w := io.Pipe()
		req, err := http.NewRequestWithContext(t.Context(), "POST", s.url(fmt.Sprintf("/chunked/%d", 5+i)), r)
		if err != nil {
			t.Fatal(err)
		}
		req.Trailer = http.Header{"X-Sum": nil}
		go func() {
			for range 7 {
				// The transport takes all of it: the server reads to the end.
				_, _ = w.Write(make([]byte, 1000))
			}
			req.Trailer.Set("X-Sum", "abc")
			w.Close()
		}()
		resp, err := transport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if want := "7000 map[X-Sum:[abc]]"; err != nil || n != int64(500+100*i) || resp.Trailer.Get("X-Got") != want {
			t.Fatalf("%d bytes, trailer %q, error %v", n, resp.Trailer.Get("X-Got"), err)
		}
	}
	for i := range 3 {
		c.pair(t, fmt.Sprintf("/chunked/%d", 5+i), attrs{status: 200, sent: 7000, received: 500 + 100*i})
	}
}

func TestPipelined(t *testing.T) {
	for name, s := range map[string]*server{"nginx": nginx(t), "go": goServer(t)} {
		t.Run(name, func(t *testing.T) {
			c := trace(t, ports(s.port))
			conn := dial(t, "tcp", s.address())
			const n = 50
			var requests bytes.Buffer
			for i := range n {
				fmt.Fprintf(&requests, "GET /m/pipelined/%d HTTP/1.1\r\nHost: a\r\n\r\n", i)
			}
			if _, err := conn.Write(requests.Bytes()); err != nil {
				t.Fatal(err)
			}
			readResponses(t, conn, n)
			for i := range n {
				c.pair(t, fmt.Sprintf("/m/pipelined/%d", i), attrs{status: 200, received: 2000})
			}
		})
	}
}

func dial(t *testing.T, network, address string) net.Conn {
	t.Helper()
	conn, err := net.DialTimeout(network, address, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// readResponses reads n responses in order, and returns the size of all bodies.
func readResponses(t *testing.T, conn net.Conn, n int) int64 {
	t.Helper()
	r := bufio.NewReader(conn)
	var size int64
	for i := range n {
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatalf("response %d: %v", i, err)
		}
		m, err := io.Copy(io.Discard, resp.Body)
		if err != nil || resp.StatusCode != 200 {
			t.Fatalf("response %d: %s, error %v", i, resp.Status, err)
		}
		size += m
	}
	return size
}

func TestHTTP10(t *testing.T) {
	s := pythonServer(t, "HTTP/1.0")
	c := trace(t, ports(s.port))
	curl(t, "--http1.0", s.url("/m/old"))
	c.pair(t, "/m/old", attrs{status: 200, received: 2000, version: "1.0"})
}

func TestGzip(t *testing.T) {
	s := nginx(t)
	c := trace(t, ports(s.port))
	size, err := strconv.Atoi(curl(t, "-H", "Accept-Encoding: gzip", "-w", "%{size_download}", s.url("/text/zipped")))
	if err != nil || size == 0 || size >= 5000 {
		t.Fatalf("nginx sent %d bytes of 5000, error %v: not compressed", size, err)
	}
	c.pair(t, "/text/zipped", attrs{status: 200, received: size})
}

func TestUpgrade(t *testing.T) {
	s := goServer(t)
	c := trace(t, ports(s.port))
	conn := dial(t, "tcp", s.address())
	if _, err := io.WriteString(conn, "GET /upgrade HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(conn)
	if line, err := r.ReadString('\n'); err != nil || !strings.HasPrefix(line, "HTTP/1.1 101 ") {
		t.Fatalf("%q, error %v", line, err)
	}
	// What follows looks like HTTP but is not.
	const text = "GET /after-upgrade HTTP/1.1\r\nHost: a\r\n\r\n"
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	for line := ""; line != "GET /after-upgrade HTTP/1.1\r\n"; {
		var err error
		if line, err = r.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	conn.Close()
	c.pair(t, "/upgrade", attrs{status: 101})
	if of := filter(c.spans(), path("/after-upgrade")); len(of) != 0 {
		t.Errorf("bytes of another protocol became spans:\n%s", list(of))
	}
}

func TestTraceparent(t *testing.T) {
	s := goServer(t)
	c := trace(t, ports(s.port))
	const traceID, parentID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
	curl(t, "-H", "traceparent: 00-"+traceID+"-"+parentID+"-01", s.url("/m/traced"))
	curl(t, "-H", "traceparent: 00-"+strings.Repeat("0", 32)+"-"+parentID+"-01", s.url("/m/invalid"))
	client, server := c.pair(t, "/m/traced", attrs{status: 200})
	for _, s := range []*spanfile.Span{client, server} {
		if s.TraceID != traceID || s.ParentID != parentID {
			t.Errorf("%s span: trace %s, parent %s; the request says %s, %s", s.Kind, s.TraceID, s.ParentID, traceID, parentID)
		}
	}
	client, server = c.pair(t, "/m/invalid", attrs{status: 200})
	for _, s := range []*spanfile.Span{client, server} {
		if s.TraceID == strings.Repeat("0", 32) || s.TraceID == "" || s.ParentID != "" {
			t.Errorf("%s span: trace %q, parent %q of an invalid traceparent", s.Kind, s.TraceID, s.ParentID)
		}
	}
}
