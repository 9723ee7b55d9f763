// SPDX-License-Identifier: Apache-2.0

//go:build linux

package socktrace

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/cilium/ebpf"
)

// remedy says what helps against an error of loading or attaching a program.
func remedy(h hook, err error) string {
	var refused *ebpf.VerifierError
	switch {
	case errors.As(err, &refused):
		return "the kernel's verifier refuses the program: please report it with the output of uname -r"
	case errors.Is(err, os.ErrPermission) && h.group == "syscalls":
		return "grant CAP_PERFMON, and CAP_DAC_READ_SEARCH to read tracefs, or run as root"
	case errors.Is(err, os.ErrPermission):
		return "grant CAP_BPF and CAP_PERFMON, or run as root"
	case errors.Is(err, os.ErrNotExist) && h.group == "syscalls":
		return "the kernel needs CONFIG_FTRACE_SYSCALLS"
	case errors.Is(err, os.ErrNotExist), errors.Is(err, ebpf.ErrNotSupported):
		return "it needs Linux 5.10 or later with CONFIG_DEBUG_INFO_BTF"
	}
	return "see the kernel's log (dmesg)"
}

// Capabilities by their numbers in linux/capability.h.
var capabilities = []struct {
	bit  uint
	name string
	why  string
}{
	{39, "CAP_BPF", "to load BPF programs"},
	{38, "CAP_PERFMON", "to attach them to tracepoints"},
}

const capSysAdmin = 21 // stands for both on kernels before 5.8

// checkRights tells in one sentence what the process lacks.
func checkRights() error {
	if _, err := os.Stat("/sys/kernel/btf/vmlinux"); err != nil {
		return fmt.Errorf("the kernel has no BTF: %w: it needs CONFIG_DEBUG_INFO_BTF (Linux 5.10 or later of any current distribution has it)", err)
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return fmt.Errorf("read own capabilities: %w", err)
	}
	_, rest, _ := strings.Cut(string(status), "CapEff:")
	line, _, _ := strings.Cut(rest, "\n")
	effective, err := strconv.ParseUint(strings.TrimSpace(line), 16, 64)
	if err != nil {
		return fmt.Errorf("read own capabilities: %w", err)
	}
	if effective&(1<<capSysAdmin) != 0 {
		return nil
	}
	var missing []string
	for _, c := range capabilities {
		if effective&(1<<c.bit) == 0 {
			missing = append(missing, c.name+" "+c.why)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return fmt.Errorf("missing capabilities: %s: run as root (sudo make run), or grant them to the container or with setcap", strings.Join(missing, ", "))
}
