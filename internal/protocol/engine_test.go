// SPDX-License-Identifier: Apache-2.0

package protocol_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/puck-otel/puck/internal/protocol"
	"github.com/puck-otel/puck/internal/table"
)

// The tests' protocol has lines: "q<id> text" asks, "r<id> text" answers, in any
// order, "p text" is pushed by the server and never answered, "x" ends the
// protocol, "s" hands the connection to another, and "k<n>" carries n more bytes.
type line struct {
	kind byte
	id   string
	left int
	text string
}

type record struct {
	protocol.Exchange
	text string
}

type shared struct{ asked int }

func of(r *record) *protocol.Exchange { return &r.Exchange }

var lines = table.New("lines", "Lines of the tests' protocol.", protocol.Columns(of, protocol.ResponseTime,
	table.Col("text", "What was asked and answered.", func(r *record) string { return r.text }),
	protocol.LatencyColumn(of))...)

func newLines(title string, first byte) protocol.Spec[line, record, shared] {
	return protocol.Spec[line, record, shared]{
		Title: title, Table: lines, Capture: 10_000, Pending: 8, Datagrams: true,
		Match: func(_ *protocol.Conn, dir protocol.Direction, data []byte) protocol.Match {
			switch {
			case data[0] != first:
				return protocol.No
			case len(data) < 2:
				return protocol.Maybe
			case data[1] == 'q':
				return protocol.IsRequest
			case data[1] == 'r':
				return protocol.IsResponse
			}
			return protocol.Yes
		},
		Parse: func(in *protocol.Input[line, shared], f *line) (int, protocol.Status) { return parseLine(in, f, first) },
		Resync: func(_ protocol.Direction, data []byte) int {
			if i := bytes.IndexByte(data, first); i >= 0 {
				return i
			}
			return len(data)
		},
		Stitch: stitchLines,
		Size:   func(f *line) int { return len(f.id) + len(f.text) },
	}
}

func parseLine(in *protocol.Input[line, shared], f *line, first byte) (int, protocol.Status) {
	if f.left > 0 {
		n := min(f.left, len(in.Data)+in.Gap)
		if f.left -= n; f.left > 0 {
			return n, protocol.More
		}
		return n, protocol.Done
	}
	end := bytes.IndexByte(in.Data, '\n')
	if end < 0 {
		return 0, protocol.More
	}
	text := in.Data[:end]
	if len(text) < 2 || text[0] != first {
		return 0, protocol.Invalid
	}
	f.kind, f.text = text[1], string(text[2:])
	f.id, f.text, _ = strings.Cut(f.text, " ")
	switch f.kind {
	case 'q':
		in.State.asked++
	case 'x':
		return end + 1, protocol.Last
	case 's':
		return end + 1, protocol.Switch
	case 'k':
		fmt.Sscan(f.id, &f.left)
		return end + 1, protocol.More
	}
	return end + 1, protocol.Done
}

func stitchLines(s *protocol.Stitcher[line, record, shared]) {
	for s.Responses.Len() > 0 {
		resp := s.Responses.At(0)
		r := s.Record()
		r.Exchange = protocol.Exchange{Conn: s.Conn, Response: resp.Extent}
		r.text = string(resp.Frame.kind) + resp.Frame.text
		for i := range s.Requests.Len() {
			if req := s.Requests.At(i); resp.Frame.kind == 'r' && req.Frame.id == resp.Frame.id {
				r.Request, r.text = req.Extent, req.Frame.text+"="+resp.Frame.text
				s.Requests.Remove(i)
				break
			}
		}
		s.Emit(r, protocol.Complete)
		s.Responses.Pop()
	}
	for s.Requests.Len() > 0 && (s.Why > protocol.Tick || s.Why == protocol.Tick && s.Now-s.Requests.At(0).Last > int64(5*time.Second)) {
		r := s.Record()
		given := protocol.Extent{First: s.Now, Last: s.Now}
		r.Exchange = protocol.Exchange{Conn: s.Conn, Request: s.Requests.At(0).Extent, Response: given}
		r.text = s.Requests.At(0).Frame.text + "=?"
		s.Emit(r, protocol.Unanswered)
		s.Requests.Pop()
	}
}

// rig is an engine with one connection, whose positions it keeps.
type rig struct {
	*protocol.Engine
	stream *protocol.Stream
	conn   *protocol.Conn
	pos    [2]uint64
	rows   []string
	now    int64
}

func newRig(config protocol.Config, conn protocol.Conn, protocols ...protocol.Protocol) *rig {
	r := &rig{conn: &conn, now: 1000}
	r.Engine = protocol.NewEngine(config, protocols, func(_ *protocol.Conn, row *table.Row) {
		r.rows = append(r.rows, row.Values[row.Schema.Index("text")].Str)
	})
	r.stream = r.Open(r.conn)
	return r
}

func (r *rig) data(side protocol.Side, data string) {
	r.stream.Data(side, protocol.Segment{Pos: r.pos[side], Len: uint32(len(data)), Time: r.now, Data: []byte(data)})
	r.pos[side] += uint64(len(data))
	r.now++
}

func (r *rig) want(t *testing.T, rows ...string) {
	t.Helper()
	if !slices.Equal(r.rows, rows) {
		t.Errorf("rows are %q, want %q", r.rows, rows)
	}
}

func client() protocol.Conn {
	return protocol.Conn{Role: protocol.Client, Transport: protocol.TCP}
}

func TestInterleaved(t *testing.T) {
	r := newRig(protocol.Config{}, client(), newLines("lines", '#'))
	r.data(protocol.Send, "#q1 a\n#q2 b\n#q3 c\n")
	r.data(protocol.Recv, "#r3 C\n#p push\n#r1")
	r.data(protocol.Recv, " A\n#r2 B\n")
	r.want(t, "c=C", "ppush", "a=A", "b=B")
	if got := r.stream.Verdict(); got != 10_000 {
		t.Errorf("Verdict is %d, want the protocol's 10000", got)
	}
}

func TestServerSpeaksFirst(t *testing.T) {
	r := newRig(protocol.Config{}, protocol.Conn{Role: protocol.UnknownRole, Transport: protocol.TCP}, newLines("lines", '#'))
	r.data(protocol.Recv, "#")
	r.data(protocol.Recv, "r0 hello\n")
	r.data(protocol.Send, "#q1 a\n")
	r.data(protocol.Recv, "#r1 A\n")
	r.want(t, "rhello", "a=A")
	if r.conn.Role != protocol.Client {
		t.Errorf("the role is %d, want client", r.conn.Role)
	}
}

func TestDirectionByPort(t *testing.T) {
	conn := protocol.Conn{Role: protocol.UnknownRole, Transport: protocol.TCP}
	r := newRig(protocol.Config{}, conn, newLines("lines", '#'))
	r.data(protocol.Send, "#p x\n")
	if r.stream.Protocol() >= 0 {
		t.Error("matched although neither the bytes nor the ports show the direction")
	}
	conn.Local, conn.Remote = netip.MustParseAddrPort("[::1]:50000"), netip.MustParseAddrPort("[::1]:80")
	r = newRig(protocol.Config{}, conn, newLines("lines", '#'))
	r.data(protocol.Recv, "#p x\n")
	if r.want(t, "px"); r.conn.Role != protocol.Client {
		t.Errorf("the role is %d, want client", r.conn.Role)
	}
}

func TestTimeout(t *testing.T) {
	r := newRig(protocol.Config{}, client(), newLines("lines", '#'))
	r.data(protocol.Send, "#q1 a\n")
	r.Expire(r.now + int64(time.Second))
	r.want(t)
	r.Expire(r.now + int64(6*time.Second))
	r.want(t, "a=?")
	r.data(protocol.Send, "#q2 b\n")
	r.stream.Close([2]protocol.End{}, r.now)
	r.want(t, "a=?", "b=?")
}

func TestLastEndsBothDirections(t *testing.T) {
	r := newRig(protocol.Config{}, client(), newLines("lines", '#'))
	r.data(protocol.Send, "#q1 a\n#x \n#q2 b\n")
	r.data(protocol.Recv, "#r1 A\n")
	r.want(t, "a=?", "=?")
	if got := r.stream.Verdict(); got != 0 {
		t.Errorf("Verdict is %d, want 0", got)
	}
}

func TestSwitch(t *testing.T) {
	r := newRig(protocol.Config{}, client(), newLines("lines", '#'), newLines("other", '%'))
	r.data(protocol.Send, "#q1 a\n")
	r.data(protocol.Recv, "#r1 A\n#s \n%r9 other\n")
	r.data(protocol.Send, "%q2 b\n")
	r.data(protocol.Recv, "%r2 B\n")
	r.want(t, "a=A", "s", "rother", "b=B")
	if got := r.stream.Protocol(); got != 1 {
		t.Errorf("Protocol is %d, want 1", got)
	}
}

func TestDatagrams(t *testing.T) {
	conn := client()
	conn.Transport = protocol.UDP
	r := newRig(protocol.Config{}, conn, newLines("lines", '#'))
	r.data(protocol.Send, "#q1 a\n")
	r.data(protocol.Send, "#q2 cut")
	r.data(protocol.Send, "#q3 c\n")
	r.data(protocol.Recv, "#r3 C\n")
	r.data(protocol.Recv, "#r1 A\n")
	r.want(t, "c=C", "a=A")
	if got := r.Stats().Protocols[0].LostFrames[protocol.LostEnd]; got != 1 {
		t.Errorf("%d frames ended unfinished, want 1", got)
	}
}

func TestUnmatchedIsIgnored(t *testing.T) {
	r := newRig(protocol.Config{MatchBytes: 100}, client(), newLines("lines", '#'))
	for range 11 {
		if r.stream.Verdict() == 0 {
			t.Fatal("ignored too early")
		}
		r.data(protocol.Send, "ten bytes!")
	}
	if r.stream.Verdict() != 0 {
		t.Error("still looked at after 110 bytes")
	}
	r.data(protocol.Send, "#q1 a\n")
	if r.stream.Close([2]protocol.End{}, r.now); len(r.rows) != 0 || r.Stats().Streams != 0 || r.Stats().Buffered != 0 {
		t.Errorf("rows %q, stats %+v", r.rows, *r.Stats())
	}
}

func TestJoinedIsLookedAtForLonger(t *testing.T) {
	conn := client()
	conn.Joined = true
	r := newRig(protocol.Config{MatchBytes: 100}, conn, newLines("lines", '#'))
	for range 1000 {
		r.data(protocol.Send, strings.Repeat("body", 100))
	}
	r.data(protocol.Recv, "unknown answer\n")
	r.data(protocol.Send, "#q1 a\n")
	r.data(protocol.Recv, "#r1 A\n")
	r.want(t, "a=A")
}

// TestGivenBack has a protocol fail, and not find its way again: the other one
// gets the connection, and after it failed as well none does.
func TestGivenBack(t *testing.T) {
	r := newRig(protocol.Config{MatchBytes: 20}, client(), newLines("lines", '#'), newLines("other", '%'))
	r.data(protocol.Send, "#q1 a\n")
	for range 4 {
		r.data(protocol.Send, "garbage\n")
	}
	if got := r.stream.Protocol(); got != -1 {
		t.Fatalf("Protocol is %d after 32 bytes of garbage, want -1", got)
	}
	r.data(protocol.Send, "%q1 b\n")
	r.data(protocol.Recv, "%r1 B\n")
	r.want(t, "a=?", "b=B")
	for range 4 {
		r.data(protocol.Send, "garbage\n")
	}
	if r.stream.Verdict() != 0 {
		t.Error("still looked at after two protocols failed")
	}
	for i, p := range r.Stats().Protocols {
		if p.GivenBack != 1 || p.Matched != 1 {
			t.Errorf("protocol %d: %+v", i, p)
		}
	}
}

func TestLimits(t *testing.T) {
	r := newRig(protocol.Config{FrameBytes: 64}, client(), newLines("lines", '#'))
	r.data(protocol.Send, "#q1 "+strings.Repeat("x", 30))
	r.data(protocol.Send, strings.Repeat("x", 40))
	if c := r.Stats().Protocols[0]; c.LostFrames[protocol.LostLimit] != 1 || r.Stats().Buffered != 0 {
		t.Errorf("%d frames over the limit, %d bytes kept", c.LostFrames[protocol.LostLimit], r.Stats().Buffered)
	}
	r.data(protocol.Send, "#q2 b\n")
	r.data(protocol.Recv, "#r2 B\n")
	r.want(t, "b=B")
	for range 9 {
		r.data(protocol.Send, "#q3 c\n")
	}
	if r.stream.Verdict() != 0 {
		t.Error("nine frames wait where eight may")
	}
}

func TestTotalLimit(t *testing.T) {
	r := newRig(protocol.Config{TotalBytes: 100}, client(), newLines("lines", '#'))
	var streams []*protocol.Stream
	for range 10 {
		conn := client()
		s := r.Open(&conn)
		s.Data(protocol.Send, protocol.Segment{Len: 30, Data: []byte("#q1 " + strings.Repeat("y", 26))})
		streams = append(streams, s)
	}
	if got := r.Stats().Buffered; got > 100 {
		t.Errorf("%d bytes kept, want at most 100", got)
	}
	for _, s := range streams {
		s.Close([2]protocol.End{}, 1)
	}
	if got := r.Stats().Buffered; got != 0 {
		t.Errorf("%d bytes kept after all is closed", got)
	}
}

// TestWaitingFrames counts what frames hold that wait, which a connection may do with
// a sixteenth of what the engine may hold.
func TestWaitingFrames(t *testing.T) {
	conn := client()
	r := newRig(protocol.Config{TotalBytes: 320}, conn, newLines("lines", '#'))
	held := func(want int) {
		t.Helper()
		if got := r.Stats().Buffered; got != want {
			t.Errorf("%d bytes held, want %d", got, want)
		}
	}
	r.data(protocol.Send, "#q1 abcd\n#q2 efg\n#q3 hi\n#q")
	held(4 + 3 + len("#q")) // the first is the only one, and light
	r.data(protocol.Recv, "#r2 B\n")
	held(3 + len("#q"))
	r.data(protocol.Send, "4 "+strings.Repeat("y", 20)+"\n") // more than 20 in all
	held(0)
	if r.stream.Verdict() != 0 {
		t.Error("not given up")
	}
	r.want(t, "efg=B", "abcd=?", "hi=?", strings.Repeat("y", 20)+"=?")

	s := r.Open(&conn)
	long := []byte("#q1 " + strings.Repeat("z", 2000) + "\n")
	s.Data(protocol.Send, protocol.Segment{Len: uint32(len(long)), Data: long})
	held(0)
	if got := r.Stats().Protocols[0].LostFrames[protocol.LostLimit]; got != 2 {
		t.Errorf("%d frames lost to the limit, want 2", got)
	}
}

func TestPositions(t *testing.T) {
	r := newRig(protocol.Config{}, client(), newLines("lines", '#'))
	r.pos[protocol.Send] = 1 << 40
	r.data(protocol.Send, "#q1 a\n")
	r.pos[protocol.Send] -= 4 // " a\n" again, then what is new
	r.data(protocol.Send, "1 a\n#q2 b\n")
	r.pos[protocol.Recv] = 1<<64 - 3 // the position wraps
	r.data(protocol.Recv, "#r1 A\n")
	r.data(protocol.Recv, "#k20 \n")
	r.pos[protocol.Recv] += 20 // within what the frame announced
	r.data(protocol.Recv, "#r2 B\n")
	r.want(t, "a=A", "k", "b=B")
	r.pos[protocol.Recv] += 1 << 33
	r.data(protocol.Send, "#q4 d\n")
	r.data(protocol.Recv, "rest\n#r4 D\n")
	if s := r.Stats(); s.Wild != 1 || s.Overlap != 4 {
		t.Errorf("%d wild positions, %d bytes of overlap", s.Wild, s.Overlap)
	}
}

func TestStaleBytesAreDropped(t *testing.T) {
	r := newRig(protocol.Config{}, client(), newLines("lines", '#'))
	r.data(protocol.Send, "#q1 a\n#q2 b")
	if r.Expire(r.now + int64(29*time.Second)); r.Stats().Buffered == 0 {
		t.Error("dropped before 30 s")
	}
	if r.Expire(r.now + int64(31*time.Second)); r.Stats().Buffered != 0 {
		t.Error("kept for more than 30 s")
	}
	if got := r.Stats().Protocols[0].LostFrames[protocol.LostStale]; got != 1 {
		t.Errorf("%d stale frames, want 1", got)
	}
}

func TestStreamsAreReused(t *testing.T) {
	r := newRig(protocol.Config{}, client(), newLines("lines", '#'))
	conn := client()
	segment := protocol.Segment{Len: 6, Data: []byte("#p ab\n")}
	cycle := func() {
		s := r.Open(&conn)
		s.Data(protocol.Recv, segment)
		s.Close([2]protocol.End{}, 5)
		r.rows = r.rows[:0]
	}
	cycle()
	// Two are the frame's and the record's own text.
	if got := testing.AllocsPerRun(100, cycle); got > 2 {
		t.Errorf("%v allocations a connection", got)
	}
}
