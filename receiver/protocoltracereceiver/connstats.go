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

// connSum is what connections with one key have come to.
type connSum struct {
	owner          *owner
	opened, closed int64
	sent, received int64 // by connections that are closed
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

func (s *connSums) of(k connKey, o *owner) *connSum {
	sum, ok := s.by[k]
	if ok {
		return sum
	}
	if len(s.by) >= maxSums {
		k.remoteAddr, k.remotePort = "", 0
		if sum, ok = s.by[k]; ok {
			return sum
		}
	}
	sum = &connSum{owner: o}
	s.by[k] = sum
	return sum
}

// closed adds a connection that has ended, if there is a pipeline that will ask.
func (s *connSums) closed(w *worker, c *connection, sent, received uint64) {
	if w.receiver.metrics == nil {
		return
	}
	sum := s.of(w.key(c), c.owner)
	sum.opened++
	sum.closed++
	sum.sent += int64(sent)
	sum.received += int64(received)
}

// bytesMoved are the kernel side's totals of a connection that is open.
type bytesMoved struct{ sent, received int64 }

// collect sends conn_stats: the sums over closed connections, and the open ones
// with the bytes that the kernel side has counted by now.
func (r *protocolTrace) collect(ctx context.Context) {
	open := map[uint64]bytesMoved{}
	err := r.tracer.Connections(func(c socktrace.Connection) {
		open[c.ID] = bytesMoved{int64(c.Sent), int64(c.Received)}
	})
	if err != nil {
		r.settings.Logger.Warn("conn_stats lack the connections that are open", zap.Error(err))
	}
	now := time.Now().UnixNano()
	batch := otlp.NewConnBatch(r.options(), r.settings.BuildInfo.Version, r.since.UnixNano())
	for _, w := range r.workers {
		done := make(chan struct{})
		w.do(func() {
			w.sample(batch, open, now)
			close(done)
		})
		select {
		case <-done:
		case <-ctx.Done():
			return
		}
	}
	if batch.Len() == 0 {
		return
	}
	if err := r.metrics.ConsumeMetrics(ctx, batch.Take()); err != nil {
		r.settings.Logger.Debug("conn_stats were refused by the pipeline", zap.Error(err))
	}
}

// sample adds the worker's rows of conn_stats to batch.
func (w *worker) sample(batch *otlp.ConnBatch, open map[uint64]bytesMoved, now int64) {
	rows := make(map[connKey]*tables.Conns, len(w.sums.by))
	owners := make(map[connKey]*owner, len(w.sums.by))
	row := func(k connKey, o *owner) *tables.Conns {
		r, ok := rows[k]
		if !ok {
			r = &tables.Conns{
				Time: now, UPID: k.upid, RemoteAddr: k.remoteAddr, RemotePort: k.remotePort, Role: k.role,
				Family: k.family, Protocol: k.protocol, TLS: k.tls,
			}
			rows[k], owners[k] = r, o
		}
		return r
	}
	for k, sum := range w.sums.by {
		r := row(k, sum.owner)
		r.Opened, r.Closed, r.Sent, r.Received = sum.opened, sum.closed, sum.sent, sum.received
	}
	for id, c := range w.conns {
		if c.owner.ignored {
			continue
		}
		r := row(w.key(c), c.owner)
		r.Opened++
		r.Active++
		r.Sent += open[id].sent
		r.Received += open[id].received
	}
	for k, r := range rows {
		batch.Add(r, owners[k].resource)
	}
	for k, sum := range w.sums.by {
		// A process that lives keeps its sums, however idle: they count since tracing began.
		if sum.owner.conns == 0 && w.receiver.processes.Find(k.upid) == nil {
			delete(w.sums.by, k)
		}
	}
}
