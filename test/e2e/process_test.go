// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/puck-otel/puck/test/freeport"
)

// process is a child whose output is kept.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	exited chan struct{} // closed after err was set
	err    error
	out    lockedBuffer
}

// lockedBuffer is written by a child's output and read by the test. It keeps the
// first bytes only, so that a child that never stops printing does no harm.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.buf.Len() < 8<<20 {
		b.buf.Write(p)
	}
	return len(p), nil
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// start runs the command as a child in a process group of its own, which is
// killed at the test's end.
func start(t *testing.T, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{t: t, cmd: cmd, exited: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &p.out, &p.out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", cmd.Path, err)
	}
	go func() {
		p.err = cmd.Wait()
		close(p.exited)
	}()
	t.Cleanup(func() {
		// The group may be gone, which is what this is for.
		_ = syscall.Kill(-p.pid(), syscall.SIGKILL)
		<-p.exited
	})
	return p
}

func (p *process) pid() int { return p.cmd.Process.Pid }

func (p *process) output() string { return p.out.String() }

// tail returns the last of the child's output.
func (p *process) tail() string {
	text := p.output()
	return text[max(0, len(text)-6000):]
}

func (p *process) ended() bool {
	select {
	case <-p.exited:
		return true
	default:
		return false
	}
}

// end sends the signal and returns how the child ended.
func (p *process) end(signal syscall.Signal, timeout time.Duration) error {
	if err := p.cmd.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-p.exited:
		return p.err
	case <-time.After(timeout):
		return fmt.Errorf("still there %v after %v", timeout, signal)
	}
}

// wait returns once the child has ended by itself.
func (p *process) wait(timeout time.Duration) error {
	select {
	case <-p.exited:
		return p.err
	case <-time.After(timeout):
		return fmt.Errorf("%s still runs after %v", p.cmd.Path, timeout)
	}
}

// awaitLine returns once the child has printed text, and fails the test where it
// does not.
func (p *process) awaitLine(text string, timeout time.Duration) {
	p.t.Helper()
	err := poll(timeout, func() error {
		if strings.Contains(p.output(), text) {
			return nil
		}
		return fmt.Errorf("%s did not print %q", p.cmd.Path, text)
	}, p.exited)
	if err != nil {
		p.t.Fatalf("%v; its output:\n%s", err, p.tail())
	}
}

// run runs the command to its end and returns what it printed on its standard
// output.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", cmd, err, out, stderr.Bytes())
	}
	return string(out)
}

// children returns the process ids of the children of pid.
func children(t *testing.T, pid int) []int {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for _, stat := range stats {
		raw, err := os.ReadFile(stat)
		if err != nil {
			continue // The process ended since.
		}
		_, rest, ok := strings.Cut(string(raw), ") ")
		fields := strings.Fields(rest)
		if !ok || len(fields) < 2 || fields[1] != strconv.Itoa(pid) {
			continue
		}
		child, err := strconv.Atoi(filepath.Base(filepath.Dir(stat)))
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, child)
	}
	return pids
}

// freePort returns a TCP port of the loopback interface that nobody listens on.
func freePort(t *testing.T) int {
	t.Helper()
	port, err := freeport.Get()
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// awaitPort returns once somebody answers on the address. The connection that it
// makes for that carries no bytes.
func awaitPort(t *testing.T, p *process, network, address string) {
	t.Helper()
	err := poll(startTimeout, func() error {
		conn, err := net.DialTimeout(network, address, time.Second)
		if err != nil {
			return err
		}
		return conn.Close()
	}, p.exited)
	if err != nil {
		t.Fatalf("%s does not listen: %v\n%s", p.cmd.Path, err, p.tail())
	}
}
