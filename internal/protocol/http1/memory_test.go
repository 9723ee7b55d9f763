// SPDX-License-Identifier: Apache-2.0

package http1_test

import (
	"runtime"
	"testing"
	"time"

	"github.com/puck-otel/puck/internal/protocol"
	"github.com/puck-otel/puck/internal/protocol/http1"
	"github.com/puck-otel/puck/internal/table"
)

// TestIdleConnections bounds what a connection costs that made one exchange, right
// after it and when it has been idle for a while.
func TestIdleConnections(t *testing.T) {
	const connections = 10_000
	x := exchanges()[1]
	e := protocol.NewEngine(protocol.Config{}, []protocol.Protocol{http1.New(http1.Config{})}, func(*protocol.Conn, *table.Row) {})
	streams := make([]*protocol.Stream, connections)
	conns := make([]protocol.Conn, connections)
	before := heap()
	for i := range streams {
		conns[i] = protocol.Conn{Role: protocol.Server, Transport: protocol.TCP}
		streams[i] = e.Open(&conns[i])
		// The request comes in two reads, so that a buffer was needed.
		half := len(x.request) / 2
		streams[i].Data(protocol.Recv, protocol.Segment{Len: uint32(half), Time: 1, Data: x.request[:half]})
		streams[i].Data(protocol.Recv, protocol.Segment{Pos: uint64(half), Len: uint32(len(x.request) - half), Time: 1, Data: x.request[half:]})
		streams[i].Data(protocol.Send, protocol.Segment{Len: uint32(len(x.response)), Time: 2, Data: x.response})
	}
	busy := (heap() - before) / connections
	e.Expire(int64(time.Minute))
	idle := (heap() - before) / connections
	t.Logf("a connection holds %d bytes after its exchange, %d when idle", busy, idle)
	if busy > 2048 || idle > 1024 {
		t.Errorf("want at most 2048 and 1024")
	}
	if rows := e.Stats().Protocols[0].Rows[protocol.Complete]; rows != connections {
		t.Errorf("%d rows of %d exchanges", rows, connections)
	}
	for _, s := range streams {
		s.Close([2]protocol.End{}, int64(time.Hour))
	}
	clear(streams)
	if s := e.Stats(); s.Streams != 0 || s.Buffered != 0 {
		t.Errorf("%d streams and %d bytes are left", s.Streams, s.Buffered)
	}
	left := heap() - before
	t.Logf("%d bytes are left after all were closed", left)
	if left > 1<<20 {
		t.Errorf("want at most 1 MiB")
	}
	runtime.KeepAlive(e)
	runtime.KeepAlive(conns)
}

// heap returns the bytes of live objects.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
