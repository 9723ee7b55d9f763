// SPDX-License-Identifier: Apache-2.0

package protocoltracereceiver

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/puck-otel/puck/bpf/socktrace"
)

// look does what is done from time to time: conn_stats, expiry, and the search
// for connections whose end nothing told.
func (r *protocolTrace) look(ctx context.Context) {
	collect := time.NewTicker(r.config.CollectionInterval)
	defer collect.Stop()
	sweep := time.NewTicker(sweepInterval)
	defer sweep.Stop()
	for {
		select {
		case <-ctx.Done():
			r.collectLast()
			return
		case <-collect.C:
			if r.metrics != nil && ctx.Err() == nil {
				r.collect(ctx)
			}
		case now := <-sweep.C:
			if ctx.Err() != nil {
				continue // the kernel side may be closed already
			}
			r.processes.Expire(now)
			if err := errors.Join(r.tracer.Sweep(sweepIdle, r.lost), r.reconcile()); err != nil {
				r.settings.Logger.Warn("stale connections stay", zap.Error(err))
			}
		}
	}
}

const (
	sweepInterval = 10 * time.Second
	sweepIdle     = 10 * time.Second
)

// lost hands the end of a connection that nothing told to its worker.
func (r *protocolTrace) lost(c socktrace.Connection) {
	for _, w := range r.workers {
		w.do(func() { w.forget(c.ID, bytesMoved{int64(c.Sent), int64(c.Received)}, w.now()) })
	}
}

// reconcileEvery is how many sweeps there are to a reconciliation that nothing asks for.
const reconcileEvery = 6

// reconcile has the workers forget the connections that the kernel side has removed
// without their hearing of it: because a ring was full, or since the socket was
// destroyed on one CPU while it was being announced on another. Each time it is done
// twice, a sweep apart.
func (r *protocolTrace) reconcile() error {
	counters, err := r.tracer.Counters()
	if err != nil {
		return err
	}
	lost := counters[socktrace.RingFullOther]
	r.sweeps++
	again := r.unheard
	r.unheard = lost != r.lostEvents || r.sweeps%reconcileEvery == 0
	r.lostEvents = lost
	if !again && !r.unheard {
		return nil
	}
	open := map[uint64]struct{}{}
	if err := r.tracer.Connections(func(c socktrace.Connection) { open[c.ID] = struct{}{} }); err != nil {
		return err
	}
	for _, w := range r.workers {
		w.do(func() { w.reconcile(open, w.now()) })
	}
	return nil
}
