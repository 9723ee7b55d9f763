// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"

	"github.com/puck-otel/puck/bpf/tracefs"
	"github.com/puck-otel/puck/test/freeport"
)

// variant is a way of tracing that is compared with none.
type variant struct {
	name  string
	start func(context.Context, *bench) (stop func() error, err error)
}

func variants() []variant {
	return []variant{
		{"no tracing", func(context.Context, *bench) (func() error, error) { return func() error { return nil }, nil }},
		{"empty probes", func(context.Context, *bench) (func() error, error) { return attachEmpty() }},
		{"puck, server side", func(ctx context.Context, b *bench) (func() error, error) {
			return b.collectorStopper(ctx, "roles: [server]")
		}},
		{"puck", func(ctx context.Context, b *bench) (func() error, error) { return b.collectorStopper(ctx, "") }},
	}
}

// hooks are the system calls at whose exit Puck's programs run.
func hooks() []string {
	return []string{
		"connect", "accept", "accept4", "read", "readv", "recvfrom", "recvmsg", "recvmmsg",
		"write", "writev", "sendto", "sendmsg", "sendmmsg", "sendfile64", "splice",
	}
}

// attachEmpty attaches a program that does nothing to each of the hooks.
func attachEmpty() (func() error, error) {
	if err := tracefs.Mount(); err != nil {
		return nil, err
	}
	program, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "empty", Type: ebpf.TracePoint, License: "GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()},
	})
	if err != nil {
		return nil, fmt.Errorf("load an empty program: %w", err)
	}
	var links []link.Link
	stop := func() error {
		var errs []error
		for _, l := range links {
			errs = append(errs, l.Close())
		}
		return errors.Join(append(errs, program.Close())...)
	}
	for _, hook := range hooks() {
		l, err := link.Tracepoint("syscalls", "sys_exit_"+hook, program, nil)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("attach to sys_exit_%s: %w", hook, err), stop())
		}
		links = append(links, l)
	}
	return stop, nil
}

// collector is a running otelcol-puck with spans into a null exporter.
type collector struct {
	*child
	pprof   int // port
	metrics int // port of its own telemetry
}

const collectorConfig = `
extensions:
  pprof: {endpoint: 127.0.0.1:%[1]d}
receivers:
  protocol_trace:
    include: {ports: [%[2]d]}
    %[3]s
exporters:
  nop: {}
service:
  extensions: [pprof]
  telemetry:
    metrics:
      level: normal
      readers: [{pull: {exporter: {prometheus: {host: 127.0.0.1, port: %[4]d, without_type_suffix: true, without_units: true}}}}]
  pipelines:
    traces: {receivers: [protocol_trace], exporters: [nop]}
    metrics: {receivers: [protocol_trace], exporters: [nop]}
`

func (b *bench) startCollector(ctx context.Context, setting string) (*collector, error) {
	port, err := freeport.Get()
	if err != nil {
		return nil, err
	}
	metrics, err := freeport.Get()
	if err != nil {
		return nil, err
	}
	config := filepath.Join(b.dir, "puck.yaml")
	if err := os.WriteFile(config, fmt.Appendf(nil, collectorConfig, port, b.web.port, setting, metrics), 0o600); err != nil {
		return nil, err
	}
	c, err := start(ctx, b.options.collector, "--config", config)
	if err != nil {
		return nil, err
	}
	err = c.await(ctx, func() error {
		if !strings.Contains(c.output(), "tracing started") {
			return errors.New("does not trace")
		}
		return nil
	})
	return &collector{child: c, pprof: port, metrics: metrics}, err
}

func (b *bench) collectorStopper(ctx context.Context, setting string) (func() error, error) {
	c, err := b.startCollector(ctx, setting)
	if err != nil {
		return nil, err
	}
	return c.close, nil
}

// metric returns the sum of the points of one of the receiver's metrics whose
// line contains label.
func (c *collector) metric(ctx context.Context, name, label string) (float64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/metrics", c.metrics), nil)
	if err != nil {
		return 0, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	sum, points := 0.0, 0
	scanner := bufio.NewScanner(resp.Body)
	for scanner.Scan() {
		line := scanner.Text()
		if !strings.HasPrefix(line, "otelcol_protocol_trace_"+name+"{") || !strings.Contains(line, label) {
			continue
		}
		v, err := strconv.ParseFloat(line[strings.LastIndexByte(line, ' ')+1:], 64)
		if err != nil {
			return 0, fmt.Errorf("telemetry %q: %w", line, err)
		}
		sum += v
		points++
	}
	if points == 0 {
		return 0, fmt.Errorf("the collector's telemetry has no %s with %s", name, label)
	}
	return sum, scanner.Err()
}
