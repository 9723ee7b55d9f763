// SPDX-License-Identifier: Apache-2.0

package terminalexporter

import (
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/exporter/exporterhelper"
)

// The values of the option color.
const (
	colorAuto   = "auto"
	colorAlways = "always"
	colorNever  = "never"
)

// Config is the configuration of the exporter.
type Config struct {
	// Color is auto, always or never. With auto, lines are coloured if standard
	// output is a terminal and the environment has no NO_COLOR.
	Color string `mapstructure:"color"`

	// MinDuration leaves out the spans that took less and did not fail.
	MinDuration time.Duration `mapstructure:"min_duration"`

	// Metrics prints metrics too: a line for each data point.
	Metrics bool `mapstructure:"metrics"`

	// QueueConfig is the queue between the pipeline and the terminal.
	QueueConfig configoptional.Optional[exporterhelper.QueueBatchConfig] `mapstructure:"sending_queue"`

	// prevent unkeyed literal initialization
	_ struct{}
}

// Validate says what is wrong with the configuration.
func (c *Config) Validate() error {
	var errs error
	switch c.Color {
	case colorAuto, colorAlways, colorNever:
	default:
		errs = errors.Join(errs, fmt.Errorf("color is %q, it must be %s, %s or %s", c.Color, colorAuto, colorAlways, colorNever))
	}
	if c.MinDuration < 0 {
		errs = errors.Join(errs, fmt.Errorf("min_duration is %s, it must be 0s or more", c.MinDuration))
	}
	return errs
}
