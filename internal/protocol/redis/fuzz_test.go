// SPDX-License-Identifier: Apache-2.0

package redis_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/puck-otel/puck/internal/protocol"
	"github.com/puck-otel/puck/internal/protocol/prototest"
	"github.com/puck-otel/puck/internal/protocol/redis"
	"github.com/puck-otel/puck/internal/table"
)

// FuzzEngine plays any sequence of events: data, gaps, jumps, ends, time.
func FuzzEngine(f *testing.F) {
	prototest.Fuzz(f, []protocol.Protocol{redis.New(redis.Config{ValueBytes: 64})}, accounted, "testdata", "testdata/plain")
}

// accounted checks that each complete command made a row, and that there are no more
// rows than commands and replies.
func accounted(c protocol.Counters) error {
	rows := c.Rows[protocol.Complete] + c.Rows[protocol.Truncated] + c.Rows[protocol.Unanswered]
	commands, replies := c.Frames[protocol.Request], c.Frames[protocol.Response]-c.LostFrames[protocol.LostUnpaired]
	if rows < commands || rows > commands+replies {
		return fmt.Errorf("%d rows of %d commands and %d replies", rows, commands, replies)
	}
	return nil
}

// FuzzRedis plays the bytes of both directions whole and in pieces. If nothing is lost
// of the pieces or of the whole, both make the same rows.
func FuzzRedis(f *testing.F) {
	for _, x := range exchanges() {
		f.Add(x.request, x.response, byte(1))
	}
	f.Add([]byte("*2\r\n$6\r\nSELECT\r\n$1\r\n1\r\nQUIT\r\n"), []byte("|1\r\n+a\r\n$?\r\n;2\r\nab\r\n;0\r\n+OK\r\n%?\r\n#t\r\n,1\r\n.\r\n"), byte(3))
	f.Fuzz(func(t *testing.T, request, response []byte, piece byte) {
		request = append([]byte("*1\r\n$4\r\nPING\r\n"), request...)
		whole, intact := replay(request, response, 1<<20)
		pieces, also := replay(request, response, int(piece)+1)
		if intact && also && !slices.Equal(whole, pieces) {
			t.Fatalf("whole:\n%q\nin pieces of %d:\n%q", whole, int(piece)+1, pieces)
		}
	})
}

// replay plays both directions in pieces of size bytes, and returns the rows as text
// and whether nothing was lost.
func replay(request, response []byte, size int) (rows []string, intact bool) {
	e := protocol.NewEngine(protocol.Config{}, []protocol.Protocol{redis.New(redis.Config{ValueBytes: 16})},
		func(_ *protocol.Conn, r *table.Row) { rows = append(rows, fmt.Sprint(r.Values)) })
	s := e.Open(&protocol.Conn{Role: protocol.Client, Transport: protocol.TCP})
	for side, data := range [][]byte{request, response} {
		pos := uint64(0)
		for piece := range slices.Chunk(data, size) {
			s.Data(protocol.Side(side), protocol.Segment{Pos: pos, Len: uint32(len(piece)), Time: 1, Data: piece})
			pos += uint64(len(piece))
		}
	}
	s.Close([2]protocol.End{}, 2)
	c := e.Stats().Protocols[0]
	lost := c.Rows[protocol.Truncated] + c.GivenBack + e.Stats().Ignored
	for reason := range protocol.Losses {
		lost += c.LostFrames[reason] + c.LostBytes[reason]
	}
	return rows, lost == 0
}
