// SPDX-License-Identifier: Apache-2.0

// Package terminalexporter prints telemetry for people: one line a span, log
// record or data point, on standard output.
package terminalexporter

import (
	"context"
	"os"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/exporterhelper"
)

const (
	typeName  = "terminal"
	stability = component.StabilityLevelBeta
)

// NewFactory returns the factory of the exporter terminal.
func NewFactory() exporter.Factory {
	return exporter.NewFactory(
		component.MustNewType(typeName),
		createDefaultConfig,
		exporter.WithTraces(createTraces, stability),
		exporter.WithMetrics(createMetrics, stability),
		exporter.WithLogs(createLogs, stability),
	)
}

// createDefaultConfig returns the defaults. One consumer takes from the queue, so
// that lines come in order; a terminal that is held up costs the queue, which
// counts what it drops, and not the pipeline.
func createDefaultConfig() component.Config {
	queue := exporterhelper.NewDefaultQueueConfig()
	queue.NumConsumers = 1
	return &Config{Color: colorAuto, QueueConfig: configoptional.Some(queue)}
}

func createTraces(ctx context.Context, set exporter.Settings, cfg component.Config) (exporter.Traces, error) {
	e := newExporter(set, cfg.(*Config), os.Stdout)
	return exporterhelper.NewTraces(ctx, set, cfg, e.consumeTraces, e.options()...)
}

func createMetrics(ctx context.Context, set exporter.Settings, cfg component.Config) (exporter.Metrics, error) {
	e := newExporter(set, cfg.(*Config), os.Stdout)
	return exporterhelper.NewMetrics(ctx, set, cfg, e.consumeMetrics, e.options()...)
}

func createLogs(ctx context.Context, set exporter.Settings, cfg component.Config) (exporter.Logs, error) {
	e := newExporter(set, cfg.(*Config), os.Stdout)
	return exporterhelper.NewLogs(ctx, set, cfg, e.consumeLogs, e.options()...)
}

// options returns what the exporter of each signal has in common.
func (e *terminal) options() []exporterhelper.Option {
	return []exporterhelper.Option{
		exporterhelper.WithCapabilities(consumer.Capabilities{MutatesData: false}),
		exporterhelper.WithQueue(e.cfg.QueueConfig),
		exporterhelper.WithTimeout(exporterhelper.TimeoutConfig{Timeout: 0}),
		exporterhelper.WithStart(e.start),
		exporterhelper.WithShutdown(e.shutdown),
	}
}
