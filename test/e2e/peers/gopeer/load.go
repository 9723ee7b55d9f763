// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// total is what load prints at its end, as one line of JSON.
type total struct {
	Requests int64 `json:"requests"` // answered in full
	Errors   int64 `json:"errors"`
	Sent     int64 `json:"sent"` // bytes
	Received int64 `json:"received"`
	First    string
}

// load makes an exact number of requests over a number of connections, each of
// which waits for an answer before its next request.
func load(args []string) error {
	flags := flag.NewFlagSet("load", flag.ExitOnError)
	address := flags.String("address", "", "of the server")
	network := flags.String("network", "tcp", "tcp or unix")
	path := flags.String("path", "/load", "of the requests; a final * is replaced by 1 to 200 letters, as many as the request's number says")
	requests := flags.Int64("requests", 1000, "to make")
	connections := flags.Int("connections", 1, "at a time")
	fresh := flags.Bool("fresh", false, "use a connection for one request only")
	rate := flags.Float64("rate", 0, "requests a second, 0 for as many as there can be")
	if err := flags.Parse(args); err != nil {
		return err
	}
	l := &loader{network: *network, address: *address, path: *path, fresh: *fresh}
	l.left.Store(*requests)
	if *rate > 0 {
		l.pause = time.Duration(float64(time.Second) * float64(*connections) / *rate)
	}
	var wg sync.WaitGroup
	for range *connections {
		wg.Go(l.work)
	}
	wg.Wait()
	return json.NewEncoder(os.Stdout).Encode(l.total)
}

type loader struct {
	network, address, path string
	fresh                  bool
	pause                  time.Duration
	left                   atomic.Int64
	mu                     sync.Mutex
	total                  total
}

// work makes requests until none is left. Its errors are counted and the first is
// kept; each costs a connection.
func (l *loader) work() {
	var sum total
	var c *client
	for l.left.Add(-1) >= 0 {
		if c == nil {
			c = l.dial(&sum)
		}
		if c == nil {
			continue
		}
		if err := c.exchange(); err != nil {
			sum.fail(err)
			c.end(&sum)
			c = nil
			continue
		}
		sum.Requests++
		if l.fresh {
			c.end(&sum)
			c = nil
		}
		time.Sleep(l.pause)
	}
	if c != nil {
		c.end(&sum)
	}
	l.add(sum)
}

func (t *total) fail(err error) {
	t.Errors++
	if t.First == "" {
		t.First = err.Error()
	}
}

func (l *loader) add(sum total) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.total.Requests += sum.Requests
	l.total.Errors += sum.Errors
	l.total.Sent += sum.Sent
	l.total.Received += sum.Received
	if l.total.First == "" {
		l.total.First = sum.First
	}
}

func (l *loader) dial(sum *total) *client {
	conn, err := net.DialTimeout(l.network, l.address, 30*time.Second)
	if err != nil {
		sum.fail(err)
		return nil
	}
	c := &client{conn: conn}
	c.reader = bufio.NewReaderSize(countingReader{conn, &c.received}, 16<<10)
	connection := ""
	if l.fresh {
		connection = "Connection: close\r\n"
	}
	path, varies := strings.CutSuffix(l.path, "*")
	n := 1
	if varies {
		n = 200
	}
	for i := range n {
		c.requests = append(c.requests, fmt.Appendf(nil, "GET %s%s HTTP/1.1\r\nHost: localhost\r\nUser-Agent: gopeer\r\n%s\r\n",
			path, strings.Repeat("e", i+n/200), connection))
	}
	return c
}

// client is one connection.
type client struct {
	conn           net.Conn
	reader         *bufio.Reader
	requests       [][]byte // made in turn
	made           int
	sent, received int64
}

func (c *client) exchange() error {
	if err := c.conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		return err
	}
	n, err := c.conn.Write(c.requests[c.made%len(c.requests)])
	c.made++
	c.sent += int64(n)
	if err != nil {
		return err
	}
	resp, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("status %s", resp.Status)
	}
	return resp.Body.Close()
}

func (c *client) end(sum *total) {
	sum.Sent += c.sent
	sum.Received += c.received
	// All that was to come has been read.
	_ = c.conn.Close()
}

type countingReader struct {
	r io.Reader
	n *int64
}

func (c countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	*c.n += int64(n)
	return n, err
}

// idle opens connections, makes a request on each, says so and keeps them until
// its standard input ends.
func idle(args []string) error {
	flags := flag.NewFlagSet("idle", flag.ExitOnError)
	address := flags.String("address", "", "of the server")
	path := flags.String("path", "/idle", "of the requests")
	connections := flags.Int("connections", 1, "to keep")
	if err := flags.Parse(args); err != nil {
		return err
	}
	l := &loader{network: "tcp", address: *address, path: *path}
	var sum total
	clients := make([]*client, 0, *connections)
	for range *connections {
		c := l.dial(&sum)
		if c == nil {
			return fmt.Errorf("connection %d: %s", len(clients), sum.First)
		}
		if err := c.exchange(); err != nil {
			return fmt.Errorf("connection %d: %w", len(clients), err)
		}
		clients = append(clients, c)
	}
	fmt.Println("idle", len(clients))
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	for _, c := range clients {
		c.end(&sum)
	}
	fmt.Println("closed", len(clients))
	return nil
}
