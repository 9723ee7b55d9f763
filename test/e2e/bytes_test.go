// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/puck-otel/puck/test/spanfile"
)

// TestLargeBodies moves 50 MB each way. What is copied of it is what passes until
// the collector has read the head and has the kernel side skip the rest.
func TestLargeBodies(t *testing.T) {
	const size = 50_000_000
	s := goServer(t)
	web := nginx(t)
	body := filepath.Join(t.TempDir(), "body")
	if err := os.WriteFile(body, make([]byte, size), 0o600); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(nginxRoot(t, web), "big"), strings.Repeat("b", size))
	c := trace(t, ports(s.port, web.port))
	got := curl(t, "-w", "%{size_download}", s.url(fmt.Sprintf("/download/%d", size)))
	if got != fmt.Sprint(size) {
		t.Fatalf("curl got %s bytes", got)
	}
	// -H 'Expect:' has curl send the body at once.
	curl(t, "-H", "Expect:", "--data-binary", "@"+body, s.url("/upload/large"))
	curl(t, web.url("/big"))
	c.pair(t, fmt.Sprintf("/download/%d", size), attrs{status: 200, received: size})
	c.pair(t, "/upload/large", attrs{status: 200, sent: size})
	c.pair(t, "/big", attrs{status: 200, received: size})
	moved := c.metric("protocol_trace_kernel_bytes")
	copied := c.metric("protocol_trace_kernel_bytes", `outcome="copied"`)
	calls := c.metric("protocol_trace_kernel_events")
	t.Logf("copied %.0f of %.0f bytes in %.0f calls", copied, moved, calls)
	if copied == 0 || copied > 4096*calls || copied > moved/10 {
		t.Errorf("%.0f bytes of %.0f were copied in %.0f calls: want at most 4096 of each and a tenth of all", copied, moved, calls)
	}
	if skipped := c.metric("protocol_trace_kernel_bytes", `outcome="skipped"`); skipped < moved/2 {
		t.Errorf("%.0f bytes of %.0f were skipped, want most", skipped, moved)
	}
}

// TestSplicedBody has haproxy forward 20 MB, which it does by splice: the bytes
// never are in its memory, so their number is all that there is.
func TestSplicedBody(t *testing.T) {
	const size = 20_000_000
	web := nginx(t)
	write(t, filepath.Join(nginxRoot(t, web), "big"), strings.Repeat("b", size))
	proxy := haproxy(t, web)
	c := trace(t, ports(web.port, proxy.port))
	got := curl(t, "-w", "%{size_download}", proxy.url("/big"), "-o", "/dev/null", proxy.url("/m/after-splice"))
	if got != fmt.Sprint(size)+"2000" {
		t.Fatalf("curl got %s bytes", got)
	}
	for _, s := range c.awaitCount(4, path("/big")) {
		compare(t, s, attrs{status: 200, received: size})
	}
	for _, s := range c.awaitCount(4, path("/m/after-splice")) {
		compare(t, s, attrs{status: 200, received: 2000})
	}
}

// nginxRoot returns the folder of the server's files.
func nginxRoot(t *testing.T, s *server) string {
	t.Helper()
	for i, arg := range s.cmd.Args {
		if arg == "-p" {
			return filepath.Join(s.cmd.Args[i+1], "www")
		}
	}
	t.Fatalf("%s has no folder", s.name)
	return ""
}

// TestOneByteReads reads a response byte by byte.
func TestOneByteReads(t *testing.T) {
	s := goServer(t)
	c := trace(t, ports(s.port))
	conn := dial(t, "tcp", s.address())
	for _, b := range []byte("GET /m/onebyte HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n") {
		if _, err := conn.Write([]byte{b}); err != nil {
			t.Fatal(err)
		}
	}
	var one [1]byte
	n := 0
	for {
		_, err := conn.Read(one[:])
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n < 2000 {
		t.Fatalf("the response has %d bytes", n)
	}
	c.pair(t, "/m/onebyte", attrs{method: "GET", status: 200, received: 2000})
}

// TestLargeHeaders sends a head of 64 KiB, of which only the beginning is copied,
// and another request on the same connection.
func TestLargeHeaders(t *testing.T) {
	s := goServer(t)
	c := trace(t, ports(s.port))
	conn := dial(t, "tcp", s.address())
	request := "GET /m/large-head HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("X-Filler: "+strings.Repeat("f", 1000)+"\r\n", 64) + "\r\n"
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	readResponses(t, conn, 1)
	if _, err := io.WriteString(conn, "GET /m/after-large-head HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	readResponses(t, conn, 1)
	c.pair(t, "/m/large-head", attrs{method: "GET", status: 200, received: 2000})
	c.pair(t, "/m/after-large-head", attrs{method: "GET", status: 200, received: 2000})
}

// TestGarbage sends bytes that are no HTTP to a traced port, before and between
// connections that are. The server answers those to /m/cut with 200, as its
// handler does not look at what came of the body.
func TestGarbage(t *testing.T) {
	s := goServer(t)
	c := trace(t, ports(s.port))
	garbage := [][]byte{
		bytes.Repeat([]byte{0}, 10_000), bytes.Repeat([]byte{0xff, 0xfe}, 3000), []byte("\r\n\r\n\r\n"),
		[]byte("GET"), []byte("GET / HTTP/9.9\r\n\r\n"), []byte("HTTP/1.1 200 OK\r\n\r\n"),
		[]byte("POST /m/cut HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\nx"),
		[]byte("POST /m/cut HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
		bytes.Repeat([]byte("GET "), 5000),
	}
	for i, g := range garbage {
		conn := dial(t, "tcp", s.address())
		if _, err := conn.Write(g); err != nil {
			t.Fatal(err)
		}
		if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		// The server may answer or reset, both end the connection.
		_, _ = io.Copy(io.Discard, conn)
		conn.Close()
		curl(t, s.url(fmt.Sprintf("/m/after-garbage/%d", i)))
	}
	for i := range garbage {
		c.pair(t, fmt.Sprintf("/m/after-garbage/%d", i), attrs{status: 200})
	}
	of := filter(c.spans(), func(s *spanfile.Span) bool {
		p := s.Str("url.path")
		return s.Int(status) == 200 && p != "/m/cut" && !strings.HasPrefix(p, "/m/after-garbage/")
	})
	if len(of) != 0 {
		t.Errorf("garbage became successful requests:\n%s", list(of))
	}
}
