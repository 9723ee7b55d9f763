// SPDX-License-Identifier: Apache-2.0

//go:build linux

package socktrace

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cilium/ebpf"
)

// trace is a running tracer whose events a test reads. The agent leaves its own
// process out, and the test is the agent: so the tests' traffic is made by a child
// process, which is this test binary again.
type trace struct {
	*Tracer
	t     *testing.T
	mu    sync.Mutex
	conns map[uint64]*conn
	procs map[uint32]ProcessEvent // the latest by thread group
	exits int
	stop  chan struct{}
	done  chan struct{}
}

// conn is what the events said of one connection.
type conn struct {
	open   OpenEvent
	local  netip.AddrPort
	remote netip.AddrPort
	path   string
	opens  int
	first  uint32 // who opened it
	ends   [2]int
	endPos [2]uint64
	closed *CloseEvent
	data   []slice
}

// slice is a data event.
type slice struct {
	side    uint8
	pos     uint64
	len     uint32
	ts      uint64
	payload string
	peer    netip.AddrPort
}

func testConfig() Config {
	return Config{
		CaptureSize: 4096, RingSize: 4 << 20, Rings: 1, MaxConnections: 65536, WakeupBytes: 64 << 10,
		UDP: true, Unix: true, Clients: true, Servers: true,
	}
}

// loaded returns a tracer that is not attached yet, nor read.
func loaded(t *testing.T, config Config) *Tracer {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root, or CAP_BPF and CAP_PERFMON, to load BPF programs")
	}
	tracer, err := Load(config)
	if err != nil {
		t.Fatal(err)
	}
	return tracer
}

func start(t *testing.T, config Config) *trace {
	t.Helper()
	tracer := loaded(t, config)
	tr := &trace{
		Tracer: tracer, t: t, conns: map[uint64]*conn{}, procs: map[uint32]ProcessEvent{},
		stop: make(chan struct{}), done: make(chan struct{}),
	}
	go tr.read()
	if err := tracer.Attach(); err != nil {
		t.Fatal(err)
	}
	for _, p := range tracer.Probes() {
		if p.Err != nil {
			t.Errorf("%s: %v", p.Hook, p.Err)
		}
	}
	t.Cleanup(func() {
		close(tr.stop)
		<-tr.done
		if err := tracer.Close(); err != nil {
			t.Error(err)
		}
	})
	return tr
}

func (tr *trace) read() {
	defer close(tr.done)
	var e Event
	for {
		select {
		case <-tr.stop:
			return
		default:
		}
		for _, ring := range tr.Rings() {
			ring.Read(1<<20, func(raw []byte) {
				if err := Decode(raw, &e); err != nil {
					tr.t.Errorf("decode: %v", err)
					return
				}
				tr.mu.Lock()
				defer tr.mu.Unlock()
				tr.take(&e)
			})
		}
		if err := tr.Rings()[0].Wait(5 * time.Millisecond); err != nil {
			tr.t.Error(err)
			return
		}
	}
}

func (tr *trace) take(e *Event) {
	switch e.Kind {
	case Process:
		tr.procs[e.Process.Tgid] = *e.Process
	case Exit:
		tr.exits++
	case Open:
		c := tr.conns[e.Open.Header.Conn]
		if c == nil {
			c = &conn{first: e.Open.Tgid}
			tr.conns[e.Open.Header.Conn] = c
		}
		c.open, c.local, c.remote, c.path = *e.Open, AddrPort(&e.Open.Local), AddrPort(&e.Open.Remote), Path(e.Open)
		c.opens++
	case End:
		if c := tr.conns[e.End.Header.Conn]; c != nil {
			c.ends[e.End.Header.Side]++
			c.endPos[e.End.Header.Side] = e.End.Pos
		}
	case Close:
		if c := tr.conns[e.Close.Header.Conn]; c != nil {
			closed := *e.Close
			c.closed = &closed
		}
	case Data, Datagram:
		c := tr.conns[e.Data.Header.Conn]
		if c == nil {
			tr.t.Errorf("data of connection %d before its open event", e.Data.Header.Conn)
			return
		}
		c.data = append(c.data, slice{
			e.Data.Header.Side, e.Data.Pos, e.Data.Len, e.Data.Header.TsNs, string(e.Payload), e.Peer,
		})
	}
}

// find waits until a connection satisfies ok, and returns a copy of it.
func (tr *trace) find(t *testing.T, what string, ok func(*conn) bool) conn {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for time.Now().Before(deadline) {
		tr.mu.Lock()
		for _, c := range tr.conns {
			if ok(c) {
				found := *c
				tr.mu.Unlock()
				return found
			}
		}
		tr.mu.Unlock()
		time.Sleep(5 * time.Millisecond)
	}
	tr.mu.Lock()
	defer tr.mu.Unlock()
	for id, c := range tr.conns {
		t.Logf("connection %d: %v %v %q role %d by %d, ends %v, closed %v, data %.300v",
			id, c.local, c.remote, c.path, c.open.Header.Role, c.open.Tgid, c.ends, c.closed != nil, c.data)
	}
	t.Fatalf("no connection %s", what)
	return conn{}
}

// bytes joins what was copied of one side, checking that nothing is missing in
// between.
func (c *conn) bytes(t *testing.T, side uint8) string {
	t.Helper()
	var b bytes.Buffer
	next, begun := uint64(0), false
	for _, s := range c.data {
		if s.side != side {
			continue
		}
		if begun && s.pos != next {
			t.Errorf("side %d: at %d, want %d: %q", side, s.pos, next, s.payload)
		}
		begun, next = true, s.pos+uint64(s.len)
		b.WriteString(s.payload)
	}
	return b.String()
}

func (c *conn) moved(side uint8) (n int) {
	for _, s := range c.data {
		if s.side == side {
			n += int(s.len)
		}
	}
	return n
}

// Every program loads and attaches on this kernel.
func TestLoad(t *testing.T) { start(t, testConfig()) }

// The programs for kernels without bpf_loop see the same messages.
func TestUnrolled(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, or CAP_BPF and CAP_PERFMON, to load BPF programs")
	}
	spec, err := loadBpf()
	if err != nil {
		t.Fatal(err)
	}
	if err := configure(spec, testConfig()); err != nil {
		t.Fatal(err)
	}
	choose(spec, false)
	for _, name := range []string{bpfProgTraceRecvmmsgExit, bpfProgTraceSendmmsgExit} {
		if got := spec.Programs[name].Name; got != name+"_unrolled" {
			t.Errorf("%s is %s", name, got)
		}
	}
	all, err := ebpf.NewCollection(spec)
	if err != nil {
		t.Fatal(err)
	}
	all.Close()
}

func TestTracefsNotMounted(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to unmount")
	}
	child(t, "tracefs")
}

func TestBufferCalls(t *testing.T) {
	tr := start(t, testConfig())
	for _, call := range []string{"write", "send", "writev", "sendmsg", "sendmmsg"} {
		for _, network := range []string{"tcp4", "tcp6", "mapped", "unix"} {
			t.Run(call+"/"+network, func(t *testing.T) {
				p := child(t, "echo", network, call)
				server := tr.find(t, "accepted", func(c *conn) bool {
					return c.open.Header.Role == RoleServer && c.open.Tgid == p.pid && c.closed != nil
				})
				client := tr.find(t, "connected", func(c *conn) bool {
					return c.open.Header.Role == RoleClient && c.open.Tgid == p.pid && c.closed != nil
				})
				want := "hello, " + strings.Repeat("brave ", 20) + "new world"
				for _, got := range []string{
					client.bytes(t, SideSend), server.bytes(t, SideRecv),
					server.bytes(t, SideSend), client.bytes(t, SideRecv),
				} {
					if got != want {
						t.Errorf("copied %q, want %q", got, want)
					}
				}
				if client.closed.Bytes != [2]uint64{uint64(len(want)), uint64(len(want))} {
					t.Errorf("counted %v, want %d both ways", client.closed.Bytes, len(want))
				}
				if network == "unix" {
					if !strings.HasSuffix(client.path, "echo.sock") || !strings.HasSuffix(server.path, "echo.sock") {
						t.Errorf("paths %q and %q", client.path, server.path)
					}
					return
				}
				if client.local != server.remote || client.remote != server.local || !client.local.IsValid() {
					t.Errorf("client %v -> %v, server %v <- %v", client.local, client.remote, server.local, server.remote)
				}
				if want := network == "tcp6"; client.local.Addr().Is6() != want {
					t.Errorf("%s: shown as %v", network, client.local)
				}
				if client.data[0].pos&0xffffffff != server.data[0].pos&0xffffffff {
					t.Errorf("positions %d and %d: should be the same sequence number", client.data[0].pos, server.data[0].pos)
				}
				if client.open.Pos[SideSend] != client.data[0].pos || server.open.Pos[SideRecv] != server.data[0].pos {
					t.Errorf("begins at %d and %d, the first bytes at %d and %d",
						client.open.Pos[SideSend], server.open.Pos[SideRecv], client.data[0].pos, server.data[0].pos)
				}
				if client.data[0].ts >= server.data[0].ts {
					t.Errorf("sent at %d, received at %d", client.data[0].ts, server.data[0].ts)
				}
			})
		}
	}
}

func TestDatagrams(t *testing.T) {
	tr := start(t, testConfig())
	for _, call := range []string{"send", "sendmsg", "write"} {
		t.Run(call, func(t *testing.T) {
			p := child(t, "udp", call)
			c := tr.find(t, "with an answer", func(c *conn) bool {
				return c.open.Tgid == p.pid && c.open.Transport == TransportUDP && len(c.data) >= 2 && c.data[0].side == SideSend
			})
			s := tr.find(t, "that serves", func(c *conn) bool {
				return c.open.Tgid == p.pid && c.open.Transport == TransportUDP && len(c.data) >= 2 && c.data[0].side == SideRecv
			})
			if c.data[0].payload != "ping" || c.data[1].payload != "pong" || s.data[0].payload != "ping" || s.data[1].payload != "pong" {
				t.Errorf("client %v, server %v", c.data, s.data)
			}
			if c.data[0].peer.Port() != s.local.Port() || s.data[0].peer != s.data[1].peer || !s.data[0].peer.IsValid() {
				t.Errorf("peers: client %v, server %v of %v", c.data[0].peer, s.data, s.local)
			}
		})
	}
}

// What is beyond the capture size, and what no buffer holds, is told by length.
func TestLengths(t *testing.T) {
	tr := start(t, testConfig())
	p := child(t, "big")
	server := tr.find(t, "accepted", func(c *conn) bool {
		return c.open.Header.Role == RoleServer && c.open.Tgid == p.pid && c.closed != nil
	})
	client := tr.find(t, "connected", func(c *conn) bool {
		return c.open.Header.Role == RoleClient && c.open.Tgid == p.pid && c.closed != nil
	})
	for name, n := range map[string]int{
		"sent": client.moved(SideSend), "received": server.moved(SideRecv),
		"sent by sendfile": server.moved(SideSend), "received with MSG_TRUNC and splice": client.moved(SideRecv),
	} {
		if n != bigBytes {
			t.Errorf("%s: %d bytes, want %d", name, n, bigBytes)
		}
	}
	for _, c := range []conn{server, client} {
		for _, s := range c.data {
			if len(s.payload) > 4096 {
				t.Errorf("copied %d bytes of one call", len(s.payload))
			}
		}
	}
	for _, s := range server.data {
		if s.side == SideSend && s.payload != "" {
			t.Errorf("sendfile: copied %q", s.payload)
		}
	}
	counters, err := tr.Counters()
	if err != nil {
		t.Fatal(err)
	}
	if got := counters[DataBytes] + counters[TruncatedBytes] + counters[RingFullBytes]; got != counters[MovedBytes] {
		t.Errorf("copied + truncated + lost = %d bytes, moved %d", got, counters[MovedBytes])
	}
}

// A peek moves nothing.
func TestPeek(t *testing.T) {
	tr := start(t, testConfig())
	p := child(t, "peek")
	server := tr.find(t, "accepted", func(c *conn) bool {
		return c.open.Header.Role == RoleServer && c.open.Tgid == p.pid && c.closed != nil
	})
	if got := server.bytes(t, SideRecv); got != "peeked at" {
		t.Errorf("received %q", got)
	}
}

// The connection is the socket, whatever descriptor or process uses it.
func TestDescriptors(t *testing.T) {
	tr := start(t, testConfig())
	for _, how := range []string{"dup", "dup2", "fcntl", "reuse"} {
		t.Run(how, func(t *testing.T) {
			p := child(t, "dup", how)
			client := tr.find(t, "connected", func(c *conn) bool {
				return c.open.Header.Role == RoleClient && c.open.Tgid == p.pid && c.closed != nil
			})
			if got := client.bytes(t, SideSend); got != "onetwothree" {
				t.Errorf("sent %q", got)
			}
			if how != "reuse" {
				return
			}
			second := tr.find(t, "connected next", func(c *conn) bool {
				return c.open.Header.Role == RoleClient && c.open.Tgid == p.pid && c.closed != nil && c.open.Header.Conn != client.open.Header.Conn
			})
			if got := second.bytes(t, SideSend); got != "onetwothree" {
				t.Errorf("sent %q over the next socket at the same descriptor", got)
			}
		})
	}
}

func TestForkAndPassing(t *testing.T) {
	tr := start(t, testConfig())
	for _, how := range []string{"fork", "pass"} {
		t.Run(how, func(t *testing.T) {
			p := child(t, how)
			server := tr.find(t, "accepted by the parent, used by another", func(c *conn) bool {
				return c.open.Header.Role == RoleServer && c.opens == 2 && c.closed != nil && c.first == p.pid
			})
			if server.open.Tgid == p.pid {
				t.Errorf("the owner is still the parent %d", p.pid)
			}
			if got := server.bytes(t, SideRecv); got != "who are you" {
				t.Errorf("received %q", got)
			}
			tr.mu.Lock()
			defer tr.mu.Unlock()
			if len(tr.procs) < 2 {
				t.Errorf("%d processes are announced, want both", len(tr.procs))
			}
		})
	}
}

// A connection older than the tracer is known before it says a word.
func TestOlder(t *testing.T) {
	p := launch(t, "older")
	p.expect("connected")
	tr := start(t, testConfig())
	c := tr.find(t, "adopted", func(c *conn) bool { return c.open.Tgid == p.pid && c.open.Transport == TransportTCP })
	if c.open.Header.Role != RoleUnknown || !c.local.IsValid() || !c.remote.IsValid() {
		t.Errorf("adopted as %+v", c.open)
	}
	p.say("go on")
	p.wait()
	tr.find(t, "with the bytes sent since", func(c *conn) bool {
		return c.open.Tgid == p.pid && c.closed != nil && strings.Contains(c.bytes(t, SideSend), "since then")
	})
}

// listen returns a listener for one of the test's networks.
func listen(network, dir string) (net.Listener, error) {
	switch network {
	case "tcp6":
		return net.Listen("tcp6", "[::1]:0")
	case "mapped": // a socket of both families, reached by IPv4
		return net.Listen("tcp", "[::]:0")
	case "unix":
		return net.Listen("unix", filepath.Join(dir, "echo.sock"))
	}
	return net.Listen("tcp4", "127.0.0.1:0")
}

func dial(network string, l net.Listener) (net.Conn, error) {
	if network == "mapped" {
		return net.Dial("tcp4", fmt.Sprintf("127.0.0.1:%d", l.Addr().(*net.TCPAddr).Port))
	}
	return net.Dial(l.Addr().Network(), l.Addr().String())
}
