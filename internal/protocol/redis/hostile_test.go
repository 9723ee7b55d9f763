// SPDX-License-Identifier: Apache-2.0

package redis_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/puck-otel/puck/internal/protocol"
	"github.com/puck-otel/puck/internal/protocol/redis"
	"github.com/puck-otel/puck/internal/table"
)

// talker sends bytes on both sides of one connection, in calls of at most 4 KiB.
type talker struct {
	s   *protocol.Stream
	e   *protocol.Engine
	pos [2]uint64
	now int64
}

func newTalker(values int) *talker {
	e := protocol.NewEngine(protocol.Config{}, []protocol.Protocol{redis.New(redis.Config{ValueBytes: values})}, func(*protocol.Conn, *table.Row) {})
	return &talker{e: e, s: e.Open(&protocol.Conn{Role: protocol.Client, Transport: protocol.TCP}), now: 1}
}

func (p *talker) push(side protocol.Side, data []byte) {
	for len(data) > 0 {
		n := min(len(data), 4096)
		p.now++
		p.s.Data(side, protocol.Segment{Pos: p.pos[side], Len: uint32(n), Time: p.now, Data: data[:n]})
		p.pos[side] += uint64(n)
		data = data[n:]
	}
}

// heap returns the bytes of live objects.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestMemoryIsBounded sends what would have a naive parser keep a lot.
func TestMemoryIsBounded(t *testing.T) {
	long := strings.Repeat("x", 64<<10)
	for name, play := range map[string]func(p *talker){
		"commands without replies": func(p *talker) {
			for i := range 1000 {
				p.push(protocol.Send, words("SET", fmt.Sprint(i), long))
			}
		},
		"replies without commands": func(p *talker) {
			p.push(protocol.Send, words("PING"))
			for range 1000 {
				p.push(protocol.Recv, fmt.Appendf(nil, "$%d\r\n%s\r\n", len(long), long))
			}
		},
		"one command of many arguments": func(p *talker) {
			p.push(protocol.Send, []byte("*4000000\r\n$3\r\nDEL\r\n"))
			for range 4000 {
				p.push(protocol.Send, []byte(strings.Repeat("$1\r\nx\r\n", 1000)))
			}
		},
		"a reply that announces more than there is": func(p *talker) {
			p.push(protocol.Send, words("KEYS", "*"))
			p.push(protocol.Recv, []byte("*4000000000\r\n*4000000000\r\n%4000000000\r\n$1000000000000\r\n"+long))
		},
		"a line without an end": func(p *talker) {
			p.push(protocol.Send, words("EVAL", "s", "0"))
			p.push(protocol.Recv, []byte("+"))
			for range 1000 {
				p.push(protocol.Recv, []byte(long))
			}
		},
		"a subscription to many channels": func(p *talker) {
			p.push(protocol.Send, []byte("*100001\r\n$9\r\nSUBSCRIBE\r\n"+strings.Repeat("$1\r\nx\r\n", 100000)))
			for i := range 99999 {
				p.push(protocol.Recv, fmt.Appendf(nil, "*3\r\n$9\r\nsubscribe\r\n$1\r\nx\r\n:%d\r\n", i))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newTalker(64 << 10)
			before := heap()
			play(p)
			grown := heap() - before
			t.Logf("%d KiB, %d bytes by the engine's count", grown>>10, p.e.Stats().Buffered)
			if grown > 4<<20 || p.e.Stats().Buffered > 4<<20 {
				t.Errorf("one connection holds %d bytes", grown)
			}
			runtime.KeepAlive(p)
		})
	}
}
