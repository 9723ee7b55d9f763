// SPDX-License-Identifier: Apache-2.0

package http1_test

import (
	"fmt"
	"maps"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/puck-otel/puck/internal/protocol"
	"github.com/puck-otel/puck/internal/protocol/http1"
	"github.com/puck-otel/puck/internal/table"
)

// pusher sends bytes as a client does, in calls of at most 4 KiB.
type pusher struct {
	s   *protocol.Stream
	pos uint64
	now int64
}

func (p *pusher) push(data []byte) {
	for len(data) > 0 {
		n := min(len(data), 4096)
		p.now++
		p.s.Data(protocol.Send, protocol.Segment{Pos: p.pos, Len: uint32(n), Time: p.now, Data: data[:n]})
		p.pos += uint64(n)
		data = data[n:]
	}
}

func newPusher(config http1.Config) (*pusher, *protocol.Engine) {
	e := protocol.NewEngine(protocol.Config{}, []protocol.Protocol{http1.New(config)}, func(*protocol.Conn, *table.Row) {})
	return &pusher{s: e.Open(&protocol.Conn{Role: protocol.Client, Transport: protocol.TCP}), now: 1}, e
}

// TestFoldedHeaderIsBounded sends a field that is kept, and 32 MiB of folded lines
// that go on with it.
func TestFoldedHeaderIsBounded(t *testing.T) {
	p, e := newPusher(http1.Config{RequestHeaders: []string{"x-id"}})
	before := heap()
	p.push([]byte("GET / HTTP/1.1\r\nX-Id: a\r\n"))
	line := []byte(" " + strings.Repeat("a", 4000) + "\r\n")
	for range 32 << 20 / len(line) {
		p.push(line)
	}
	grown := heap() - before
	t.Logf("%d KiB for one head, %d bytes buffered by the engine's count", grown>>10, e.Stats().Buffered)
	if grown > 1<<20 {
		t.Errorf("one head holds %d bytes", grown)
	}
	runtime.KeepAlive(p)
	runtime.KeepAlive(e)
}

// TestPendingIsBounded sends pipelined requests that nobody answers, each with a
// target, an agent and a host of 64 KiB.
func TestPendingIsBounded(t *testing.T) {
	p, e := newPusher(http1.Config{})
	before := heap()
	for i := range 1000 {
		long := fmt.Sprint(i) + strings.Repeat("x", 64<<10)
		p.push([]byte("GET /" + long + " HTTP/1.1\r\nHost: " + long + "\r\nUser-Agent: " + long + "\r\n\r\n"))
	}
	grown := heap() - before
	t.Logf("%d MiB for one connection, %d bytes buffered by the engine's count", grown>>20, e.Stats().Buffered)
	if grown > 4<<20 || e.Stats().Buffered > 4<<20 {
		t.Errorf("one connection holds %d bytes", grown)
	}
	runtime.KeepAlive(p)
	runtime.KeepAlive(e)
}

// TestHeadIsCut sends a target, a host and an agent longer than what is kept of them.
func TestHeadIsCut(t *testing.T) {
	got := map[string]int{}
	e := protocol.NewEngine(protocol.Config{}, []protocol.Protocol{http1.New(http1.Config{})}, func(_ *protocol.Conn, r *table.Row) {
		for _, name := range []string{"req_path", "host", "user_agent"} {
			got[name] = len(r.Values[r.Schema.Index(name)].Str)
		}
	})
	p := &pusher{s: e.Open(&protocol.Conn{Role: protocol.Client, Transport: protocol.TCP}), now: 1}
	long := strings.Repeat("x", 10_000)
	p.push([]byte("GET /" + long + " HTTP/1.1\r\nHost: " + long + "\r\nUser-Agent: " + long + "\r\n\r\n"))
	p.s.Close([2]protocol.End{}, 9)
	if want := map[string]int{"req_path": 8 << 10, "host": 256, "user_agent": 1 << 10}; !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// cost is the time of a head in nanoseconds a byte.
func cost(config http1.Config, head []byte) float64 {
	p, _ := newPusher(config)
	start := time.Now()
	p.push(head)
	return float64(time.Since(start).Nanoseconds()) / float64(len(head))
}

// TestRepeatedHeaderIsLinear sends 90 KB of one field that is kept, over and over.
func TestRepeatedHeaderIsLinear(t *testing.T) {
	config := http1.Config{RequestHeaders: []string{"x"}}
	small := cost(config, []byte("GET / HTTP/1.1\r\n"+strings.Repeat("X:\n", 3000)))
	large := cost(config, []byte("GET / HTTP/1.1\r\n"+strings.Repeat("X:\n", 30000)))
	t.Logf("%.0f ns a byte of 9 KB, %.0f of 90 KB", small, large)
	if large > 4*small && large > 500 {
		t.Errorf("%.0f ns a byte", large)
	}
}

// TestManyHeadersAreLinear sends 64 KB of different fields, all kept.
func TestManyHeadersAreLinear(t *testing.T) {
	head := func(n int) []byte {
		b := []byte("GET / HTTP/1.1\r\n")
		for i := range n {
			b = fmt.Appendf(b, "%x:\n", i)
		}
		return b
	}
	config := http1.Config{RequestHeaders: []string{"*"}}
	small, large := cost(config, head(600)), cost(config, head(6000))
	t.Logf("%.0f ns a byte of few, %.0f of ten times as many", small, large)
	if large > 4*small && large > 500 {
		t.Errorf("%.0f ns a byte", large)
	}
}
