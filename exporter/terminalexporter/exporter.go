// SPDX-License-Identifier: Apache-2.0

package terminalexporter

import (
	"context"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.uber.org/zap"
	"golang.org/x/term"
)

// maxKept is how much memory a buffer may keep from one batch to the next.
const maxKept = 1 << 20

// terminal prints one signal. Each batch is one write, so that the lines of
// several signals do not mix.
type terminal struct {
	cfg    *Config
	logger *zap.Logger
	out    io.Writer
	pipe   chan os.Signal

	mu     sync.Mutex
	lines  printer
	closed bool // nobody reads the output any more
}

// newExporter returns an exporter that writes to out.
func newExporter(set exporter.Settings, cfg *Config, out io.Writer) *terminal {
	return &terminal{
		cfg: cfg, logger: set.Logger, out: out,
		lines: printer{colors: colored(cfg.Color, out), zone: time.Local, minDuration: cfg.MinDuration},
	}
}

// colored reports whether lines to out are coloured.
func colored(option string, out io.Writer) bool {
	switch option {
	case colorAlways:
		return true
	case colorNever:
		return false
	}
	f, ok := out.(*os.File)
	return ok && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && term.IsTerminal(int(f.Fd()))
}

// start asks for SIGPIPE: a process that does not is killed by a write to a
// standard output that nobody reads, and the collector must outlive its terminal.
func (e *terminal) start(context.Context, component.Host) error {
	e.pipe = make(chan os.Signal, 1)
	signal.Notify(e.pipe, syscall.SIGPIPE)
	return nil
}

func (e *terminal) shutdown(context.Context) error {
	if e.pipe != nil {
		signal.Stop(e.pipe)
		e.pipe = nil
	}
	return nil
}

func (e *terminal) consumeTraces(_ context.Context, traces ptrace.Traces) error {
	return e.print(func() { e.lines.traces(traces) })
}

func (e *terminal) consumeMetrics(_ context.Context, metrics pmetric.Metrics) error {
	if !e.cfg.Metrics {
		return nil
	}
	return e.print(func() { e.lines.metrics(metrics) })
}

func (e *terminal) consumeLogs(_ context.Context, logs plog.Logs) error {
	return e.print(func() { e.lines.logs(logs) })
}

// print writes the lines that fill adds to the buffer. Output that nobody can
// read any more is said once and left out from then on.
func (e *terminal) print(fill func()) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil
	}
	e.lines.buf = e.lines.buf[:0]
	fill()
	if len(e.lines.buf) == 0 {
		return nil
	}
	if _, err := e.out.Write(e.lines.buf); err != nil {
		e.closed = true
		e.logger.Warn("standard output is closed, nothing more is printed", zap.Error(err))
	}
	if cap(e.lines.buf) > maxKept {
		e.lines.buf = nil
	}
	return nil
}
