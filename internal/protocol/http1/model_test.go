// SPDX-License-Identifier: Apache-2.0

package http1_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/puck-otel/puck/internal/protocol"
	"github.com/puck-otel/puck/internal/protocol/http1"
	"github.com/puck-otel/puck/internal/table"
)

// truth is an exchange as its two ends know it.
type truth struct {
	method, path     string
	request, reply   string
	reqSize, repSize int64
	status           int64
}

// model makes exchanges.
type model struct {
	r      *rand.Rand
	tricky bool // bodies that look like heads
}

func (m *model) body(n int) string {
	if m.tricky && m.r.IntN(3) == 0 {
		text := []string{"GET /inside HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "HELLO", "\r\n\r\n", "0\r\n\r\n", "POST"}
		b := ""
		for len(b) < n {
			b += text[m.r.IntN(len(text))]
		}
		return b[:n]
	}
	b := make([]byte, n)
	for i := range b {
		b[i] = "abcdefghij {}\":,\n\x00\xff"[m.r.IntN(18)]
	}
	return string(b)
}

func (m *model) size() int {
	switch m.r.IntN(4) {
	case 0:
		return m.r.IntN(6)
	case 1:
		return m.r.IntN(200)
	case 2:
		return m.r.IntN(3000)
	}
	return m.r.IntN(20000)
}

// content returns the header field that tells of a body, the body as sent, and its size.
func (m *model) content() (head, body string, size int64) {
	n := m.size()
	b := m.body(n)
	if m.r.IntN(2) == 0 {
		return fmt.Sprintf("Content-Length: %d\r\n", n), b, int64(n)
	}
	out := ""
	for rest := b; len(rest) > 0; {
		k := min(len(rest), 1+m.r.IntN(5000))
		ext := []string{"", ";a=b", " "}[m.r.IntN(3)]
		out += fmt.Sprintf("%x%s\r\n%s\r\n", k, ext, rest[:k])
		rest = rest[k:]
	}
	out += "0\r\n"
	if m.r.IntN(3) == 0 {
		out += "X-Sum: 1\r\nX-More: 2\r\n"
	}
	return "Transfer-Encoding: chunked\r\n", out + "\r\n", int64(n)
}

// exchange returns the exchange with number i, which its path and status show.
func (m *model) exchange(i int) truth {
	t := truth{path: fmt.Sprintf("/%d", i), status: int64(200 + i%300)}
	t.method = []string{"GET", "GET", "POST", "PUT", "HEAD", "DELETE", "PATCH", "OPTIONS"}[m.r.IntN(8)]
	if t.status == 204 || t.status == 304 {
		t.status = 201
	}
	t.request = fmt.Sprintf("%s %s HTTP/1.1\r\nHost: h\r\n", t.method, t.path)
	if m.r.IntN(2) == 0 && t.method != "GET" && t.method != "HEAD" {
		h, b, n := m.content()
		t.request += h + "\r\n" + b
		t.reqSize = n
	} else {
		t.request += "\r\n"
	}
	if m.r.IntN(10) == 0 {
		t.reply = "HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n"
	}
	pad := ""
	if m.r.IntN(20) == 0 {
		pad = "Set-Cookie: " + strings.Repeat("c", m.r.IntN(3000)) + "\r\n"
	}
	switch {
	case m.r.IntN(10) == 0:
		t.status = []int64{204, 304}[m.r.IntN(2)]
		t.reply += fmt.Sprintf("HTTP/1.1 %d X\r\n%sContent-Length: 99\r\n\r\n", t.status, pad)
	case t.method == "HEAD":
		h, _, _ := m.content()
		t.reply += fmt.Sprintf("HTTP/1.1 %d X\r\n%s%s\r\n", t.status, pad, h)
	default:
		h, b, n := m.content()
		t.reply += fmt.Sprintf("HTTP/1.1 %d X\r\n%s%s\r\n%s", t.status, pad, h, b)
		t.repSize = n
	}
	return t
}

func (m *model) exchanges(n int) (all []truth) {
	for i := range n {
		all = append(all, m.exchange(i))
	}
	return all
}

// piece is a read.
type piece struct {
	side protocol.Side // as the client
	data string
}

// schedule interleaves the two directions as real ends would: a response begins
// when its request is whole.
func (m *model) schedule(all []truth, depth int, tiny bool) []piece {
	var out []piece
	var given, whole, got, bytes int // requests begun, sent, and replies begun; bytes sent
	var ends []int
	var c, s string // what is left to write
	total := 0
	length := func(left int) int {
		switch {
		case tiny:
			return min(left, 1+m.r.IntN(30))
		case m.r.IntN(2) == 0:
			return left
		}
		return min(left, 1+m.r.IntN(9000))
	}
	for got < len(all) || s != "" {
		canSend := c != "" || given < len(all) && given-got < depth && (depth > 1 || s == "")
		canReply := s != "" || got < whole
		switch {
		case canSend && (!canReply || m.r.IntN(2) == 0):
			if c == "" {
				for {
					c += all[given].request
					total += len(all[given].request)
					ends = append(ends, total)
					given++
					if given >= len(all) || given-got >= depth || m.r.IntN(3) > 0 {
						break
					}
				}
			}
			n := length(len(c))
			out = append(out, piece{protocol.Send, c[:n]})
			c = c[n:]
			bytes += n
			for whole < len(ends) && ends[whole] <= bytes {
				whole++
			}
		case canReply:
			if s == "" {
				for {
					s += all[got].reply
					got++
					if got >= whole || m.r.IntN(3) > 0 {
						break
					}
				}
			}
			n := length(len(s))
			out = append(out, piece{protocol.Recv, s[:n]})
			s = s[n:]
		default:
			panic("stuck")
		}
	}
	return out
}

// seenRow is what a row claims of an exchange.
type seenRow struct {
	method           string
	reqSize, repSize int64
	status           int64
	truncated        bool
}

// playModel plays the pieces, of each of which limit bytes are copied, but for those
// that are lost, and returns the rows by path. The bytes that the engine has no use for
// are left out, as the kernel side does, if skips is set.
func playModel(c *protocol.Conn, pieces []piece, start uint64, limit int, skips bool, lost func(i int) bool) map[string][]seenRow {
	rows := map[string][]seenRow{}
	e := protocol.NewEngine(protocol.Config{SkipBytes: 1}, []protocol.Protocol{http1.New(http1.Config{})}, func(_ *protocol.Conn, r *table.Row) {
		v := func(name string) table.Value { return r.Values[r.Schema.Index(name)] }
		path := v("req_path").Str
		rows[path] = append(rows[path], seenRow{v("req_method").Str, v("req_body_size").Num, v("resp_body_size").Num,
			v("resp_status").Num, v("truncated").Num != 0})
	})
	server := c.Role == protocol.Server
	s := e.Open(c)
	pos := [2]uint64{start, start}
	now := int64(1000)
	for i, p := range pieces {
		side := p.side
		if server {
			side = 1 - side
		}
		now += 1000
		left := 0
		if until := s.Skip(side); skips && until > pos[side] {
			left = int(min(until-pos[side], uint64(len(p.data))))
		}
		if data := p.data[left:]; !lost(i) && data != "" {
			s.Data(side, protocol.Segment{
				Pos: pos[side] + uint64(left), Len: uint32(len(data)), Time: now,
				Data: []byte(data[:min(len(data), max(0, limit-left))]),
			})
		}
		pos[side] += uint64(len(p.data))
	}
	s.Close([2]protocol.End{{Pos: pos[0], Last: now}, {Pos: pos[1], Last: now}}, now+1000)
	return rows
}

// tally is how many rows are which.
type tally struct{ right, wrong, truncated, missing, multiple int }

// count compares the rows with the truth. It shows the first that are wrong.
func (n *tally) count(t *testing.T, seed uint64, all []truth, rows map[string][]seenRow) {
	for _, x := range all {
		got := rows[x.path]
		delete(rows, x.path)
		want := seenRow{x.method, x.reqSize, x.repSize, x.status, false}
		switch {
		case len(got) == 0:
			n.missing++
		case len(got) > 1:
			n.multiple++
		case got[0].truncated:
			n.truncated++
		case got[0] == want:
			n.right++
		default:
			if n.wrong++; n.wrong < 5 {
				t.Logf("seed %d, %s: got %+v, want %+v", seed, x.path, got[0], want)
			}
		}
	}
	n.wrong += len(rows)
	for path, extra := range rows {
		t.Logf("seed %d: extra rows of %s: %+v", seed, path, extra)
	}
}

// TestModel plays random exchanges of which all is known. With nothing lost every row
// is exactly right. With slices copied, or reads lost, a row that does not say that it
// is truncated is right, but for a few of pipelined ones: a request that nothing tells
// of, since it is among the missing bytes of another, shifts those behind it.
func TestModel(t *testing.T) {
	const whole, slice = 1 << 20, 4096
	for _, c := range []struct {
		name     string
		limit    int
		depth    int  // requests that may be pipelined
		tiny     bool // reads of a few bytes
		skips    bool // bytes without use are left out
		permille int  // reads that are lost
		seeds    uint64
	}{
		{"whole sequential", whole, 1, false, false, 0, 60},
		{"whole pipelined", whole, 8, false, false, 0, 60},
		{"whole tiny sequential", whole, 1, true, false, 0, 20},
		{"whole tiny pipelined", whole, 8, true, false, 0, 20},
		{"skipped sequential", whole, 1, false, true, 0, 60},
		{"skipped pipelined", whole, 8, false, true, 0, 60},
		{"sliced sequential", slice, 1, false, false, 0, 200},
		{"sliced pipelined", slice, 8, false, false, 0, 200},
		{"sliced skipped sequential", slice, 1, false, true, 0, 200},
		{"lossy sequential", whole, 1, false, false, 20, 200},
		{"lossy pipelined", whole, 8, false, false, 20, 200},
		{"lossy sliced sequential", slice, 1, false, false, 20, 200},
		{"lossy sliced pipelined", slice, 8, false, false, 20, 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			intact := c.permille == 0 && c.limit == whole
			var n tally
			for seed := range c.seeds {
				m := &model{r: rand.New(rand.NewPCG(seed, 7)), tricky: intact}
				all := m.exchanges(30)
				pieces := m.schedule(all, c.depth, c.tiny)
				conn := &protocol.Conn{Role: protocol.Client, Transport: protocol.TCP, Start: [2]uint64{1, 1}}
				if seed%2 == 1 {
					conn.Role = protocol.Server
				}
				rows := playModel(conn, pieces, 1, c.limit, c.skips, func(int) bool { return m.r.IntN(1000) < c.permille })
				n.count(t, seed, all, rows)
			}
			t.Logf("%+v", n)
			if n.multiple > 0 || c.depth == 1 && n.wrong > 0 || n.wrong*100 > n.right ||
				intact && (n.truncated > 0 || n.missing > 0 || n.wrong > 0) {
				t.Fail()
			}
		})
	}
}

// TestJoinedModel joins connections in the middle. A client that pipelines may owe
// answers then to requests that were not seen, and if it always has the same number
// under way, nothing tells.
func TestJoinedModel(t *testing.T) {
	for _, c := range []struct {
		limit, depth int
		most         int // percent of the requests whose rows may be wrong
	}{{1 << 20, 1, 0}, {4096, 1, 0}, {1 << 20, 8, 5}} {
		t.Run(fmt.Sprintf("%d bytes, depth %d", c.limit, c.depth), func(t *testing.T) {
			var n tally
			for seed := range uint64(300) {
				m := &model{r: rand.New(rand.NewPCG(seed, 7))}
				all := m.exchanges(12)
				pieces := m.schedule(all, c.depth, false)
				conn := &protocol.Conn{Joined: true, Transport: protocol.TCP}
				conn.Role = [...]protocol.Role{protocol.UnknownRole, protocol.Client, protocol.Server}[seed%3]
				first := m.r.IntN(len(pieces))
				n.count(t, seed, all, playModel(conn, pieces, 1000, c.limit, false, func(i int) bool { return i < first }))
			}
			t.Logf("%+v", n)
			if n.multiple > 0 || n.wrong*100 > c.most*(n.right+n.wrong+n.truncated) {
				t.Fail()
			}
		})
	}
}
