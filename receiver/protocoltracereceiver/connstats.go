// SPDX-License-Identifier: Apache-2.0

package protocoltracereceiver

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/puck-otel/puck/bpf/socktrace"
	"github.com/puck-otel/puck/internal/protocol"
	"github.com/puck-otel/puck/internal/table"
	"github.com/puck-otel/puck/internal/table/otlp"
	"github.com/puck-otel/puck/internal/table/tables"
)

// connKey is what a row of conn_stats is about.
type connKey struct {
	upid       table.ID
	remoteAddr string
	remotePort int64
	role       int64
	family     int64
	protocol   int64
	tls        bool
}

// bytesMoved are the bytes that connections carried.
type bytesMoved struct{ sent, received int64 }

func moved(bySide [2]uint64) bytesMoved {
	return bytesMoved{int64(bySide[socktrace.SideSend]), int64(bySide[socktrace.SideRecv])}
}

// connSum is what connections with one key have come to. All but active only grow,
// since what was counted under a key stays there: the key of a connection changes
// when its role or its protocol is found out, or another process takes it over.
type connSum struct {
	owner                  *owner
	opened, closed, active int64
	bytesMoved
}

// counted is what of a connection is in a sum by now.
type counted struct {
	opened bool
	bytesMoved
}

// connSums are a worker's sums over connections. They are kept while their
// process is known: while it lives, and for a while longer.
type connSums struct {
	by map[connKey]*connSum
}

// maxSums bounds the rows of one worker: more remote addresses of a process than
// there is room for share a row without an address.
const maxSums = 16384

func newConnSums() *connSums { return &connSums{by: map[connKey]*connSum{}} }

// key returns the key of a connection as far as it is known by now: the role and
// the protocol may turn out later.
func (w *worker) key(c *connection) connKey {
	k := connKey{
		upid: c.conn.UPID, remoteAddr: c.conn.RemoteAddr, remotePort: int64(c.conn.Remote.Port()),
		role: int64(c.conn.Role), family: int64(c.family), tls: c.conn.Encrypted,
	}
	if c.conn.Role == protocol.Server {
		k.remotePort = 0
	}
	if i := c.stream.Protocol(); i >= 0 {
		k.protocol = tables.ProtocolNumber(w.receiver.names[i])
	}
	return k
}

// of returns the sum of a key, made when first asked for, and makes o its owner.
func (s *connSums) of(k connKey, o *owner) *connSum {
	sum, ok := s.by[k]
	if !ok && len(s.by) >= maxSums {
		k.remoteAddr, k.remotePort = "", 0
		sum, ok = s.by[k]
	}
	if !ok {
		sum = &connSum{}
		s.by[k] = sum
	}
	sum.owner = o
	return sum
}

// account adds to the sum of the connection's key of now what it has moved since it
// was counted last: total is what it has moved in all, 0 where that is not known. It
// returns nil if the connection is left out, or if no pipeline will ask.
func (w *worker) account(c *connection, total bytesMoved) *connSum {
	more := bytesMoved{max(total.sent-c.counted.sent, 0), max(total.received-c.counted.received, 0)}
	c.counted.sent += more.sent
	c.counted.received += more.received
	if w.receiver.metrics == nil || !w.wants(c) || !c.counts() {
		return nil
	}
	sum := w.sums.of(w.key(c), c.owner)
	if !c.counted.opened {
		c.counted.opened = true
		sum.opened++
	}
	sum.sent += more.sent
	sum.received += more.received
	return sum
}

// counts says whether the connection is one of conn_stats. Resolvers connect UDP sockets
// for no more than the route to an address, and send nothing: those are none.
func (c *connection) counts() bool {
	return c.conn.Transport != protocol.UDP || c.counted.sent+c.counted.received > 0
}

// connSample are a worker's sums at one time.
type connSample map[connKey]connSum

// sample brings the sums up to date with what the kernel side has counted of the open
// connections, and returns a copy of them.
func (w *worker) sample(open map[uint64]bytesMoved) connSample {
	for _, sum := range w.sums.by {
		sum.active = 0
	}
	for id, c := range w.conns {
		if sum := w.account(c, open[id]); sum != nil {
			sum.active++
		}
	}
	sample := make(connSample, len(w.sums.by))
	for k, sum := range w.sums.by {
		sample[k] = *sum
		// A process that lives keeps its sums, however idle: they count since tracing began.
		if sum.owner.conns == 0 && w.receiver.processes.Find(k.upid) == nil {
			delete(w.sums.by, k)
		}
	}
	return sample
}

// merge adds the samples of all workers up, so that each key has one row, and each
// process one resource: that of its latest image.
func merge(samples []connSample) (sums connSample, owners map[table.ID]*owner) {
	sums, owners = connSample{}, map[table.ID]*owner{}
	for _, sample := range samples {
		for k, sum := range sample {
			before := sums[k]
			sum.opened += before.opened
			sum.closed += before.closed
			sum.active += before.active
			sum.sent += before.sent
			sum.received += before.received
			sums[k] = sum
			if o := owners[k.upid]; o == nil || o.since < sum.owner.since {
				owners[k.upid] = sum.owner
			}
		}
	}
	return sums, owners
}

// openBytes returns what the kernel side has counted of each connection that is open.
func (r *protocolTrace) openBytes() map[uint64]bytesMoved {
	open := map[uint64]bytesMoved{}
	err := r.tracer.Connections(func(c socktrace.Connection) {
		open[c.ID] = bytesMoved{int64(c.Sent), int64(c.Received)}
	})
	if err != nil {
		r.settings.Logger.Warn("conn_stats lack the connections that are open", zap.Error(err))
	}
	return open
}

// collect sends conn_stats of now.
func (r *protocolTrace) collect(ctx context.Context) {
	open := r.openBytes()
	samples := make([]connSample, len(r.workers))
	for i, w := range r.workers {
		done := make(chan struct{})
		w.do(func() {
			samples[i] = w.sample(open)
			close(done)
		})
		select {
		case <-done:
		case <-ctx.Done():
			return
		}
	}
	r.sendConns(samples)
}

// collectLast sends conn_stats as they were when tracing ended.
func (r *protocolTrace) collectLast() {
	r.reading.Wait()
	if r.metrics == nil {
		return
	}
	var samples []connSample
	for _, w := range r.workers {
		samples = append(samples, w.last)
	}
	r.sendConns(samples)
}

// sendConns hands the sums of all workers to the pipeline.
func (r *protocolTrace) sendConns(samples []connSample) {
	batch := r.connBatch(samples, time.Now().UnixNano())
	if batch.Len() == 0 {
		return
	}
	metrics := batch.Take()
	points := uint64(metrics.DataPointCount())
	if err := r.metrics.ConsumeMetrics(r.sending, metrics); err != nil {
		r.points.refused.Add(points)
		r.settings.Logger.Debug("conn_stats were refused by the pipeline", zap.Error(err))
		return
	}
	r.points.sent.Add(points)
}

func (r *protocolTrace) connBatch(samples []connSample, now int64) *otlp.ConnBatch {
	batch := otlp.NewConnBatch(r.options(), r.settings.BuildInfo.Version, r.since.UnixNano())
	sums, owners := merge(samples)
	for k, sum := range sums {
		batch.Add(&tables.Conns{
			Time: now, UPID: k.upid, RemoteAddr: k.remoteAddr, RemotePort: k.remotePort, Role: k.role,
			Family: k.family, Protocol: k.protocol, TLS: k.tls,
			Opened: sum.opened, Closed: sum.closed, Active: sum.active, Sent: sum.sent, Received: sum.received,
		}, owners[k.upid].resource)
	}
	return batch
}
