// SPDX-License-Identifier: Apache-2.0

//go:build linux

// Command bench measures what tracing costs a web server on this machine: nginx
// with one worker, loaded to saturation by wrk and at a fixed rate, in interleaved
// rounds with no tracing, with empty probes attached, with Puck in full and with
// Puck tracing one side. It also prints what a request costs Puck, split by BPF
// program and by stage of the collector, and the collector's memory.
//
// It needs root, nginx and wrk. It prints a table and writes nothing else. Rounds
// are compared within one run only: absolute numbers are the machine's.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"time"
)

// options are the command line's.
type options struct {
	collector   string
	rounds      int
	duration    time.Duration
	connections int
	rate        float64
	path        string
}

func main() {
	var o options
	flag.StringVar(&o.collector, "collector", "", "the otelcol-puck to measure; built if empty")
	flag.IntVar(&o.rounds, "rounds", 5, "interleaved rounds, of which the median counts")
	flag.DurationVar(&o.duration, "duration", 4*time.Second, "of one load")
	flag.IntVar(&o.connections, "connections", 64, "kept alive")
	flag.Float64Var(&o.rate, "rate", 10_000, "requests a second where the rate is fixed; 0 leaves that part out")
	flag.StringVar(&o.path, "path", "/tiny", "/tiny (2 bytes) or /page (2,000 bytes)")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	if os.Geteuid() != 0 {
		return fmt.Errorf("loading BPF programs needs root")
	}
	if o.rounds < 1 || o.duration < 100*time.Millisecond || o.connections < 1 {
		return fmt.Errorf("rounds and connections must be at least 1, duration at least 100ms")
	}
	dir, err := os.MkdirTemp("", "puck-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if o.collector == "" {
		o.collector = filepath.Join(dir, "otelcol-puck")
		if err := build(ctx, o.collector); err != nil {
			return err
		}
	}
	web, err := startNginx(ctx, dir)
	if err != nil {
		return err
	}
	defer web.close()
	b := &bench{options: o, dir: dir, web: web}
	if err := b.compare(ctx); err != nil {
		return err
	}
	return b.costs(ctx)
}

func build(ctx context.Context, out string) error {
	gomod, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return fmt.Errorf("find the module: %w", err)
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-tags", "grpcnotrace", "-o", out, "./cmd/otelcol-puck")
	cmd.Dir = filepath.Dir(strings.TrimSpace(string(gomod)))
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build the collector: %w\n%s", err, text)
	}
	return nil
}
