// SPDX-License-Identifier: Apache-2.0

package protocoltracereceiver

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/receiver/receivertest"

	"github.com/puck-otel/puck/bpf/socktrace"
	"github.com/puck-otel/puck/internal/process"
	"github.com/puck-otel/puck/internal/protocol"
	"github.com/puck-otel/puck/internal/table"
	"github.com/puck-otel/puck/internal/table/otlp"
)

// blindReceiver is a receiver without a kernel side, with so many workers.
func blindReceiver(t *testing.T, workers int) *protocolTrace {
	t.Helper()
	r := &protocolTrace{
		config: createDefaultConfig().(*Config), settings: receivertest.NewNopSettings(NewFactory().Type()),
		traces: consumertest.NewNop(), metrics: consumertest.NewNop(), routes: newRoutes(),
	}
	r.filter = newFilter(r.config)
	var err error
	r.processes, err = process.New(process.Config{AgentID: 1})
	require.NoError(t, err)
	for _, p := range r.protocols() {
		r.names = append(r.names, p.Name())
	}
	for i := range workers {
		r.workers = append(r.workers, newWorker(r, i, nil))
	}
	return r
}

// process42 is a process that all workers of a test may know.
func process42(service string) *process.Process {
	return &process.Process{UPID: table.ID{High: 1<<32 | 42, Low: 7}, PID: 42, Service: service}
}

// enter opens a connection of the process.
func (w *worker) enter(id uint64, p *process.Process, role protocol.Role) *connection {
	c := &connection{owner: w.ownerOf(p), verdict: w.receiver.config.CaptureSize, family: 2}
	c.conn = protocol.Conn{
		ID: id, UPID: p.UPID, Role: role, Transport: protocol.TCP, Owner: c,
		Local: netip.MustParseAddrPort("10.0.0.1:40000"), Remote: netip.MustParseAddrPort("10.0.0.2:80"),
		LocalAddr: "10.0.0.1", RemoteAddr: "10.0.0.2",
	}
	c.stream = w.engine.Open(&c.conn)
	w.conns[id] = c
	w.take(c)
	return c
}

// series returns the points of one export by what identifies their stream, which a
// second point of the same stream fails.
func series(t *testing.T, md pmetric.Metrics) map[string]int64 {
	t.Helper()
	all := map[string]int64{}
	for _, rm := range md.ResourceMetrics().All() {
		for _, sm := range rm.ScopeMetrics().All() {
			for _, m := range sm.Metrics().All() {
				for _, p := range points(m) {
					key := fmt.Sprint(m.Name(), " ", rm.Resource().Attributes().AsRaw(), p.Attributes().AsRaw())
					require.NotContains(t, all, key, "two points of one stream in one export")
					all[key] = p.IntValue()
				}
			}
		}
	}
	return all
}

// collected returns what the workers' sums come to.
func collected(t *testing.T, r *protocolTrace, open map[uint64]bytesMoved) map[string]int64 {
	t.Helper()
	var samples []connSample
	for _, w := range r.workers {
		samples = append(samples, w.sample(open))
	}
	return series(t, r.connBatch(samples, time.Now().UnixNano()).Take())
}

// total adds up the points of a metric.
func total(series map[string]int64, metric string) (sum int64) {
	for key, value := range series {
		if strings.HasPrefix(key, metric+" ") {
			sum += value
		}
	}
	return sum
}

// requireGrown fails if a stream that is declared monotonic has fallen.
func requireGrown(t *testing.T, before, after map[string]int64) {
	t.Helper()
	for key, value := range before {
		if !strings.HasPrefix(key, otlp.MetricActive) {
			require.GreaterOrEqual(t, after[key], value, key)
		}
	}
}

// docs/tables/conn_stats.md: a row for each process, remote address and port. In
// OTLP: a point for each stream in an export, whichever workers know of it.
func TestWorkersShareARow(t *testing.T) {
	r := blindReceiver(t, 2)
	first, second := process42("shop"), process42("shop")
	r.workers[0].enter(1, first, protocol.Client)
	r.workers[1].enter(2, second, protocol.Client)
	got := collected(t, r, map[uint64]bytesMoved{1: {10, 100}, 2: {20, 200}})
	require.Len(t, got, 5, "transmit, receive, opened, closed and active: %v", got)
	require.EqualValues(t, 330, total(got, otlp.MetricIO))
	require.EqualValues(t, 2, total(got, otlp.MetricOpened))
	require.EqualValues(t, 2, total(got, otlp.MetricActive))
}

// A process that executes another program is described as that, by all workers.
func TestRowsOfALaterImage(t *testing.T) {
	r := blindReceiver(t, 2)
	r.workers[0].enter(1, process42("bash"), protocol.Client)
	curl := process42("curl")
	r.workers[1].enter(2, curl, protocol.Client)
	for key := range collected(t, r, nil) {
		require.Contains(t, key, "service.name:curl")
	}
	r.workers[0].executed(curl)
	require.Same(t, curl, r.workers[0].conns[1].owner.process)
}

// Which protocol a connection speaks, and at which end the process is, may turn out
// after a first sample: what was counted by then stays where it is.
func TestSumsDoNotFallWhenAConnectionIsRecognised(t *testing.T) {
	r := blindReceiver(t, 1)
	w, p := r.workers[0], process42("shop")
	w.enter(1, p, protocol.UnknownRole) // stays without a protocol
	c := w.enter(2, p, protocol.UnknownRole)
	before := collected(t, r, map[uint64]bytesMoved{1: {100, 100}, 2: {1000, 1000}})
	req := []byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	c.stream.Data(protocol.Send, protocol.Segment{Len: uint32(len(req)), Time: 1, Data: req})
	require.GreaterOrEqual(t, c.stream.Protocol(), 0)
	require.Equal(t, protocol.Client, c.conn.Role)
	after := collected(t, r, map[uint64]bytesMoved{1: {100, 100}, 2: {1026, 1000}})
	requireGrown(t, before, after)
	require.EqualValues(t, 2226, total(after, otlp.MetricIO))
	require.EqualValues(t, 2, total(after, otlp.MetricOpened), "each is opened once")
	w.forget(2, bytesMoved{1030, 1000}, 1)
	last := collected(t, r, map[uint64]bytesMoved{1: {100, 100}})
	requireGrown(t, after, last)
	require.EqualValues(t, 2230, total(last, otlp.MetricIO))
	require.EqualValues(t, 1, total(last, otlp.MetricClosed))
}

// A connection that is gone without a word keeps the bytes that it moved: those that
// the kernel side had counted, or those of the last sample.
func TestLostConnectionKeepsItsBytes(t *testing.T) {
	r := blindReceiver(t, 1)
	w, p := r.workers[0], process42("shop")
	w.enter(1, p, protocol.Client)
	w.enter(2, p, protocol.Client)
	before := collected(t, r, map[uint64]bytesMoved{1: {1000, 2000}, 2: {10, 20}})
	w.forget(1, bytesMoved{}, 1)
	w.forget(2, bytesMoved{11, 22}, 1)
	after := collected(t, r, nil)
	requireGrown(t, before, after)
	require.EqualValues(t, 3033, total(after, otlp.MetricIO))
	require.EqualValues(t, 2, total(after, otlp.MetricClosed))
	require.Zero(t, total(after, otlp.MetricActive))
}

// Each owner of a connection has the bytes that it moved itself.
func TestBytesOfEachOwner(t *testing.T) {
	r := blindReceiver(t, 1)
	w := r.workers[0]
	parent := process42("parent")
	child := &process.Process{UPID: table.ID{High: 1<<32 | 43, Low: 9}, PID: 43, Service: "child"}
	c := w.enter(1, parent, protocol.Server)
	before := collected(t, r, map[uint64]bytesMoved{1: {1000, 2000}})
	w.account(c, moved([2]uint64{socktrace.SideSend: 1001, socktrace.SideRecv: 2002})) // as the open_event says
	w.give(c, w.ownerOf(child))
	after := collected(t, r, map[uint64]bytesMoved{1: {1011, 2022}})
	requireGrown(t, before, after)
	of := func(service string) (io int64) {
		for key, value := range after {
			if strings.HasPrefix(key, otlp.MetricIO) && strings.Contains(key, "service.name:"+service) {
				io += value
			}
		}
		return io
	}
	require.EqualValues(t, 3003, of("parent"))
	require.EqualValues(t, 30, of("child"))
	require.EqualValues(t, 1, total(after, otlp.MetricOpened))
}

// Who is left out is not in conn_stats, open or closed.
func TestExcludedProcessIsInNoConnStats(t *testing.T) {
	r := blindReceiver(t, 1)
	w := r.workers[0]
	w.enter(1, process42("shop"), protocol.Client).owner.ignored = true
	require.Empty(t, collected(t, r, map[uint64]bytesMoved{1: {1, 1}}))
	w.forget(1, bytesMoved{2, 2}, 1)
	require.Empty(t, collected(t, r, nil))
}

// The end of a connection that found no room in the ring is told by its absence from
// the kernel's map, at the second look: its events may still wait in the ring.
func TestReconcileForgetsWhatIsGone(t *testing.T) {
	w := blindReceiver(t, 1).workers[0]
	for id := uint64(1); id <= 3; id++ {
		w.enter(id, process42("shop"), protocol.Client)
	}
	w.reconcile(map[uint64]struct{}{1: {}}, 1)
	require.Len(t, w.conns, 3)
	w.reconcile(map[uint64]struct{}{1: {}, 3: {}}, 1)
	require.Len(t, w.conns, 2, "the third was there again")
	require.NotContains(t, w.conns, uint64(2))
	w.reconcile(map[uint64]struct{}{1: {}}, 1)
	require.Len(t, w.conns, 2)
	w.reconcile(map[uint64]struct{}{1: {}}, 1)
	require.Len(t, w.conns, 1)
}

// TestUDPSocketsInConnStats has a server's socket, which is one row however many peers it
// has, and sockets that resolvers connect to learn a route.
func TestUDPSocketsInConnStats(t *testing.T) {
	r := blindReceiver(t, 1)
	w, p := r.workers[0], process42("resolver")
	server := w.enter(1, p, protocol.Server)
	server.conn.Transport, server.conn.Remote, server.conn.RemoteAddr = protocol.UDP, netip.AddrPort{}, ""
	for id := range uint64(100) {
		w.enter(id+2, p, protocol.Client).conn.Transport = protocol.UDP
	}
	sample := w.sample(map[uint64]bytesMoved{1: {1000, 500}})
	require.Len(t, sample, 1)
	for k, sum := range sample {
		require.Equal(t, "", k.remoteAddr)
		require.EqualValues(t, 1, sum.opened)
		require.EqualValues(t, 1, sum.active)
		require.Equal(t, bytesMoved{1000, 500}, sum.bytesMoved)
	}
	for id := range uint64(100) {
		w.forget(id+2, bytesMoved{}, 2)
	}
	w.forget(1, bytesMoved{2000, 700}, 2)
	sample = w.sample(nil)
	require.Len(t, sample, 1)
	for _, sum := range sample {
		require.EqualValues(t, 1, sum.closed)
		require.Equal(t, bytesMoved{2000, 700}, sum.bytesMoved)
	}
}
