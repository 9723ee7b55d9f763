// SPDX-License-Identifier: Apache-2.0

package protocoltracereceiver

import (
	"context"
	"sync/atomic"

	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.uber.org/zap"
)

// sender hands spans to the pipeline on a goroutine of its own, so that a slow
// pipeline costs spans, which are counted, and not what the rings hold.
type sender struct {
	receiver *protocolTrace
	queue    chan batch
	sent     atomic.Uint64 // spans that the pipeline took
	refused  atomic.Uint64 // spans that it did not take
	dropped  atomic.Uint64 // spans for which the queue had no room
	inFlight atomic.Uint64 // spans that the pipeline has been given and not answered for
	logged   bool
}

type batch struct {
	traces ptrace.Traces
	spans  int
}

func newSender(r *protocolTrace) *sender {
	return &sender{receiver: r, queue: make(chan batch, r.config.QueueSize)}
}

// offer queues the spans, or counts them as dropped.
func (s *sender) offer(traces ptrace.Traces, spans int) {
	select {
	case s.queue <- batch{traces, spans}:
	default:
		s.dropped.Add(uint64(spans))
	}
}

// run sends until the queue is closed. What is left in it when ctx ends counts as
// refused.
func (s *sender) run(ctx context.Context) {
	for b := range s.queue {
		if ctx.Err() != nil {
			s.refused.Add(uint64(b.spans))
			continue
		}
		s.inFlight.Store(uint64(b.spans))
		err := s.receiver.traces.ConsumeTraces(ctx, b.traces)
		spans := s.inFlight.Swap(0) // 0 if giveUp has counted them
		if err == nil {
			s.sent.Add(spans)
			continue
		}
		s.refused.Add(spans)
		if !s.logged {
			s.logged = true
			s.receiver.settings.Logger.Warn("spans were refused by the pipeline; more are only counted", zap.Error(err))
		}
	}
}

// giveUp counts as refused what the pipeline holds and what is left in the closed
// queue: run may be held for good.
func (s *sender) giveUp() {
	s.refused.Add(s.inFlight.Swap(0))
	for b := range s.queue {
		s.refused.Add(uint64(b.spans))
	}
}
