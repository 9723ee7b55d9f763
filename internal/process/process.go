// SPDX-License-Identifier: Apache-2.0

// Package process holds what is known of the processes that receivers see: one
// [Cache] for all of them. A process often dies before anyone can look at it, so
// what the kernel sent with its first event ([Hint]) stands in for /proc.
package process

import (
	"fmt"
	"strings"
	"time"

	"github.com/puck-otel/puck/internal/table"
)

// TicksPerSecond is the unit of start times in /proc and in a UPID. The kernel
// fixes it at 100 (USER_HZ) for user space on every architecture Puck runs on.
const TicksPerSecond = 100

const nsPerTick = uint64(time.Second) / TicksPerSecond

// Process is what is known of one process image. It does not change once made:
// an exec makes a new one, with the same UPID.
type Process struct {
	// UPID names the process in the cluster for good.
	UPID table.ID
	// PID is the process id (thread group id) in the namespace of the root of proc.
	PID uint32
	// NSPID is the process id in the process's own innermost pid namespace, equal to
	// PID when it has none or it is not known.
	NSPID uint32
	// StartTicks is when the process began, in clock ticks since boot.
	StartTicks uint64
	// StartTime is StartTicks as wall-clock time, by the clock as it stood when the
	// cache was made.
	StartTime time.Time
	// Name is the kernel's name of the process (comm), at most 15 bytes.
	Name string
	// Exe is the path of the executable as its own mount namespace has it.
	Exe string
	// ExeDeleted says that the executable has been removed or replaced since.
	ExeDeleted bool
	// Cmdline is the arguments joined by spaces, at most 4 KiB of them.
	Cmdline string
	// ContainerID is empty for a process outside of any container.
	ContainerID string
	// ContainerRuntime is "containerd", "docker", "cri-o", "podman", "lxc", "garden"
	// or "ecs", and empty where the cgroup's path does not tell.
	ContainerRuntime string
	// Cgroup is the path of the process's cgroup, the longest where it has several:
	// the leaf's name alone where only the kernel's hint tells it.
	Cgroup string
	// PodUID is the uid of the Kubernetes pod, empty outside of one.
	PodUID string
	// Service is the value for service.name, never empty.
	Service string
	// ServiceSet says that Service is from the process's environment, and so is the
	// user's choice, and not derived from the command line.
	ServiceSet bool
	// FromHint says that the process was gone before /proc could be read, so that
	// only the hint speaks for it.
	FromHint bool
}

// Hint is what the kernel says of a process with its first event. Every field
// but PID may be zero.
type Hint struct {
	PID uint32
	// StartNS is the start of the thread group's leader in nanoseconds since boot, by
	// CLOCK_BOOTTIME. With 0, the hint is about whoever has PID now.
	StartNS uint64
	Comm    string
	Exe     string
	// Cgroup holds paths or leaf names of the process's cgroups, one a line.
	Cgroup string
	// Args holds the arguments, each ended by a NUL, and may be cut anywhere.
	Args []byte
}

// Ticks converts nanoseconds since boot to clock ticks as the kernel does.
func Ticks(ns uint64) uint64 { return ns / nsPerTick }

// UPID returns the id of the process that began at startTicks on the agent's
// node.
func UPID(agent, pid uint32, startTicks uint64) table.ID {
	return table.ID{High: uint64(agent)<<32 | uint64(pid), Low: startTicks}
}

// UPIDString returns the text form of a UPID, "agent:pid:start_ticks".
func UPIDString(id table.ID) string {
	return fmt.Sprintf("%d:%d:%d", id.High>>32, uint32(id.High), id.Low)
}

// clean returns s as valid UTF-8 without NULs, in at most limit bytes.
func clean(s string, limit int) string {
	if len(s) > limit {
		s = s[:limit]
	}
	s = strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", " "), "\uFFFD")
	for len(s) > limit { // replacement characters may have made it longer
		s = strings.ToValidUTF8(s[:limit], "")
	}
	return strings.Clone(s)
}
