// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// costs prints what a request costs Puck with both its sides traced at
// saturation. The processor time of the collector is measured without the
// kernel's accounting of BPF programs, which itself costs time.
func (b *bench) costs(ctx context.Context) error {
	c, err := b.startCollector(ctx, "")
	if err != nil {
		return err
	}
	defer c.close()
	pid := c.cmd.Process.Pid
	time.Sleep(2 * time.Second)
	idle, err := resident(pid)
	if err != nil {
		return err
	}
	used, err := cpu(pid)
	if err != nil {
		return err
	}
	_, plain, err := b.wrkCount(ctx, b.options.duration)
	if err != nil {
		return err
	}
	// What is still queued belongs to the requests, too.
	time.Sleep(time.Second)
	after, err := cpu(pid)
	if err != nil {
		return err
	}
	rows, err := c.metric(ctx, "spans", `outcome="sent"`)
	if err != nil {
		return err
	}
	lost, err := c.metric(ctx, "kernel_events", `outcome="ring_full"`)
	if err != nil {
		return err
	}
	programs, counted, err := b.programCosts(ctx, pid)
	if err != nil {
		return err
	}
	stages, err := b.stageCosts(ctx, c)
	if err != nil {
		return err
	}
	loaded, err := resident(pid)
	if err != nil {
		return err
	}
	return printCosts(costs{
		collector: (after - used) / time.Duration(plain), programs: programs, requests: counted,
		rows: rows / float64(plain), lost: lost,
		stages: stages, idle: idle, loaded: loaded,
	})
}

type costs struct {
	collector    time.Duration // processor time a request
	programs     map[string]programCost
	requests     int     // to which programs belong
	rows         float64 // spans sent for each request, 2 if none was lost
	lost         float64 // events that found the ring full
	stages       map[string]float64
	idle, loaded float64 // MiB
}

type programCost struct {
	time time.Duration
	runs uint64
}

func printCosts(c costs) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	var bpf time.Duration
	for _, p := range c.programs {
		bpf += p.time
	}
	perRequest := func(d time.Duration) float64 { return float64(d) / float64(c.requests) / 1000 }
	fmt.Fprintf(w, "cost of a request, both sides\tµs\tshare\truns\t\n")
	fmt.Fprintf(w, "BPF programs\t%.2f\t\t\t\n", perRequest(bpf))
	for _, name := range slices.SortedFunc(maps.Keys(c.programs), func(a, b string) int { return cmp.Compare(c.programs[b].time, c.programs[a].time) }) {
		p := c.programs[name]
		if runs := float64(p.runs) / float64(c.requests); runs >= 0.01 {
			fmt.Fprintf(w, "%s\t%.2f\t%.0f %%\t%.2f\t\n", name, perRequest(p.time), 100*float64(p.time)/float64(bpf), runs)
		}
	}
	collector := float64(c.collector) / 1000
	fmt.Fprintf(w, "collector\t%.2f\t\t\t\n", collector)
	var all float64
	for _, v := range c.stages {
		all += v
	}
	for _, name := range slices.SortedFunc(maps.Keys(c.stages), func(a, b string) int { return cmp.Compare(c.stages[b], c.stages[a]) }) {
		fmt.Fprintf(w, "%s\t%.2f\t%.0f %%\t\t\n", name, collector*c.stages[name]/all, 100*c.stages[name]/all)
	}
	fmt.Fprintf(w, "both\t%.2f\t\t\t\n", perRequest(bpf)+collector)
	fmt.Fprintf(w, "\nspans for each request\t%.3f\t\nevents lost\t%.0f\t\n", c.rows, c.lost)
	fmt.Fprintf(w, "\nresident memory\tMiB\t\n idle\t%.0f\t\n after the load\t%.0f\t\n", c.idle, c.loaded)
	return w.Flush()
}

// programCosts returns the run time of each of the collector's programs during a
// load, and the number of requests.
func (b *bench) programCosts(ctx context.Context, pid int) (map[string]programCost, int, error) {
	stats, err := ebpf.EnableStats(unix.BPF_STATS_RUN_TIME)
	if err != nil {
		return nil, 0, fmt.Errorf("account for BPF programs: %w", err)
	}
	defer stats.Close()
	before, err := runTimes(pid)
	if err != nil {
		return nil, 0, err
	}
	_, n, err := b.wrkCount(ctx, b.options.duration)
	if err != nil {
		return nil, 0, err
	}
	after, err := runTimes(pid)
	if err != nil {
		return nil, 0, err
	}
	sums := map[string]programCost{}
	for id, p := range after {
		if d := p.runs - before[id].runs; d > 0 {
			sum := sums[p.name]
			sums[p.name] = programCost{sum.time + p.time - before[id].time, sum.runs + d}
		}
	}
	return sums, n, nil
}

type programRuns struct {
	name string
	programCost
}

// runTimes returns what each program that the process holds has used so far.
func runTimes(pid int) (map[ebpf.ProgramID]programRuns, error) {
	infos, err := filepath.Glob(fmt.Sprintf("/proc/%d/fdinfo/*", pid))
	if err != nil {
		return nil, err
	}
	all := map[ebpf.ProgramID]programRuns{}
	for _, file := range infos {
		raw, err := os.ReadFile(file)
		if err != nil {
			continue // The descriptor was closed since.
		}
		_, rest, ok := strings.Cut(string(raw), "prog_id:")
		id, err := strconv.ParseUint(strings.TrimSpace(strings.SplitN(rest, "\n", 2)[0]), 10, 32)
		if !ok || err != nil {
			continue
		}
		if all[ebpf.ProgramID(id)], err = runTime(ebpf.ProgramID(id)); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func runTime(id ebpf.ProgramID) (programRuns, error) {
	p, err := ebpf.NewProgramFromID(id)
	if err != nil {
		return programRuns{}, fmt.Errorf("open BPF program %d: %w", id, err)
	}
	defer p.Close()
	info, err := p.Info()
	if err != nil {
		return programRuns{}, err
	}
	stats, err := p.Stats()
	if err != nil {
		return programRuns{}, err
	}
	return programRuns{info.Name, programCost{stats.Runtime, stats.RunCount}}, nil
}

// stageCosts returns the share of the collector's samples by stage, taken during
// a load.
func (b *bench) stageCosts(ctx context.Context, c *collector) (map[string]float64, error) {
	done := make(chan error, 1)
	go func() {
		_, _, err := b.wrkCount(ctx, b.options.duration+2*time.Second)
		done <- err
	}()
	seconds := max(1, int(b.options.duration/time.Second))
	resp, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/debug/pprof/profile?seconds=%d", c.pprof, seconds))
	if err != nil {
		return nil, fmt.Errorf("profile the collector: %w", err)
	}
	raw, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err = errors.Join(err, <-done); err != nil {
		return nil, fmt.Errorf("profile the collector: %w", err)
	}
	file := filepath.Join(b.dir, "profile")
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		return nil, err
	}
	text, err := exec.CommandContext(ctx, "go", "tool", "pprof", "-traces", file).Output()
	if err != nil {
		return nil, fmt.Errorf("read the collector's profile: %w", err)
	}
	return stages(text), nil
}

// stages adds up the traces that `pprof -traces` prints: stacks that are parted by
// lines of dashes, leaf first, the sample's time before the leaf. A stack belongs
// to the stage of the first function from the leaf that is of one.
func stages(traces []byte) map[string]float64 {
	sums := map[string]float64{}
	var value time.Duration
	stage := ""
	flush := func() {
		if value > 0 {
			sums[cmp.Or(stage, "Go runtime")] += value.Seconds()
		}
		value, stage = 0, ""
	}
	for s := bufio.NewScanner(bytes.NewReader(traces)); s.Scan(); {
		line := s.Text()
		fields := strings.Fields(line)
		if strings.HasPrefix(line, "-----------+") {
			flush()
			continue
		}
		if len(fields) == 0 {
			continue
		}
		if d, err := time.ParseDuration(fields[0]); err == nil && len(fields) > 1 {
			value = d
			fields = fields[1:]
		}
		if stage == "" {
			stage = stageOf(fields[0])
		}
	}
	flush()
	return sums
}

// stageOf returns the stage that a function belongs to, empty for helpers that
// every stage uses.
func stageOf(function string) string {
	for _, s := range []struct{ prefix, stage string }{
		{"github.com/puck-otel/puck/bpf/", "ring"},
		{"github.com/puck-otel/puck/internal/protocol", "engine and parsers"},
		{"github.com/puck-otel/puck/internal/table/otlp", "spans"},
		{"github.com/puck-otel/puck/internal/table", "rows"},
		{"github.com/puck-otel/puck/internal/route", "routes"},
		{"github.com/puck-otel/puck/internal/process", "processes"},
		{"github.com/puck-otel/puck/receiver/", "receiver"},
		{"go.opentelemetry.io/collector/pdata", "spans"},
		{"go.opentelemetry.io/collector", "pipeline"},
		{"runtime.gcBgMarkWorker", "garbage collector"},
		{"runtime.bgsweep", "garbage collector"},
		{"runtime.bgscavenge", "garbage collector"},
		{"runtime.mallocgc", ""},
	} {
		if strings.HasPrefix(function, s.prefix) {
			return s.stage
		}
	}
	return ""
}
