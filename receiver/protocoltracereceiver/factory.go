// SPDX-License-Identifier: Apache-2.0

// Package protocoltracereceiver is the receiver protocol_trace: a span for each
// request that a process of this machine serves or makes, seen by eBPF.
package protocoltracereceiver

import (
	"context"
	"sync"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/receiver"
)

const (
	stability = component.StabilityLevelDevelopment
	scopeName = "github.com/puck-otel/puck/receiver/protocoltracereceiver"
)

// NewFactory returns the factory of protocol_trace. The receivers of one
// configuration in the traces, metrics and logs pipelines are one instance.
func NewFactory() receiver.Factory {
	instances := &shared{by: map[*Config]*protocolTrace{}}
	return receiver.NewFactory(
		component.MustNewType("protocol_trace"),
		createDefaultConfig,
		receiver.WithTraces(func(_ context.Context, set receiver.Settings, cfg component.Config, next consumer.Traces) (receiver.Traces, error) {
			r := instances.get(set, cfg)
			r.traces = next
			return r, nil
		}, stability),
		receiver.WithMetrics(func(_ context.Context, set receiver.Settings, cfg component.Config, next consumer.Metrics) (receiver.Metrics, error) {
			r := instances.get(set, cfg)
			r.metrics = next
			return r, nil
		}, stability),
		receiver.WithLogs(func(_ context.Context, set receiver.Settings, cfg component.Config, next consumer.Logs) (receiver.Logs, error) {
			r := instances.get(set, cfg)
			r.logs = next
			return r, nil
		}, stability),
	)
}

// shared keeps one instance for each configuration, which the collector gives by
// the same pointer to all signals.
type shared struct {
	mu sync.Mutex
	by map[*Config]*protocolTrace
}

func (s *shared) get(set receiver.Settings, cfg component.Config) *protocolTrace {
	config := cfg.(*Config)
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.by[config]
	if !ok {
		r = &protocolTrace{config: config, settings: set, forget: func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			delete(s.by, config)
		}}
		s.by[config] = r
	}
	return r
}
