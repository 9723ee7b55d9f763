// SPDX-License-Identifier: Apache-2.0

package protocoltracereceiver

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/receiver/receivertest"

	"github.com/puck-otel/puck/internal/table/otlp"
)

// stuck is a pipeline that takes nothing: until its context ends if it heeds that,
// else until it is released.
type stuck struct {
	consumertest.Consumer
	heeds   bool
	entered chan struct{}
	release chan struct{}
}

func (s *stuck) ConsumeTraces(ctx context.Context, _ ptrace.Traces) error {
	select {
	case s.entered <- struct{}{}:
	default:
	}
	if !s.heeds {
		ctx = context.Background()
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-s.release:
		return nil
	}
}

// Shutdown ends when its context does, whatever the pipeline does, and what the
// pipeline did not take counts as refused.
func TestShutdownHeedsItsContext(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, or CAP_BPF and CAP_PERFMON, to load BPF programs")
	}
	for name, heeds := range map[string]bool{"pipeline heeds it": true, "pipeline is stuck": false} {
		t.Run(name, func(t *testing.T) {
			next := &stuck{Consumer: consumertest.NewNop(), heeds: heeds, entered: make(chan struct{}, 1), release: make(chan struct{})}
			f := NewFactory()
			cfg := createDefaultConfig().(*Config)
			cfg.FlushInterval = 20 * time.Millisecond
			c, err := f.CreateTraces(context.Background(), receivertest.NewNopSettings(f.Type()), cfg, next)
			require.NoError(t, err)
			require.NoError(t, c.Start(context.Background(), componenttest.NewNopHost()))
			r := c.(*protocolTrace)
			p := newTalker(t, 10)
			p.talk()
			<-next.entered
			p.talk()
			require.Eventually(t, func() bool {
				var rows uint64
				for _, w := range r.workers {
					rows += w.snapshot.Load().engine.Protocols[0].Rows[0]
				}
				return rows >= 40
			}, 5*time.Second, 20*time.Millisecond)
			ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
			defer cancel()
			begun := time.Now()
			require.ErrorIs(t, c.Shutdown(ctx), context.DeadlineExceeded)
			require.Less(t, time.Since(begun), 5*time.Second)
			require.GreaterOrEqual(t, r.sender.refused.Load(), uint64(40))
			close(next.release)
			r.running.Wait()
			require.Zero(t, r.sender.sent.Load(), "none is counted twice")
		})
	}
}

// The sums when tracing ended are handed on, with the connections that were open.
func TestLastConnStats(t *testing.T) {
	p := newTalker(t, 10)
	r := run(t, func(c *Config) { c.CollectionInterval = time.Hour })
	p.talk()
	r.wait(p, 20)
	require.Empty(t, r.metrics.AllMetrics())
	require.NoError(t, r.receivers[0].Shutdown(context.Background()))
	require.Len(t, r.metrics.AllMetrics(), 1)
	sums := r.sums(p.cmd.Process.Pid)
	require.EqualValues(t, 1, sums["puck.connection.active server"])
	require.Greater(t, sums["puck.connection.io client transmit"], int64(1000))
}

// Data points that the pipeline refuses are counted.
func TestRefusedConnStats(t *testing.T) {
	r := blindReceiver(t, 1)
	r.sending = context.Background()
	r.workers[0].enter(1, process42("shop"), 1)
	for _, next := range []consumer.Metrics{consumertest.NewErr(os.ErrInvalid), consumertest.NewNop()} {
		r.metrics = next
		r.sendConns([]connSample{r.workers[0].sample(nil)})
	}
	require.EqualValues(t, 5, r.points.refused.Load())
	require.EqualValues(t, 5, r.points.sent.Load())
}

// conn_stats names the protocol also where nobody asks for spans.
func TestProtocolWithoutTraces(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, or CAP_BPF and CAP_PERFMON, to load BPF programs")
	}
	p := newTalker(t, 10)
	f := NewFactory()
	cfg := createDefaultConfig().(*Config)
	cfg.CollectionInterval = 100 * time.Millisecond
	var sink consumertest.MetricsSink
	r, err := f.CreateMetrics(context.Background(), receivertest.NewNopSettings(f.Type()), cfg, &sink)
	require.NoError(t, err)
	require.NoError(t, r.Start(context.Background(), componenttest.NewNopHost()))
	defer func() { require.NoError(t, r.Shutdown(context.Background())) }()
	p.talk()
	require.Eventually(t, func() bool {
		found := false
		for _, md := range sink.AllMetrics() {
			for key := range series(t, md) {
				found = found || strings.HasPrefix(key, otlp.MetricIO) && strings.Contains(key, "service.name:talker") &&
					strings.Contains(key, "network.protocol.name:http")
			}
		}
		return found
	}, 5*time.Second, 50*time.Millisecond)
	for _, w := range r.(*protocolTrace).workers {
		require.Zero(t, w.batch.Len(), "spans that nobody asks for")
	}
}
