// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"
)

type bench struct {
	options options
	dir     string
	web     *nginxServer
}

// outcome is what one load came to.
type outcome struct {
	throughput float64 // requests a second
	p50, p99   time.Duration
}

// compare runs all variants in each round, beginning with another one each time,
// and prints the medians beside those of no tracing.
func (b *bench) compare(ctx context.Context) error {
	loads := []struct {
		name string
		run  func(context.Context) (outcome, error)
	}{
		{"saturated by wrk", b.wrk},
		{fmt.Sprintf("%.0f requests/s", b.options.rate), b.fixed},
	}
	if b.options.rate <= 0 {
		loads = loads[:1]
	}
	all := variants()
	got := make([][][]outcome, len(loads)) // by load, variant and round
	for i := range got {
		got[i] = make([][]outcome, len(all))
	}
	for round := range b.options.rounds {
		for i := range all {
			at := (i + round) % len(all)
			stop, err := all[at].start(ctx, b)
			if err != nil {
				return fmt.Errorf("%s: %w", all[at].name, err)
			}
			for j, load := range loads {
				o, err := load.run(ctx)
				if err != nil {
					return fmt.Errorf("%s, %s: %w", all[at].name, load.name, err)
				}
				got[j][at] = append(got[j][at], o)
			}
			if err := stop(); err != nil {
				return fmt.Errorf("%s: %w", all[at].name, err)
			}
		}
	}
	fmt.Printf("nginx, one worker, %s, %d connections; median of %d interleaved rounds of %v\n\n",
		b.options.path, b.options.connections, b.options.rounds, b.options.duration)
	for i, load := range loads {
		if err := printTable(load.name, all, got[i]); err != nil {
			return err
		}
	}
	return nil
}

func printTable(title string, all []variant, got [][]outcome) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "%s\trequests/s\tratio\tp50\tp99\tratio\tlowest and highest\t\n", title)
	base := median(got[0])
	for i, v := range all {
		m := median(got[i])
		rates := rates(got[i])
		fmt.Fprintf(w, "%s\t%.0f\t%.3f\t%v\t%v\t%.2f\t%.0f %.0f\t\n", v.name, m.throughput, m.throughput/base.throughput,
			m.p50.Round(time.Microsecond), m.p99.Round(time.Microsecond), float64(m.p99)/float64(base.p99), rates[0], rates[len(rates)-1])
	}
	fmt.Fprintln(w)
	return w.Flush()
}

func rates(rounds []outcome) []float64 {
	var all []float64
	for _, o := range rounds {
		all = append(all, o.throughput)
	}
	slices.Sort(all)
	return all
}

// median takes the median of each figure by itself.
func median(rounds []outcome) outcome {
	middle := func(of func(outcome) float64) float64 {
		var values []float64
		for _, o := range rounds {
			values = append(values, of(o))
		}
		slices.Sort(values)
		return values[len(values)/2]
	}
	return outcome{
		throughput: middle(func(o outcome) float64 { return o.throughput }),
		p50:        time.Duration(middle(func(o outcome) float64 { return float64(o.p50) })),
		p99:        time.Duration(middle(func(o outcome) float64 { return float64(o.p99) })),
	}
}

var (
	wrkRate     = regexp.MustCompile(`Requests/sec:\s+([0-9.]+)`)
	wrkLatency  = regexp.MustCompile(`(?m)^\s+(50|99)%\s+(\S+)$`)
	wrkRequests = regexp.MustCompile(`(\d+) requests in`)
	wrkErrors   = regexp.MustCompile(`Socket errors: .*|Non-2xx.*`)
)

// wrk drives the server to saturation from one thread.
func (b *bench) wrk(ctx context.Context) (outcome, error) {
	o, _, err := b.wrkCount(ctx, b.options.duration)
	return o, err
}

// wrkCount also returns the number of requests. wrk takes whole seconds.
func (b *bench) wrkCount(ctx context.Context, duration time.Duration) (outcome, int, error) {
	seconds := max(1, int(duration.Round(time.Second)/time.Second))
	out, err := exec.CommandContext(ctx, "wrk", "--latency", "-t", "1", "-c", strconv.Itoa(b.options.connections),
		"-d", fmt.Sprintf("%ds", seconds), "http://"+b.web.address()+b.options.path).CombinedOutput()
	if err != nil {
		return outcome{}, 0, fmt.Errorf("wrk (apt-get install wrk): %w\n%s", err, out)
	}
	rate, count := wrkRate.FindSubmatch(out), wrkRequests.FindSubmatch(out)
	if rate == nil || count == nil || wrkErrors.Match(out) {
		return outcome{}, 0, fmt.Errorf("wrk printed:\n%s", out)
	}
	var o outcome
	if o.throughput, err = strconv.ParseFloat(string(rate[1]), 64); err != nil {
		return o, 0, err
	}
	for _, m := range wrkLatency.FindAllSubmatch(out, -1) {
		d, err := time.ParseDuration(string(m[2]))
		if err != nil {
			return o, 0, fmt.Errorf("wrk's latency %q: %w", m[2], err)
		}
		if string(m[1]) == "50" {
			o.p50 = d
		} else {
			o.p99 = d
		}
	}
	n, err := strconv.Atoi(string(count[1]))
	return o, n, err
}
