// SPDX-License-Identifier: Apache-2.0

package http1_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/puck-otel/puck/internal/protocol"
	"github.com/puck-otel/puck/internal/protocol/http1"
	"github.com/puck-otel/puck/internal/table"
)

// TestEveryLossIsCounted plays exchanges on keep-alive connections and loses some
// of the reads. Each request that was read makes a row, each row that has a
// status has the right one, and a row without one says why.
func TestEveryLossIsCounted(t *testing.T) {
	const connections, each = 16, 1000
	for _, permille := range []int{0, 1, 50, 500} {
		t.Run(fmt.Sprintf("%d of 1000", permille), func(t *testing.T) {
			random := rand.New(rand.NewPCG(1, uint64(permille)))
			var right, wrong, incomplete int
			e := protocol.NewEngine(protocol.Config{}, []protocol.Protocol{http1.New(http1.Config{})},
				func(_ *protocol.Conn, r *table.Row) {
					path, status := r.Values[r.Schema.Index("req_path")].Str, r.Values[r.Schema.Index("resp_status")].Num
					var n int64
					fmt.Sscanf(path, "/%d", &n)
					switch {
					case r.Values[r.Schema.Index("truncated")].Num != 0:
						incomplete++
					case status == 200+n%300:
						right++
					default:
						wrong++
					}
				})
			seen, lostResponses := 0, 0
			for range connections {
				requests, responses := playLossy(e, random, permille, each)
				seen, lostResponses = seen+requests, lostResponses+responses
			}
			if right+wrong+incomplete != seen {
				t.Errorf("%d rows of %d requests", right+wrong+incomplete, seen)
			}
			if permille == 0 && (wrong > 0 || incomplete > 0) {
				t.Errorf("%d rows wrong, %d incomplete, though nothing was lost", wrong, incomplete)
			}
			// A wrong pair needs several losses in a row that leave no trace between them.
			if limit := connections * each * permille / 500_000; wrong > limit {
				t.Errorf("%d rows are wrong, want at most %d", wrong, limit)
			}
			t.Logf("%d requests seen, %d responses lost: %d rows right, %d incomplete, %d wrong", seen, lostResponses, right, incomplete, wrong)
		})
	}
}

// playLossy plays exchanges, the nth of which has the path /n and the status
// 200+n%300, and returns how many requests were not lost, and how many of their
// responses were.
func playLossy(e *protocol.Engine, random *rand.Rand, permille, exchanges int) (seen, lost int) {
	s := e.Open(&protocol.Conn{Role: protocol.Client, Transport: protocol.TCP, Start: [2]uint64{1, 1}})
	pos := [2]uint64{1, 1}
	for n := range exchanges {
		data := [2]string{
			fmt.Sprintf("GET /%d HTTP/1.1\r\nHost: h\r\n\r\n", n),
			fmt.Sprintf("HTTP/1.1 %d X\r\nContent-Length: 3\r\n\r\nabc", 200+n%300),
		}
		asked := false
		for side, text := range data {
			if random.IntN(1000) >= permille {
				s.Data(protocol.Side(side), protocol.Segment{
					Pos: pos[side], Len: uint32(len(text)), Time: int64(2*n + side), Data: []byte(text),
				})
				if side == 0 {
					asked = true
					seen++
				}
			} else if side == 1 && asked {
				lost++
			}
			pos[side] += uint64(len(text))
		}
	}
	s.Close([2]protocol.End{}, int64(2*exchanges))
	return seen, lost
}
