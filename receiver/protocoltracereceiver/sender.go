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

// run sends until the queue is closed.
func (s *sender) run() {
	for b := range s.queue {
		// Not the context of Start or Shutdown: what was seen is still to be sent.
		if err := s.receiver.traces.ConsumeTraces(context.Background(), b.traces); err != nil {
			s.refused.Add(uint64(b.spans))
			if !s.logged {
				s.logged = true
				s.receiver.settings.Logger.Warn("spans were refused by the pipeline; more are only counted", zap.Error(err))
			}
			continue
		}
		s.sent.Add(uint64(b.spans))
	}
}
