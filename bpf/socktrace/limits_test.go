// SPDX-License-Identifier: Apache-2.0

//go:build linux

package socktrace

import (
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestNothingStays(t *testing.T) {
	tr := start(t, testConfig())
	p := launch(t, "churn")
	p.wait()
	killed := launch(t, "linger")
	killed.expect("lingering")
	if err := unix.Kill(int(killed.pid), unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	killed.reap()
	deadline := time.Now().Add(15 * time.Second)
	left := 0
	for time.Now().Before(deadline) {
		if err := tr.Sweep(0, func(Connection) {}); err != nil {
			t.Fatal(err)
		}
		left = 0
		err := tr.eachConnection(func(_ uint64, c *bpfConnection) {
			if c.Tgid == p.pid || c.Tgid == killed.pid {
				left++
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		if left == 0 {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if left != 0 {
		t.Errorf("%d connections stay in the map", left)
	}
	counters, err := tr.Counters()
	if err != nil {
		t.Fatal(err)
	}
	if counters[MapFull] != 0 || counters[Opened] < 2*churned {
		t.Errorf("opened %d, no room for %d", counters[Opened], counters[MapFull])
	}
}

// Sockets of killed processes whose addresses are used again are told of as closed.
func TestAddressReuse(t *testing.T) {
	tr := start(t, testConfig())
	var pids []uint32
	for range 20 {
		p := launch(t, "linger")
		p.expect("lingering")
		if err := unix.Kill(int(p.pid), unix.SIGKILL); err != nil {
			t.Fatal(err)
		}
		p.reap()
		pids = append(pids, p.pid)
	}
	swept := map[uint64]bool{}
	if err := tr.Sweep(0, func(c Connection) { swept[c.ID] = true }); err != nil {
		t.Fatal(err)
	}
	open := 0
	ended := func() bool {
		tr.mu.Lock()
		defer tr.mu.Unlock()
		open = 0
		for id, c := range tr.conns {
			if slices.Contains(pids, c.open.Tgid) && c.closed == nil && !swept[id] {
				open++
			}
		}
		return open == 0
	}
	for deadline := time.Now().Add(10 * time.Second); !ended() && time.Now().Before(deadline); {
		time.Sleep(10 * time.Millisecond)
	}
	if open != 0 {
		t.Errorf("%d connections of killed processes were never ended", open)
	}
}

func TestFull(t *testing.T) {
	config := testConfig()
	config.RingSize, config.MaxConnections, config.WakeupBytes = 4096, 16, 1<<30
	tr := start(t, config)
	launch(t, "churn").wait()
	counters, err := tr.Counters()
	if err != nil {
		t.Fatal(err)
	}
	if counters[RingFullData]+counters[RingFullOther] == 0 {
		t.Error("a ring of 4 KiB lost nothing")
	}
	if got := counters[DataBytes] + counters[TruncatedBytes] + counters[RingFullBytes]; got != counters[MovedBytes] {
		t.Errorf("copied + truncated + lost = %d bytes, moved %d", got, counters[MovedBytes])
	}
}

func TestFilters(t *testing.T) {
	config := testConfig()
	config.Servers = false
	tr := start(t, config)
	p := child(t, "echo", "tcp4", "write")
	tr.find(t, "connected", func(c *conn) bool {
		return c.open.Header.Role == RoleClient && c.open.Tgid == p.pid && c.closed != nil
	})
	tr.mu.Lock()
	defer tr.mu.Unlock()
	for _, c := range tr.conns {
		if c.open.Header.Role == RoleServer && c.open.Tgid == p.pid {
			t.Errorf("traced a server: %v", c.local)
		}
	}
}

func TestVerdicts(t *testing.T) {
	tr := start(t, testConfig())
	p := launch(t, "older")
	p.expect("connected")
	c := tr.find(t, "connected", func(c *conn) bool { return c.open.Tgid == p.pid && c.open.Header.Role == RoleClient })
	tr.SetVerdict(c.open.Header.Conn, 0)
	p.say("go on")
	p.wait()
	c = tr.find(t, "closed", func(c *conn) bool {
		return c.open.Tgid == p.pid && c.open.Header.Role == RoleClient && c.closed != nil
	})
	if strings.Contains(c.bytes(t, SideSend), "since then") {
		t.Error("copied bytes of an ignored connection")
	}
	if c.closed.Bytes[SideSend] == 0 {
		t.Error("an ignored connection's bytes are not counted")
	}
	if word := verdictWord(5, 4096); word != 5<<8|12 {
		t.Errorf("verdict word %#x", word)
	}
}

// What user space asks to skip makes no events, but for the call that ends it or
// goes on behind it. The end of the stream is told of by its position.
func TestSkip(t *testing.T) {
	tr := start(t, testConfig())
	for _, call := range []string{"write", "writev", "sendmsg"} {
		t.Run(call, func(t *testing.T) {
			p := launch(t, "skip", call)
			p.expect("sent the head")
			ours := func(c *conn) bool { return c.open.Header.Role == RoleClient && c.open.Tgid == p.pid && len(c.data) > 0 }
			c := tr.find(t, "with the head", ours)
			id, begin := c.open.Header.Conn, c.data[0].pos+uint64(len(skipHead))
			tr.SetSkip(id, SideSend, begin+skipBody)
			p.say("on")
			p.expect("sent the tail")
			c = tr.find(t, "with the tail", func(c *conn) bool { return ours(c) && len(c.data) > 1 })
			tr.SetSkip(id, SideSend, begin+skipBody+uint64(len(skipTail))+3000)
			p.say("on")
			c = tr.find(t, "closed", func(c *conn) bool { return ours(c) && c.closed != nil })
			var got []slice
			for _, d := range c.data {
				d.ts = 0
				got = append(got, d)
			}
			want := []slice{
				{side: SideSend, pos: begin - uint64(len(skipHead)), len: uint32(len(skipHead)), payload: skipHead},
				{side: SideSend, pos: begin + skipBody, len: uint32(len(skipTail)), payload: skipTail},
				{side: SideSend, pos: begin + skipBody + uint64(len(skipTail)) + 2000, len: 1000},
			}
			if !slices.Equal(got, want) {
				t.Errorf("events %+v, want %+v", got, want)
			}
			if end := want[2].pos + 1000; c.closed.Pos[SideSend] != end || c.endPos[SideSend] != end {
				t.Errorf("the stream ends at %d, closed at %d, want %d", c.endPos[SideSend], c.closed.Pos[SideSend], end)
			}
			p.wait()
		})
	}
	counters, err := tr.Counters()
	if err != nil {
		t.Fatal(err)
	}
	if calls, n := counters[SkippedCalls], counters[SkippedBytes]; calls != 3*11 || n != 3*(skipBody+2000) {
		t.Errorf("%d calls and %d bytes were skipped", calls, n)
	}
}

// In the middle of a body less is copied while the ring fills, and data leaves room
// for the events that tell of connections.
func TestRoom(t *testing.T) {
	config := testConfig()
	config.RingSize, config.WakeupBytes = 32<<10, 1<<30
	tracer := loaded(t, config)
	defer tracer.Close()
	if err := tracer.Attach(); err != nil {
		t.Fatal(err)
	}
	launch(t, "big").wait()
	launch(t, "big").wait()
	var payloads, cut, open, closed int
	var e Event
	tracer.Rings()[0].Read(1<<20, func(raw []byte) {
		if err := Decode(raw, &e); err != nil {
			t.Error(err)
		}
		switch {
		case e.Kind == Open && e.Open.Transport == TransportTCP:
			open++
		case e.Kind == Close:
			closed++
		case e.Kind == Data && len(e.Payload) == int(bpfLimitBULK_CAPTURE):
			cut++
		case e.Kind == Data:
			payloads++
		}
	})
	counters, err := tracer.Counters()
	if err != nil {
		t.Fatal(err)
	}
	if cut == 0 || payloads == 0 || counters[RingFullData] == 0 {
		t.Errorf("%d events of a body were cut, %d not, %d lost: want some of each", cut, payloads, counters[RingFullData])
	}
	if open < 4 || closed < 4 || counters[RingFullOther] != 0 {
		t.Errorf("%d connections opened, %d closed, %d events of connections lost", open, closed, counters[RingFullOther])
	}
}
