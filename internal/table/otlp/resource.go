// SPDX-License-Identifier: Apache-2.0

package otlp

import (
	"fmt"
	"strconv"
	"strings"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/puck-otel/puck/internal/table"
)

// Process is what a resource says of a process. Empty fields are left out.
type Process struct {
	UPID        table.ID
	PID         int64 // in the host's namespace
	Service     string
	Derived     bool   // Service is derived from what the process runs
	Executable  string // the file's name without its folder
	Path        string
	Command     string // left out unless Options.CommandLine
	ContainerID string
	PodUID      string
	Host        string
}

// WriteResource sets the attributes of the process's resource. The upid is the
// service.instance.id too: the processes of one service, such as the workers of a
// server or a pod's, are told apart by it, and their counters are several series.
func (p *Process) WriteResource(dst pcommon.Resource, o Options) {
	a := dst.Attributes()
	a.EnsureCapacity(11)
	if p.UPID != (table.ID{}) {
		upid := FormatUPID(p.UPID)
		a.PutStr(KeyUPID, upid)
		a.PutStr(KeyServiceInstance, upid)
	}
	if p.PID != 0 {
		a.PutInt(KeyProcessPID, p.PID)
	}
	for _, s := range [...]struct{ key, value string }{
		{KeyServiceName, p.Service},
		{KeyProcessExecutable, p.Executable},
		{KeyProcessPath, p.Path},
		{KeyContainerID, p.ContainerID},
		{KeyPodUID, p.PodUID},
		{KeyHostName, p.Host},
	} {
		if s.value != "" {
			a.PutStr(s.key, valid(s.value))
		}
	}
	if p.Derived && p.Service != "" {
		a.PutStr(KeyServiceDerived, valid(p.Service))
	}
	if o.CommandLine && p.Command != "" {
		a.PutStr(KeyProcessCommand, valid(p.Command))
	}
}

// ReadResource returns what the resource says of its process.
func ReadResource(src pcommon.Resource) Process {
	a := src.Attributes()
	p := Process{UPID: resourceUPID(src)}
	if v, ok := a.Get(KeyProcessPID); ok && v.Type() == pcommon.ValueTypeInt {
		p.PID = v.Int()
	}
	for _, s := range [...]struct {
		key string
		dst *string
	}{
		{KeyServiceName, &p.Service},
		{KeyProcessExecutable, &p.Executable},
		{KeyProcessPath, &p.Path},
		{KeyProcessCommand, &p.Command},
		{KeyContainerID, &p.ContainerID},
		{KeyPodUID, &p.PodUID},
		{KeyHostName, &p.Host},
	} {
		if v, ok := a.Get(s.key); ok && v.Type() == pcommon.ValueTypeStr {
			*s.dst = v.Str()
		}
	}
	_, p.Derived = a.Get(KeyServiceDerived)
	return p
}

// resourceUPID returns the resource's upid, zero where it has none.
func resourceUPID(src pcommon.Resource) table.ID {
	v, ok := src.Attributes().Get(KeyUPID)
	if !ok || v.Type() != pcommon.ValueTypeStr {
		return table.ID{}
	}
	id, err := ParseUPID(v.Str())
	if err != nil {
		return table.ID{}
	}
	return id
}

// FormatUPID returns the text of a upid, asid:pid:start_ticks.
func FormatUPID(id table.ID) string {
	b := make([]byte, 0, 42)
	b = strconv.AppendUint(b, id.High>>32, 10)
	b = append(b, ':')
	b = strconv.AppendUint(b, id.High&0xffffffff, 10)
	b = append(b, ':')
	return string(strconv.AppendUint(b, id.Low, 10))
}

// ParseUPID reads the text that FormatUPID writes.
func ParseUPID(s string) (table.ID, error) {
	asid, rest, _ := strings.Cut(s, ":")
	pid, ticks, _ := strings.Cut(rest, ":")
	var id table.ID
	for _, part := range [...]struct {
		text string
		bits int
		add  func(uint64)
	}{
		{asid, 32, func(v uint64) { id.High |= v << 32 }},
		{pid, 32, func(v uint64) { id.High |= v }},
		{ticks, 64, func(v uint64) { id.Low = v }},
	} {
		v, err := strconv.ParseUint(part.text, 10, part.bits)
		if err != nil {
			return table.ID{}, fmt.Errorf("upid %q is not asid:pid:start_ticks: %w", s, err)
		}
		part.add(v)
	}
	return id, nil
}

// valid returns s with what is not UTF-8 replaced, since OTLP allows no other
// text and receivers refuse the whole request for it.
func valid(s string) string {
	return strings.ToValidUTF8(s, "\uFFFD")
}
