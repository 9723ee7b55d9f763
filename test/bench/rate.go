// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// fixed makes requests at the configured rate. Each has its time in the plan, and
// its latency counts from there, so a request that had to wait for a connection or
// for the client itself is not reported as a fast one.
func (b *bench) fixed(ctx context.Context) (outcome, error) {
	n := int64(b.options.rate * b.options.duration.Seconds())
	g := &generator{
		address: b.web.address(), request: fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: bench\r\n\r\n", b.options.path),
		period: time.Duration(float64(time.Second) / b.options.rate), requests: n,
	}
	results := make([]workerResult, b.options.connections)
	g.begin = time.Now().Add(50 * time.Millisecond)
	var wg sync.WaitGroup
	for i := range results {
		wg.Go(func() { results[i] = g.work(ctx) })
	}
	wg.Wait()
	var latencies []time.Duration
	var last time.Time
	for _, r := range results {
		if r.err != nil {
			return outcome{}, r.err
		}
		latencies = append(latencies, r.latencies...)
		if r.last.After(last) {
			last = r.last
		}
	}
	slices.Sort(latencies)
	return outcome{
		throughput: float64(len(latencies)) / last.Sub(g.begin).Seconds(),
		p50:        latencies[len(latencies)/2], p99: latencies[len(latencies)*99/100],
	}, nil
}

type generator struct {
	address  string
	request  []byte
	period   time.Duration
	requests int64
	begin    time.Time
	next     atomic.Int64
}

type workerResult struct {
	latencies []time.Duration
	last      time.Time
	err       error
}

// work makes the next request of the plan, over one connection, until none is left.
func (g *generator) work(ctx context.Context) (r workerResult) {
	conn, err := net.Dial("tcp", g.address)
	if err != nil {
		r.err = err
		return r
	}
	defer conn.Close()
	reader := bufio.NewReader(conn)
	for ctx.Err() == nil {
		i := g.next.Add(1) - 1
		if i >= g.requests {
			return r
		}
		due := g.begin.Add(time.Duration(i) * g.period)
		time.Sleep(time.Until(due))
		if r.err = exchange(conn, reader, g.request); r.err != nil {
			return r
		}
		r.last = time.Now()
		r.latencies = append(r.latencies, r.last.Sub(due))
	}
	r.err = ctx.Err()
	return r
}

func exchange(conn net.Conn, reader *bufio.Reader, request []byte) error {
	if _, err := conn.Write(request); err != nil {
		return err
	}
	resp, err := http.ReadResponse(reader, nil)
	if err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the server answers %s", resp.Status)
	}
	return resp.Body.Close()
}
