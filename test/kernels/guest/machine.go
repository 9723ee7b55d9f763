// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// prepare mounts what programs expect and brings up the loopback interface.
// tracefs, debugfs and bpffs are left for the collector to mount.
func prepare() error {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return err
	}
	report("kernel %s", unix.ByteSliceToString(name.Release[:]))
	for _, m := range [][2]string{{"/proc", "proc"}, {"/sys", "sysfs"}, {"/dev", "devtmpfs"}, {"/tmp", "tmpfs"}} {
		if err := unix.Mount(m[1], m[0], m[1], 0, ""); err != nil {
			return fmt.Errorf("mount %s: %w", m[0], err)
		}
	}
	if err := os.Setenv("PATH", "/bin"); err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	ifr, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	ifr.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, ifr); err != nil {
		return fmt.Errorf("bring up the loopback interface: %w", err)
	}
	return nil
}

// child is a program whose output goes to the console and is kept.
type child struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	exited chan struct{} // closed after err was set
	err    error

	mu    sync.Mutex
	lines []string
}

func start(path string, args ...string) (*child, error) {
	c := &child{cmd: exec.Command(path, args...), exited: make(chan struct{})}
	in, err := c.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	c.in = in
	r, w := io.Pipe()
	c.cmd.Stdout, c.cmd.Stderr = w, w
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", path, err)
	}
	read := make(chan struct{})
	go func() {
		c.read(r)
		close(read)
	}()
	go func() {
		c.err = errors.Join(c.cmd.Wait(), w.Close())
		<-read
		close(c.exited)
	}()
	return c, nil
}

func (c *child) read(r io.Reader) {
	scanner := bufio.NewScanner(r)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		fmt.Printf("%s: %s\n", c.cmd.Path, scanner.Text())
		c.mu.Lock()
		c.lines = append(c.lines, scanner.Text())
		c.mu.Unlock()
	}
}

// awaitLine waits until the child has printed a line that contains text.
func (c *child) awaitLine(text string, timeout time.Duration) error {
	deadline := time.After(timeout)
	for {
		if c.printed(text) {
			return nil
		}
		select {
		case <-c.exited:
			if c.printed(text) {
				return nil
			}
			return errors.Join(fmt.Errorf("%s ended before it printed %q", c.cmd.Path, text), c.err)
		case <-deadline:
			return fmt.Errorf("%s did not print %q within %v", c.cmd.Path, text, timeout)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (c *child) printed(text string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.ContainsFunc(c.lines, func(line string) bool { return strings.Contains(line, text) })
}

// stop ends the child as a service manager would, and returns how it ended.
func (c *child) stop() error {
	if err := c.cmd.Process.Signal(unix.SIGTERM); err != nil {
		return err
	}
	select {
	case <-c.exited:
		return c.err
	case <-time.After(time.Minute):
		return fmt.Errorf("%s is still there a minute after SIGTERM", c.cmd.Path)
	}
}
