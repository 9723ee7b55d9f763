// SPDX-License-Identifier: Apache-2.0

package http1_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/puck-otel/puck/internal/protocol"
	"github.com/puck-otel/puck/internal/protocol/http1"
	"github.com/puck-otel/puck/internal/protocol/prototest"
	"github.com/puck-otel/puck/internal/table"
)

// FuzzEngine plays any sequence of events: data, gaps, jumps, ends, time.
func FuzzEngine(f *testing.F) {
	prototest.Fuzz(f, []protocol.Protocol{http1.New(http1.Config{
		RequestHeaders: []string{"*"}, ResponseHeaders: []string{"content-type"}, BodyBytes: 64,
	})}, accounted, "testdata", "testdata/keep")
}

// accounted checks that each complete request made one row, and that each
// complete response is in a row or counted as unpaired.
func accounted(c protocol.Counters) error {
	rows := c.Rows[protocol.Complete] + c.Rows[protocol.Truncated] + c.Rows[protocol.Unanswered]
	if rows != c.Frames[protocol.Request] {
		return fmt.Errorf("%d rows of %d requests", rows, c.Frames[protocol.Request])
	}
	paired := c.Frames[protocol.Response] - c.LostFrames[protocol.LostUnpaired]
	if paired < c.Rows[protocol.Complete] || paired > c.Rows[protocol.Complete]+c.Rows[protocol.Truncated] {
		return errors.New("responses are neither in rows nor counted")
	}
	return nil
}

// FuzzHTTP1 plays the bytes of both directions whole and in pieces. If nothing is
// lost of the pieces or of the whole, both make the same rows.
func FuzzHTTP1(f *testing.F) {
	for _, x := range exchanges() {
		f.Add(x.request, x.response, byte(1))
	}
	f.Add([]byte("GET /1 HTTP/1.1\r\n\r\nHEAD /2 HTTP/1.0\n\n"), []byte("HTTP/1.1 100\r\n\r\nHTTP/1.1 204\r\n\r\nHTTP/1.0 200 OK\r\n\r\n"), byte(3))
	f.Fuzz(func(t *testing.T, request, response []byte, piece byte) {
		request = append([]byte("GET /first HTTP/1.1\r\n\r\n"), request...)
		whole, intact := replay(request, response, 1<<20)
		pieces, also := replay(request, response, int(piece)+1)
		if intact && also && !slices.Equal(whole, pieces) {
			t.Fatalf("whole:\n%q\nin pieces of %d:\n%q", whole, int(piece)+1, pieces)
		}
	})
}

// replay plays both directions in pieces of size bytes, and returns the rows as
// text and whether nothing was lost.
func replay(request, response []byte, size int) (rows []string, intact bool) {
	e := protocol.NewEngine(protocol.Config{}, []protocol.Protocol{http1.New(http1.Config{KeepQuery: true, BodyBytes: 16})},
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
