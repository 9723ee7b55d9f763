// SPDX-License-Identifier: Apache-2.0

package protocoltracereceiver

import (
	"errors"
	"os"
	"time"

	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/puck-otel/puck/bpf/socktrace"
	"github.com/puck-otel/puck/internal/process"
	"github.com/puck-otel/puck/internal/table"
	"github.com/puck-otel/puck/internal/table/otlp"
	"github.com/puck-otel/puck/internal/table/tables"
)

// probeLogs returns a row of probe_status for each probe.
func (r *protocolTrace) probeLogs(probes []socktrace.Probe) plog.Logs {
	self := r.resource(r.processes.Seen(process.Hint{PID: uint32(os.Getpid())}))
	batch := otlp.NewLogBatch(r.options(), r.settings.BuildInfo.Version)
	now := time.Now().UnixNano()
	var row table.Row
	for _, p := range probes {
		record := tables.Probe{
			Time: now, UPID: self.UPID, Source: r.settings.ID.Type().String(), Tracepoint: p.Hook, Status: status(p.Err),
		}
		if p.Err != nil {
			record.Error = p.Err.Error()
		}
		tables.ProbeStatus.Fill(&record, &row)
		batch.Add(&row, self)
	}
	return batch.Take()
}

// status returns the gRPC code that probe_status shows for an error.
func status(err error) int64 {
	switch {
	case err == nil:
		return tables.StatusOK
	case errors.Is(err, os.ErrPermission):
		return tables.StatusPermissionDenied
	case errors.Is(err, os.ErrNotExist):
		return tables.StatusUnimplemented
	}
	return tables.StatusUnknown
}
