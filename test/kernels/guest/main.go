// SPDX-License-Identifier: Apache-2.0

//go:build linux

// Command guest is the first program of an emulated machine: it brings up the
// loopback interface, runs the collector and HTTP servers and clients, prints the
// rows that came of their requests and powers the machine off. Each line of its
// report begins with "puck: ", and the last one is "puck: pass" or "puck: fail".
//
// The peers are this program itself (Go's net/http, one connection that is older
// than the collector) and busybox's httpd and wget (C, a child for each
// connection, so that the process that accepts is not the one that answers).
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/puck-otel/puck/test/spanfile"
	"golang.org/x/sys/unix"
)

const (
	goServer      = "127.0.0.1:8080"
	busyboxServer = "127.0.0.1:8081"
	startTimeout  = 5 * time.Minute
	rowTimeout    = time.Minute
)

func main() {
	switch {
	case len(os.Args) > 1 && os.Args[1] == "serve":
		exitOn(serve())
	case len(os.Args) > 1 && os.Args[1] == "client":
		exitOn(client())
	default:
		if err := runMachine(); err != nil {
			report("%v", err)
			report("fail")
		} else {
			report("pass")
		}
		unix.Sync()
		// The program is the machine's first, so a failure leaves nobody to tell.
		_ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
	}
}

func exitOn(err error) {
	if err != nil {
		report("%v", err)
		os.Exit(1)
	}
}

func report(format string, args ...any) {
	for line := range strings.Lines(fmt.Sprintf(format, args...)) {
		fmt.Printf("puck: %s\n", strings.TrimRight(line, "\n"))
	}
}

// serve answers every request with a body of 2,000 bytes.
func serve() error {
	body := strings.Repeat("x", 2000)
	return http.ListenAndServe(goServer, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		// A client that went away needs no answer.
		_, _ = io.WriteString(w, body)
	}))
}

// client makes a request, waits for a line on its standard input, and makes
// another one on the same connection.
func client() error {
	in := bufio.NewScanner(os.Stdin)
	for _, path := range []string{"/before", "/kept"} {
		resp, err := http.Get("http://" + goServer + path)
		if err != nil {
			return err
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			return err
		}
		resp.Body.Close()
		fmt.Printf("asked %s\n", path)
		in.Scan()
	}
	return nil
}

func runMachine() error {
	if err := prepare(); err != nil {
		return err
	}
	// The collector traces with what loads, so it is looked at in any case.
	return errors.Join(loadPrograms(), traceExchange())
}

// traceExchange has servers, clients and the collector run together.
func traceExchange() error {
	if _, err := start("/guest", "serve"); err != nil {
		return err
	}
	if _, err := start("/bin/busybox", "httpd", "-f", "-p", busyboxServer, "-h", "/www"); err != nil {
		return err
	}
	for _, address := range []string{goServer, busyboxServer} {
		if err := await(startTimeout, func() error { return ask("http://" + address + "/page.html") }); err != nil {
			return fmt.Errorf("wait for the server on %s: %w", address, err)
		}
	}
	old, err := start("/guest", "client")
	if err != nil {
		return err
	}
	if err := old.awaitLine("asked /before", startTimeout); err != nil {
		return err
	}
	begin := time.Now()
	collector, err := start("/otelcol-puck", "--config", "/etc/puck.yaml")
	if err != nil {
		return err
	}
	if err := collector.awaitLine("tracing started", startTimeout); err != nil {
		return err
	}
	report("tracing started after %v", time.Since(begin).Round(time.Millisecond))
	if err := exchange(old); err != nil {
		return err
	}
	rows := awaitRows()
	if err := collector.stop(); err != nil {
		return fmt.Errorf("stop the collector: %w", err)
	}
	return errors.Join(rows, reportProbes())
}

// reportProbes prints the rows of probe_status of probes that failed.
func reportProbes() error {
	logs, err := spanfile.Logs("/out/logs")
	if err != nil {
		return err
	}
	attached := 0
	for _, l := range logs {
		if strings.Contains(l, " status=0") {
			attached++
			continue
		}
		report("not attached: %s", l)
	}
	report("%d probes attached", attached)
	if attached != len(logs) || attached == 0 {
		return fmt.Errorf("%d of %d probes are not attached", len(logs)-attached, len(logs))
	}
	return nil
}

// loadPrograms runs the test of the BPF programs alone, whose error is the
// verifier's where the collector's would be a log line.
func loadPrograms() error {
	test, err := start("/socktrace.test", "-test.v", "-test.run", "^TestLoad")
	if err != nil {
		return err
	}
	if err := test.awaitLine("PASS", startTimeout); err != nil {
		return fmt.Errorf("load the programs: %w", err)
	}
	report("programs loaded")
	return nil
}

// exchange makes the requests whose rows are looked for.
func exchange(old *child) error {
	if _, err := io.WriteString(old.in, "\n"); err != nil {
		return err
	}
	if err := old.awaitLine("asked /kept", startTimeout); err != nil {
		return err
	}
	out, err := exec.Command("/bin/busybox", "wget", "-q", "-O", "/dev/null", "http://"+busyboxServer+"/page.html").CombinedOutput()
	if err != nil {
		return fmt.Errorf("wget: %w: %s", err, out)
	}
	return nil
}

// awaitRows waits until the server's and the client's row of both requests are
// there, and prints them.
func awaitRows() error {
	err := await(rowTimeout, func() error {
		spans, err := spanfile.Spans("/out/traces")
		if err != nil {
			return err
		}
		return missing(spans)
	})
	spans, readErr := spanfile.Spans("/out/traces")
	for _, s := range spans {
		report("row %s", s)
	}
	return errors.Join(err, readErr)
}

// missing says which of the rows are not among the spans.
func missing(spans []*spanfile.Span) error {
	want := map[string]int64{
		"Server guest /kept": 2000, "Client guest /kept": 2000,
		"Server busybox /page.html": 5000, "Client busybox /page.html": 5000,
	}
	for _, s := range spans {
		key := fmt.Sprintf("%s %s %s", s.Kind, s.Exe, s.Str("url.path"))
		if size, ok := want[key]; ok && s.Int("http.response.body.size") == size && s.Int("http.response.status_code") == 200 {
			delete(want, key)
		}
	}
	var errs []error
	for key, size := range want {
		errs = append(errs, fmt.Errorf("no row %s with status 200 and %d bytes", key, size))
	}
	return errors.Join(errs...)
}

func ask(url string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// await calls f until it returns nil, and returns its last error after timeout.
func await(timeout time.Duration, f func() error) error {
	deadline := time.Now().Add(timeout)
	for {
		err := f()
		if err == nil || time.Now().After(deadline) {
			return err
		}
		time.Sleep(200 * time.Millisecond)
	}
}
