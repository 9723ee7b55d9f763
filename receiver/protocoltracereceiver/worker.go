// SPDX-License-Identifier: Apache-2.0

package protocoltracereceiver

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/puck-otel/puck/bpf/socktrace"
	"github.com/puck-otel/puck/internal/process"
	"github.com/puck-otel/puck/internal/protocol"
	"github.com/puck-otel/puck/internal/table"
	"github.com/puck-otel/puck/internal/table/otlp"
)

// worker reads one ring and turns its connections' bytes into spans. All of a
// connection's events go to one ring, so that a worker shares nothing with others
// on the way of a request. The ring is its queue: when the worker falls behind,
// the kernel side finds no room, and counts.
type worker struct {
	receiver *protocolTrace
	ring     *socktrace.Ring
	engine   *protocol.Engine
	conns    map[uint64]*connection
	owners   map[*process.Process]*owner
	batch    *otlp.SpanBatch
	sums     *connSums
	last     connSample // when tracing ended
	event    socktrace.Event
	random   *rand.Rand
	expired  time.Time
	flushed  time.Time
	counts   workerCounts
	snapshot atomic.Pointer[snapshot]

	mu    sync.Mutex
	tasks []func() // to do on the worker's goroutine
}

// workerCounts count what the worker itself leaves out.
type workerCounts struct {
	malformed uint64 // events
	unknown   uint64 // data events of connections that were not announced
	sampled   uint64 // rows left out by sampling
	filtered  uint64 // connections that the configuration leaves out, as the worker found
	dropped   uint64 // rows of such connections
}

// snapshot is what telemetry reads of a worker.
type snapshot struct {
	counts workerCounts
	engine protocol.Stats
}

const (
	// pollInterval is how long bytes may wait in a ring that does not fill.
	pollInterval = 50 * time.Millisecond
	// wakeupBytes is how much waits in a ring until its reader is woken. It is read
	// in a fraction of a millisecond: where the reader shares the CPUs with the two
	// ends of a connection, more would keep both waiting for the one whose CPU it took.
	wakeupBytes = 32 << 10
	// readLimit bounds what is read before the memory is given back to the kernel.
	readLimit = 64 << 10
)

func newWorker(r *protocolTrace, _ int, ring *socktrace.Ring) *worker {
	s := seed()
	w := &worker{
		receiver: r, ring: ring,
		conns:  map[uint64]*connection{},
		owners: map[*process.Process]*owner{},
		sums:   newConnSums(),
		random: rand.New(rand.NewPCG(binary.LittleEndian.Uint64(s[:]), binary.LittleEndian.Uint64(s[8:]))),
	}
	w.engine = protocol.NewEngine(protocol.Config{Capture: r.config.CaptureSize}, r.protocols(), w.emit)
	w.batch = otlp.NewSpanBatch(otlp.NewSpanWriter(r.options(), seed()), r.settings.BuildInfo.Version)
	w.publish()
	return w
}

// run reads until ctx ends and the ring is empty.
func (w *worker) run(ctx context.Context) {
	for {
		last := ctx.Err() != nil
		for w.ring.Read(readLimit, w.handle) > 0 {
			if w.batch.Len() >= maxSpanBatch {
				w.flush()
			}
		}
		w.work()
		now := time.Now()
		if last || now.Sub(w.flushed) >= w.receiver.config.FlushInterval {
			w.flush()
			w.flushed = now
		}
		if last || now.Sub(w.expired) >= time.Second {
			w.expire()
			w.expired = now
		}
		if last {
			w.sendAndClose()
			return
		}
		if err := w.ring.Wait(min(pollInterval, w.receiver.config.FlushInterval)); err != nil {
			w.receiver.settings.Logger.Error("ring cannot be waited for", zap.Error(err))
			time.Sleep(pollInterval)
		}
	}
}

// sendAndClose ends all connections, since nothing more will be seen of them. The last
// sums are those before: they are still open.
func (w *worker) sendAndClose() {
	w.last = w.sample(w.receiver.atEnd)
	now := w.now()
	for id := range w.conns {
		w.forget(id, bytesMoved{}, now)
	}
	w.flush()
	w.publish()
}

// do has f called on the worker's goroutine.
func (w *worker) do(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tasks = append(w.tasks, f)
}

func (w *worker) work() {
	w.mu.Lock()
	tasks := w.tasks
	w.tasks = nil
	w.mu.Unlock()
	for _, f := range tasks {
		f()
	}
}

// now returns nanoseconds since the UNIX epoch, by the clock of the events.
func (w *worker) now() int64 { return time.Now().UnixNano() }

func (w *worker) expire() {
	w.receiver.clock.refresh()
	now := w.now()
	w.engine.Expire(now)
	for key, o := range w.owners {
		if o.conns == 0 && now-o.idle > ownerKeepNS {
			w.receiver.routes.release(o.service)
			delete(w.owners, key)
		}
	}
	w.publish()
}

func (w *worker) publish() {
	stats := *w.engine.Stats()
	stats.Protocols = append([]protocol.Counters(nil), stats.Protocols...)
	w.snapshot.Store(&snapshot{counts: w.counts, engine: stats})
}

// handle takes one event of the ring.
func (w *worker) handle(raw []byte) {
	e := &w.event
	if err := socktrace.Decode(raw, e); err != nil {
		w.counts.malformed++
		return
	}
	switch e.Kind {
	case socktrace.Data, socktrace.Datagram:
		w.data(e)
	case socktrace.Open:
		w.open(e.Open)
	case socktrace.End:
		if c := w.conns[e.End.Header.Conn]; c != nil {
			clock := &w.receiver.clock
			end := protocol.End{Pos: e.End.Pos, Last: clock.wall(e.End.MovedNs)}
			c.stream.EOF(protocol.Side(e.End.Header.Side), end, clock.wall(e.End.Header.TsNs))
		}
	case socktrace.Close:
		w.close(e.Close)
	case socktrace.Process:
		w.announced(e.Process)
	case socktrace.Exit:
		w.receiver.processes.Exited(e.Exit.Tgid, e.Exit.StartNs)
	}
}

func hint(p *socktrace.ProcessEvent) process.Hint {
	return process.Hint{
		PID: p.Tgid, StartNS: p.StartNs, Comm: socktrace.Text(p.Comm[:]), Exe: socktrace.Text(p.Exe[:]),
		Cgroup: socktrace.Text(p.Cgroup[:]) + "\n" + socktrace.Text(p.CgroupMemory[:]),
		Args:   socktrace.Args(p),
	}
}

func (w *worker) data(e *socktrace.Event) {
	d := e.Data
	c := w.conns[d.Header.Conn]
	if c == nil {
		w.counts.unknown++
		return
	}
	if w.wants(c) {
		seg := protocol.Segment{
			Pos: d.Pos, Len: d.Len, Queue: d.QueueNs, Time: w.receiver.clock.wall(d.Header.TsNs), Data: e.Payload,
		}
		if e.Kind == socktrace.Datagram {
			seg.Peer = e.Peer
		}
		c.stream.Data(protocol.Side(d.Header.Side), seg)
	}
	w.judge(c)
}

// advise tells the kernel side when what is wanted of a connection has changed.
func (w *worker) advise(c *connection) {
	for side := range c.skip {
		if pos := c.stream.Skip(protocol.Side(side)); pos != c.skip[side] {
			c.skip[side] = pos
			w.receiver.tracer.SetSkip(c.conn.ID, uint8(side), pos)
		}
	}
	verdict := 0
	if w.wants(c) && w.receiver.config.CaptureSize > 0 {
		verdict = c.stream.Verdict()
	}
	if verdict == c.verdict {
		// The connection's word may have been taken by a newer connection: what is
		// still sent of an ignored one says so.
		if verdict != 0 {
			return
		}
	}
	c.verdict = verdict
	w.receiver.tracer.SetVerdict(c.conn.ID, verdict)
}

// emit takes a row from the engine.
func (w *worker) emit(conn *protocol.Conn, row *table.Row) {
	c := conn.Owner.(*connection)
	if w.receiver.traces == nil {
		return // it is parsed for the name of its protocol
	}
	if !w.wants(c) {
		w.counts.dropped++
		return
	}
	o := c.owner
	if o.ratio < 1 && !w.sampled(row, o.ratio) {
		w.counts.sampled++
		return
	}
	w.batch.Add(row, o.resource)
}

// sampled decides by the trace where the request carries one, so that all spans of
// a trace share its fate on every node.
func (w *worker) sampled(row *table.Row, ratio float64) bool {
	n := w.random.Uint64()
	if row.Span.HasParent() {
		n = binary.BigEndian.Uint64(row.Span.TraceID[8:])
	}
	return float64(n>>11) < ratio*(1<<53)
}

// flush hands the spans gathered to the pipeline's queue.
func (w *worker) flush() {
	if n := w.batch.Len(); n > 0 {
		w.receiver.sender.offer(w.batch.Take(), n)
	}
}
