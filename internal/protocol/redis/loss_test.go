// SPDX-License-Identifier: Apache-2.0

package redis_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/puck-otel/puck/internal/protocol"
	"github.com/puck-otel/puck/internal/protocol/redis"
	"github.com/puck-otel/puck/internal/table"
)

// TestEveryLossIsCounted plays commands in pipelines, one or several at a time, and
// loses some of the reads. Each command that was read makes a row, a row that has a
// reply has the right one, and a row without one says why.
func TestEveryLossIsCounted(t *testing.T) {
	const connections, each = 16, 600
	for _, client := range []struct {
		name             string
		pipeline, window int
	}{{"one at a time", 1, 0}, {"five at a time", 5, 0}, {"never more than five", 1, 5}} {
		for _, permille := range []int{0, 1, 50, 500} {
			t.Run(fmt.Sprintf("%s, %d of 1000 lost", client.name, permille), func(t *testing.T) {
				random := rand.New(rand.NewPCG(1, uint64(permille)))
				var right, wrong, incomplete int
				e := protocol.NewEngine(protocol.Config{}, []protocol.Protocol{redis.New(redis.Config{ValueBytes: 256})},
					func(_ *protocol.Conn, r *table.Row) {
						args, resp := r.Values[r.Schema.Index("req_args")].Str, r.Values[r.Schema.Index("resp")].Str
						var n int
						fmt.Sscanf(args, `["%d"]`, &n)
						switch {
						case r.Values[r.Schema.Index("truncated")].Num != 0 || r.Span.ErrorType != "":
							incomplete++
						case resp == answer(n):
							right++
						default:
							wrong++
						}
					})
				seen := 0
				for range connections {
					seen += playLossy(e, random, permille, each, client.pipeline, client.window)
				}
				if right+wrong+incomplete != seen {
					t.Errorf("%d rows of %d commands", right+wrong+incomplete, seen)
				}
				if permille == 0 && (wrong > 0 || incomplete > 0) {
					t.Errorf("%d rows wrong, %d incomplete, though nothing was lost", wrong, incomplete)
				}
				// A wrong pair needs several losses in a row that leave no trace between them.
				if limit := connections * each * permille / 500_000; wrong > limit {
					t.Errorf("%d rows are wrong, want at most %d", wrong, limit)
				}
				t.Logf("%d commands seen: %d rows right, %d incomplete, %d wrong", seen, right, incomplete, wrong)
			})
		}
	}
}

// answer returns the text of the reply to command n, and reply what is sent of it: every
// third is an array.
func answer(n int) string {
	if n%3 == 0 {
		return fmt.Sprintf(`["%d",%d]`, n, n)
	}
	return fmt.Sprint("r", n)
}

func reply(n int) string {
	if n%3 == 0 {
		s := fmt.Sprint(n)
		return fmt.Sprintf("*2\r\n$%d\r\n%s\r\n:%s\r\n", len(s), s, s)
	}
	return fmt.Sprintf("$%d\r\nr%d\r\n", len(fmt.Sprint(n))+1, n)
}

// playLossy plays commands on one connection, each of which and each reply is a read of
// its own, and returns how many commands were not lost. The replies are behind by as many
// as window says. Every tenth pipeline comes after a while.
func playLossy(e *protocol.Engine, random *rand.Rand, permille, commands, pipeline, window int) (seen int) {
	s := e.Open(&protocol.Conn{Role: protocol.Client, Transport: protocol.TCP, Start: [2]uint64{1, 1}})
	pos, now := [2]uint64{1, 1}, int64(1)
	send := func(side protocol.Side, data []byte) bool {
		now++
		lost := random.IntN(1000) < permille
		if !lost {
			s.Data(side, protocol.Segment{Pos: pos[side], Len: uint32(len(data)), Time: now, Data: data})
		}
		pos[side] += uint64(len(data))
		return !lost
	}
	answered := 1
	for n := 1; n <= commands; n += pipeline {
		for i := n; i < n+pipeline; i++ {
			if send(protocol.Send, words("GET", fmt.Sprint(i))) {
				seen++
			}
		}
		for ; answered < n+pipeline-window; answered++ {
			send(protocol.Recv, []byte(reply(answered)))
		}
		if n/pipeline%10 == 9 {
			for ; answered < n+pipeline; answered++ {
				send(protocol.Recv, []byte(reply(answered)))
			}
			now += int64(1e9)
		}
	}
	for ; answered <= commands; answered++ {
		send(protocol.Recv, []byte(reply(answered)))
	}
	s.Close([2]protocol.End{{Pos: pos[0], Last: now}, {Pos: pos[1], Last: now}}, now)
	return seen
}
