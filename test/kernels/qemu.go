// SPDX-License-Identifier: Apache-2.0

//go:build linux

package kernels

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"syscall"
)

// machine is an emulated machine that runs one program to its end.
type machine struct {
	kernel    string // the image's path
	initramfs string
	init      string    // the first program's path in the initramfs
	memory    int       // MiB
	console   io.Writer // gets what is printed as it comes
}

// run boots the machine and returns what it printed on its serial console. The
// machine ends when its program powers it off, when its kernel panics or when ctx
// is done.
func (m machine) run(ctx context.Context) (string, error) {
	cmd := exec.CommandContext(ctx, "qemu-system-x86_64",
		// With a thread for each CPU, QEMU 7.2 now and then goes on executing the breakpoint
		// by which Linux 5.10 patches its code, after it was patched: both CPUs then
		// stand in syscall_exit_to_user_mode for ever, as tracepoints are switched on.
		"-machine", "q35", "-accel", "tcg,thread=single", "-cpu", "max", "-smp", "2", "-m", fmt.Sprint(m.memory),
		"-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio", "-no-reboot",
		"-kernel", m.kernel, "-initrd", m.initramfs,
		// The check of the timer fails where the host is too busy to emulate it in time.
		"-append", "console=ttyS0 loglevel=4 panic=-1 mitigations=off no_timer_check rdinit="+m.init)
	var console strings.Builder
	out := io.MultiWriter(&console, m.console)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	err := cmd.Run()
	if ctx.Err() != nil {
		err = fmt.Errorf("the machine did not power off in time: %w", ctx.Err())
	}
	return console.String(), err
}
