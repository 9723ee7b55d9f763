// SPDX-License-Identifier: Apache-2.0

//go:build linux

package socktrace

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
)

// rightsVariable tells the test binary to load and attach with the rights it has.
const rightsVariable = "PUCK_TEST_RIGHTS"

// TestAttachWithFewRights is run by TestRights.
func TestAttachWithFewRights(t *testing.T) {
	if os.Getenv(rightsVariable) == "" {
		t.Skip("run by TestRights")
	}
	tracer, err := Load(testConfig())
	if err == nil {
		defer tracer.Close()
		err = tracer.Attach()
		for _, p := range tracer.Probes() {
			if p.Err != nil {
				fmt.Println("probe", p.Hook, p.Err)
			}
		}
	}
	fmt.Println("result:", err)
}

// What a user other than root needs is what README.md says, and what is missing is
// named: tracefs is mounted on most machines, and belongs to root.
func TestRights(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to give rights away")
	}
	if _, err := exec.LookPath("setpriv"); err != nil {
		t.Skip("needs setpriv")
	}
	// The user must be able to execute it.
	dir, err := os.MkdirTemp("/tmp", "puck")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	exe := filepath.Join(dir, "attach")
	if err := errors.Join(os.Chmod(dir, 0o755), os.WriteFile(exe, self, 0o755)); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ rights, want string }{
		{"+perfmon", "missing capabilities: CAP_BPF to load BPF programs:"},
		{"+bpf,+perfmon", "permission denied: grant CAP_DAC_READ_SEARCH, or run as root"},
		{"+bpf,+perfmon,+dac_read_search", "result: <nil>"},
	} {
		cmd := exec.Command("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
			"--inh-caps=-all,"+test.rights, "--ambient-caps=-all,"+test.rights, "--", exe, "-test.run", "^TestAttachWithFewRights$")
		cmd.Env = append(os.Environ(), rightsVariable+"=1")
		cmd.Dir = "/"
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), test.want) {
			t.Errorf("with %s: %v\n%s\nwant %s", test.rights, err, out, test.want)
		}
	}
}

func TestRemedy(t *testing.T) {
	syscall, tracing := hook{group: "syscalls", name: "sys_exit_read"}, hook{group: "tp_btf", name: "tcp_destroy_sock"}
	for _, test := range []struct {
		hook hook
		err  error
		want string
	}{
		{syscall, fs.ErrPermission, "CAP_DAC_READ_SEARCH"},
		{tracing, fs.ErrPermission, "CAP_BPF and CAP_PERFMON"},
		{syscall, fs.ErrNotExist, "CONFIG_FTRACE_SYSCALLS"},
		{tracing, fs.ErrNotExist, "Linux 5.10"},
		{tracing, ebpf.ErrNotSupported, "Linux 5.10"},
		{syscall, &ebpf.VerifierError{Cause: fs.ErrPermission}, "uname -r"},
		{syscall, errors.New("no memory"), "dmesg"},
	} {
		if got := remedy(test.hook, fmt.Errorf("attach: %w", test.err)); !strings.Contains(got, test.want) {
			t.Errorf("%s, %v: %q lacks %q", test.hook, test.err, got, test.want)
		}
	}
}

// What has no error is attached: hooks that the configuration has no use for are no
// probes.
func TestProbesAreAttached(t *testing.T) {
	for _, unix := range []bool{false, true} {
		config := testConfig()
		config.UDP, config.Unix = false, unix
		tr := start(t, config)
		attached := 0
		for _, p := range tr.Probes() {
			if p.Err == nil && !strings.HasPrefix(p.Hook, "iter/") {
				attached++
			}
		}
		if attached != len(tr.links) {
			t.Errorf("with UNIX sockets %t: %d are said to be attached, %d are", unix, attached, len(tr.links))
		}
	}
}
