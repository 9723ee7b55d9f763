// SPDX-License-Identifier: Apache-2.0

package protocoltracereceiver

import (
	"context"
	crand "crypto/rand"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/receiver"
	"go.uber.org/zap"

	"github.com/puck-otel/puck/bpf/socktrace"
	"github.com/puck-otel/puck/internal/process"
	"github.com/puck-otel/puck/internal/protocol"
	"github.com/puck-otel/puck/internal/protocol/all"
	"github.com/puck-otel/puck/internal/protocol/http1"
	"github.com/puck-otel/puck/internal/protocol/redis"
	"github.com/puck-otel/puck/internal/table/otlp"
)

// protocolTrace is the receiver: one for all signals of a configuration.
type protocolTrace struct {
	config   *Config
	settings receiver.Settings
	forget   func()

	traces  consumer.Traces
	metrics consumer.Metrics
	logs    consumer.Logs

	start, stop sync.Once
	startErr    error
	cancel      context.CancelFunc    // ends reading
	reading     sync.WaitGroup        // the workers
	sending     context.Context       // of all that is handed to the pipelines
	abandon     context.CancelFunc    // ends sending
	running     sync.WaitGroup        // what sends
	atEnd       map[uint64]bytesMoved // what open connections have moved, set before reading ends

	host      string
	since     time.Time
	clock     clock
	tracer    *socktrace.Tracer
	processes *process.Cache
	routes    *routes
	filter    *filter
	workers   []*worker
	sender    *sender
	telemetry *telemetry
	names     []string // of the protocols, in the engines' order

	points struct{ sent, refused atomic.Uint64 } // of conn_stats

	lostEvents uint64 // events of connections that found no room, when look last looked
	unheard    bool   // some may have since it looked before
	sweeps     int
}

// protocolNames returns the names that the option protocols takes.
func protocolNames() []string {
	var names []string
	for _, p := range all.Protocols(all.Config{}) {
		names = append(names, p.Name())
	}
	return names
}

// protocols returns those that the configuration asks for, in their order. conn_stats
// names the protocol too, so that they are told apart even if there are no spans.
func (r *protocolTrace) protocols() []protocol.Protocol {
	if r.traces == nil && r.metrics == nil {
		return nil
	}
	list := all.Protocols(all.Config{HTTP1: http1.Config{
		RequestHeaders:  r.config.Headers.Request,
		ResponseHeaders: r.config.Headers.Response,
		BodyBytes:       r.config.BodySize,
		KeepQuery:       r.config.KeepQueryValues,
		Route:           routeOf,
	}, Redis: redis.Config{ValueBytes: r.config.BodySize}})
	if len(r.config.Protocols) == 0 {
		return list
	}
	return slices.DeleteFunc(list, func(p protocol.Protocol) bool {
		return !slices.Contains(r.config.Protocols, p.Name())
	})
}

// Start loads and attaches the kernel side and starts the workers. It is called
// once for each signal; the first call does it all.
func (r *protocolTrace) Start(_ context.Context, host component.Host) error {
	r.start.Do(func() { r.startErr = r.run(host) })
	return r.startErr
}

func (r *protocolTrace) run(host component.Host) error {
	r.host = hostName()
	r.since = time.Now()
	r.clock.refresh()
	var err error
	r.processes, err = process.New(process.Config{AgentID: r.agentID()})
	if err != nil {
		return fmt.Errorf("protocol_trace: %w", err)
	}
	r.routes = newRoutes()
	r.filter = newFilter(r.config)
	for _, p := range r.protocols() {
		r.names = append(r.names, p.Name())
	}
	r.tracer, err = socktrace.Load(r.kernelConfig())
	if err != nil {
		return fmt.Errorf("protocol_trace: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	r.sending, r.abandon = context.WithCancel(context.Background())
	r.sender = newSender(r)
	for i, ring := range r.tracer.Rings() {
		r.workers = append(r.workers, newWorker(r, i, ring))
	}
	if r.telemetry, err = newTelemetry(r); err != nil {
		return errors.Join(fmt.Errorf("protocol_trace: own telemetry: %w", err), r.Shutdown(context.Background()))
	}
	// The readers run before anything is attached: finding what is already open
	// may fill a ring.
	r.running.Go(func() { r.sender.run(r.sending) })
	for _, w := range r.workers {
		r.reading.Go(func() { w.run(ctx) })
	}
	if err = r.tracer.Attach(); err != nil {
		return errors.Join(fmt.Errorf("protocol_trace: %w", err), r.Shutdown(context.Background()))
	}
	r.running.Go(func() { r.look(ctx) })
	r.reportProbes(host)
	return nil
}

// kernelConfig is what of the configuration the kernel side does.
func (r *protocolTrace) kernelConfig() socktrace.Config {
	workers := r.config.Workers
	if workers == 0 {
		workers = min(8, (runtime.GOMAXPROCS(0)+3)/4)
	}
	rings := 1
	for rings < workers {
		rings *= 2
	}
	return socktrace.Config{
		CaptureSize:    r.config.CaptureSize,
		RingSize:       r.config.RingBufferSize,
		Rings:          rings,
		MaxConnections: r.config.MaxConnections,
		WakeupBytes:    min(wakeupBytes, r.config.RingBufferSize/4),
		UDP:            slices.ContainsFunc(r.protocols(), protocol.Protocol.SpeaksUDP),
		Unix:           r.config.UnixSockets,
		Clients:        slices.Contains(r.config.Roles, roleClient),
		Servers:        slices.Contains(r.config.Roles, roleServer),
		IncludePorts:   ports(r.config.Include.Ports),
		ExcludePorts:   ports(r.config.Exclude.Ports),
	}
}

func ports(list []int) []uint16 {
	var out []uint16
	for _, p := range list {
		out = append(out, uint16(p))
	}
	return out
}

// resource returns what spans say of a process.
func (r *protocolTrace) resource(p *process.Process) *otlp.Process {
	return &otlp.Process{
		UPID: p.UPID, PID: int64(p.PID), Service: p.Service, Derived: !p.ServiceSet, Executable: executableName(p), Path: p.Exe,
		Command: p.Cmdline, ContainerID: p.ContainerID, PodUID: p.PodUID, Host: r.host,
	}
}

// reportProbes tells what could not be attached: a log line each for the operator,
// a row of probe_status for the pipeline, and a degraded status for health checks.
func (r *protocolTrace) reportProbes(host component.Host) {
	failed := 0
	probes := r.tracer.Probes()
	for _, p := range probes {
		if p.Err != nil {
			failed++
			r.settings.Logger.Warn("probe not attached: what it would see is missing", zap.String("probe", p.Hook), zap.Error(p.Err))
		}
	}
	if failed > 0 {
		componentstatus.ReportStatus(host, componentstatus.NewRecoverableErrorEvent(
			fmt.Errorf("%d of %d probes are not attached", failed, len(probes))))
	}
	r.settings.Logger.Info("tracing started", zap.Int("probes", len(probes)-failed),
		zap.Int("workers", len(r.workers)), zap.Strings("protocols", r.names))
	if r.logs == nil {
		return
	}
	if err := r.logs.ConsumeLogs(r.sending, r.probeLogs(probes)); err != nil {
		r.settings.Logger.Warn("probe_status was refused by the pipeline", zap.Error(err))
	}
}

// options says what leaves with the telemetry.
func (r *protocolTrace) options() otlp.Options {
	return otlp.Options{
		CommandLine:  r.config.CommandLine,
		KnownMethods: otlp.ParseMethods(os.Getenv("OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS")),
		Sensitive:    len(r.config.Headers.Request)+len(r.config.Headers.Response)+r.config.BodySize > 0,
	}
}

// seed returns the seed of a worker's span ids.
func seed() (s [32]byte) {
	_, _ = crand.Read(s[:]) // never fails: see the package
	return s
}
