// SPDX-License-Identifier: Apache-2.0

//go:build linux

// Package tracefs makes sure that the kernel's tracing file system is mounted.
package tracefs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// Mount makes the tracepoints' numbers readable, as a container's entry
// would, since they are where perf events are attached by.
func Mount() error {
	const dir = "/sys/kernel/tracing"
	for _, mounted := range []string{dir, "/sys/kernel/debug/tracing"} {
		_, err := os.Stat(mounted + "/events/syscalls")
		if err == nil {
			return nil
		}
		// It is there and belongs to root alone. debugfs hides whether it is below.
		if mounted == dir && errors.Is(err, fs.ErrPermission) {
			return fmt.Errorf("read tracefs: %w: grant CAP_DAC_READ_SEARCH, or run as root", err)
		}
	}
	if err := unix.Mount("tracefs", dir, "tracefs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mount tracefs on %s: %w: mount it on the host (mount -t tracefs tracefs %s) or grant CAP_SYS_ADMIN", dir, err, dir)
	}
	if _, err := os.Stat(dir + "/events/syscalls"); err != nil {
		return fmt.Errorf("tracefs shows no system calls: %w: the kernel needs CONFIG_FTRACE_SYSCALLS", err)
	}
	return nil
}
