// SPDX-License-Identifier: Apache-2.0

package protocoltracereceiver

import (
	"github.com/puck-otel/puck/internal/process"
	"github.com/puck-otel/puck/internal/table/otlp"
)

// owner is what a worker keeps of a process that has connections.
type owner struct {
	process  *process.Process
	resource *otlp.Process
	service  *service
	ratio    float64 // of spans that are kept
	ignored  bool    // by the configuration
	since    int64   // when it was made: a process that executes another program has a newer one
	conns    int     // connections that refer to it
	idle     int64   // since when it has none
}

const (
	ownerKeepNS  = int64(60e9)
	maxSpanBatch = 2048
)
