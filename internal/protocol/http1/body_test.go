// SPDX-License-Identifier: Apache-2.0

package http1_test

import (
	"strings"
	"testing"

	"github.com/puck-otel/puck/internal/protocol"
	"github.com/puck-otel/puck/internal/protocol/http1"
	"github.com/puck-otel/puck/internal/table"
)

// TestChunkedSize moves 1 MiB in chunks of 8 KiB, read 16 KiB at a time, of which
// 4 KiB are copied. Where the chunks begin is lost with the first: what follows is
// counted as it passes, framing included.
func TestChunkedSize(t *testing.T) {
	var size int64
	var truncated bool
	e := protocol.NewEngine(protocol.Config{}, []protocol.Protocol{http1.New(http1.Config{})}, func(_ *protocol.Conn, r *table.Row) {
		size = r.Values[r.Schema.Index("resp_body_size")].Num
		truncated = r.Values[r.Schema.Index("truncated")].Num != 0
	})
	s := e.Open(&protocol.Conn{Role: protocol.Client, Transport: protocol.TCP})
	request := "GET /big HTTP/1.1\r\nHost: h\r\n\r\n"
	s.Data(protocol.Send, protocol.Segment{Len: uint32(len(request)), Time: 1, Data: []byte(request)})
	response := "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + strings.Repeat("2000\r\n"+strings.Repeat("x", 8192)+"\r\n", 128) + "0\r\n\r\n"
	for pos := 0; pos < len(response); {
		n := min(16<<10, len(response)-pos)
		s.Data(protocol.Recv, protocol.Segment{Pos: uint64(pos), Len: uint32(n), Time: int64(2 + pos), Data: []byte(response[pos : pos+min(n, 4096)])})
		pos += n
	}
	s.Close([2]protocol.End{}, int64(len(response)+3))
	if size < 1<<20*99/100 || size > 1<<20*101/100 || !truncated {
		t.Errorf("resp_body_size is %d of %d, truncated %v", size, 1<<20, truncated)
	}
}
