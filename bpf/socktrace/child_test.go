// SPDX-License-Identifier: Apache-2.0

//go:build linux

package socktrace

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// roleVariable tells the test binary to act as a child.
const roleVariable = "PUCK_SOCKTRACE_CHILD"

// What the children move.
const (
	bigBytes = 3 << 20
	churned  = 2000
)

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		if err := act(strings.Split(role, " ")); err != nil {
			fmt.Fprintln(os.Stderr, role+":", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// process is a child.
type childProcess struct {
	t   *testing.T
	cmd *exec.Cmd
	pid uint32
	in  io.WriteCloser
	out *bufio.Scanner
}

func launch(t *testing.T, role ...string) *childProcess {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), roleVariable+"="+strings.Join(role, " "))
	cmd.Dir = t.TempDir()
	if role[0] == "tracefs" {
		cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	}
	return launchCommand(t, cmd)
}

func launchCommand(t *testing.T, cmd *exec.Cmd) *childProcess {
	t.Helper()
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &childProcess{t: t, cmd: cmd, pid: uint32(cmd.Process.Pid), in: in, out: bufio.NewScanner(out)}
	t.Cleanup(func() {
		if cmd.ProcessState == nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	})
	return p
}

// child runs a child to its end.
func child(t *testing.T, role ...string) *childProcess {
	t.Helper()
	p := launch(t, role...)
	p.wait()
	return p
}

func (p *childProcess) wait() {
	p.t.Helper()
	_ = p.in.Close()
	if err := p.cmd.Wait(); err != nil {
		p.t.Fatal(err)
	}
}

func (p *childProcess) reap() { _ = p.cmd.Wait() }

func (p *childProcess) expect(line string) {
	p.t.Helper()
	if !p.out.Scan() || p.out.Text() != line {
		p.t.Fatalf("the child said %q, want %q", p.out.Text(), line)
	}
}

func (p *childProcess) say(line string) {
	p.t.Helper()
	if _, err := fmt.Fprintln(p.in, line); err != nil {
		p.t.Fatal(err)
	}
}

func act(role []string) error {
	switch role[0] {
	case "echo":
		return actEcho(role[1], role[2])
	case "udp":
		return actUDP(role[1])
	case "big":
		return actBig()
	case "skip":
		return actSkip(role[1])
	case "peek":
		return actPeek()
	case "dup":
		return actDup(role[1])
	case "fork", "pass":
		return actHandOver(role[0])
	case "adopted":
		return actAdopted(role[1])
	case "older":
		return actOlder()
	case "churn":
		return actChurn()
	case "linger":
		return actLinger()
	case "tracefs":
		return actTracefs()
	}
	return fmt.Errorf("unknown role %q", role)
}

// pair returns both ends of a connection, as blocking descriptors.
func pair(network string) (client, server int, err error) {
	l, err := listen(network, ".")
	if err != nil {
		return -1, -1, err
	}
	defer l.Close()
	c, err := dial(network, l)
	if err != nil {
		return -1, -1, err
	}
	s, err := l.Accept()
	if err != nil {
		return -1, -1, err
	}
	if client, err = blocking(c); err != nil {
		return -1, -1, err
	}
	server, err = blocking(s)
	return client, server, err
}

// blocking takes the descriptor out of Go's hands.
func blocking(c any) (int, error) {
	f, err := c.(interface{ File() (*os.File, error) }).File()
	if err != nil {
		return -1, err
	}
	defer f.Close()
	fd, err := unix.Dup(int(f.Fd()))
	if err != nil {
		return -1, err
	}
	if err := c.(io.Closer).Close(); err != nil {
		return -1, err
	}
	return fd, unix.SetNonblock(fd, false)
}

func actEcho(network, call string) error {
	client, server, err := pair(network)
	if err != nil {
		return err
	}
	text := []byte("hello, " + strings.Repeat("brave ", 20) + "new world")
	for _, way := range [][2]int{{client, server}, {server, client}} {
		if err := send(call, way[0], text); err != nil {
			return err
		}
		if err := receive(call, way[1], len(text)); err != nil {
			return err
		}
	}
	return errors.Join(unix.Close(client), unix.Close(server))
}

// thirds cuts text into three, the second of them empty.
func thirds(text []byte) [][]byte {
	n := len(text) / 3
	return [][]byte{text[:n], nil, text[n:]}
}

func send(call string, fd int, text []byte) error {
	var (
		n   int
		err error
	)
	switch call {
	case "write":
		n, err = unix.Write(fd, text)
	case "send":
		n, err = len(text), unix.Sendto(fd, text, 0, nil)
	case "writev":
		n, err = unix.Writev(fd, thirds(text))
	case "sendmsg":
		n, err = unix.SendmsgBuffers(fd, thirds(text), nil, nil, 0)
	case "sendmmsg":
		for i, m := range mmsg(unix.SYS_SENDMMSG, fd, thirds(text), &err) {
			_ = i
			n += int(m)
		}
	}
	if err == nil && n != len(text) {
		err = fmt.Errorf("%s moved %d bytes of %d", call, n, len(text))
	}
	return err
}

func receive(call string, fd, n int) error {
	buf := make([]byte, n)
	for got := 0; got < n; {
		var (
			m   int
			err error
		)
		rest := buf[got:]
		switch call {
		case "write":
			m, err = unix.Read(fd, rest)
		case "send":
			m, _, err = unix.Recvfrom(fd, rest, 0)
		case "writev":
			m, err = unix.Readv(fd, thirds(rest))
		case "sendmsg":
			m, _, _, _, err = unix.RecvmsgBuffers(fd, thirds(rest), nil, 0)
		case "sendmmsg":
			for _, k := range mmsg(unix.SYS_RECVMMSG, fd, [][]byte{rest}, &err) {
				m += int(k)
			}
		}
		if err != nil {
			return err
		}
		got += m
	}
	return nil
}

type mmsghdr struct {
	hdr unix.Msghdr
	len uint32
	_   uint32
}

// mmsg moves each buffer as a message of its own and returns their lengths.
func mmsg(nr uintptr, fd int, buffers [][]byte, err *error) []uint32 {
	messages := make([]mmsghdr, 0, len(buffers))
	for _, b := range buffers {
		if len(b) == 0 {
			continue
		}
		iov := &unix.Iovec{Base: &b[0]}
		iov.SetLen(len(b))
		m := mmsghdr{hdr: unix.Msghdr{Iov: iov}}
		m.hdr.SetIovlen(1)
		messages = append(messages, m)
	}
	n, _, errno := unix.Syscall6(nr, uintptr(fd), uintptr(unsafe.Pointer(&messages[0])), uintptr(len(messages)), 0, 0, 0)
	if errno != 0 {
		*err = errno
		return nil
	}
	var lens []uint32
	for _, m := range messages[:n] {
		lens = append(lens, m.len)
	}
	return lens
}
