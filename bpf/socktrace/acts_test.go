// SPDX-License-Identifier: Apache-2.0

//go:build linux

package socktrace

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

func actUDP(call string) error {
	s, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return err
	}
	c, err := net.DialUDP("udp4", nil, s.LocalAddr().(*net.UDPAddr))
	if err != nil {
		return err
	}
	fd, err := blocking(c)
	if err != nil {
		return err
	}
	if err := send(call, fd, []byte("ping")); err != nil {
		return err
	}
	buf := make([]byte, 100)
	_, from, err := s.ReadFromUDP(buf)
	if err != nil {
		return err
	}
	if _, err := s.WriteToUDP([]byte("pong"), from); err != nil {
		return err
	}
	return errors.Join(receive(call, fd, 4), unix.Close(fd), s.Close())
}

func actBig() error {
	client, server, err := pair("tcp4")
	if err != nil {
		return err
	}
	body := make([]byte, bigBytes)
	failed := make(chan error, 1)
	go func() {
		for sent := 0; sent < len(body); {
			n, err := unix.Write(client, body[sent:])
			if err != nil {
				failed <- err
				return
			}
			sent += n
		}
		failed <- nil
	}()
	if err := errors.Join(receive("write", server, bigBytes), <-failed); err != nil {
		return err
	}
	go func() { failed <- sendFile(server, body) }()
	if err := swallow(client); err != nil {
		return err
	}
	return errors.Join(<-failed, unix.Close(client), unix.Close(server))
}

func sendFile(fd int, body []byte) error {
	name := filepath.Join(".", "body")
	if err := os.WriteFile(name, body, 0o600); err != nil {
		return err
	}
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	for sent := 0; sent < len(body); {
		n, err := unix.Sendfile(fd, int(f.Fd()), nil, len(body)-sent)
		if err != nil {
			return err
		}
		sent += n
	}
	return nil
}

// swallow receives half of the body with MSG_TRUNC and half by splice.
func swallow(fd int) error {
	var pipe [2]int
	if err := unix.Pipe(pipe[:]); err != nil {
		return err
	}
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	buf := make([]byte, 64<<10)
	for got := 0; got < bigBytes; {
		if got < bigBytes/2 {
			n, _, errno := unix.Syscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(&buf[0])), uintptr(len(buf)), unix.MSG_TRUNC, 0, 0)
			if errno != 0 {
				return errno
			}
			got += int(n)
			continue
		}
		n, err := unix.Splice(fd, nil, pipe[1], nil, len(buf), 0)
		if err != nil {
			return err
		}
		if _, err := unix.Splice(pipe[0], nil, int(null.Fd()), nil, int(n), 0); err != nil {
			return err
		}
		got += int(n)
	}
	return nil
}

// What actSkip sends: the tracer is told to skip both bodies when it has seen the
// first head. The first body ends within a call, the second with one.
const (
	skipHead = "head"
	skipBody = 10_000 // bytes, in calls of a thousand, the last with more behind it
	skipTail = "tail"
)

func actSkip(call string) error {
	client, server, err := pair("tcp4")
	if err != nil {
		return err
	}
	go func() { _ = swallow(server) }()
	if err := send(call, client, []byte(skipHead)); err != nil {
		return err
	}
	fmt.Println("sent the head")
	if _, err := fmt.Scanln(new(string)); err != nil {
		return err
	}
	body := make([]byte, 1000)
	for range skipBody/len(body) - 1 {
		if err := send(call, client, body); err != nil {
			return err
		}
	}
	if err := send(call, client, append(body, skipTail...)); err != nil {
		return err
	}
	fmt.Println("sent the tail")
	if _, err := fmt.Scanln(new(string)); err != nil {
		return err
	}
	for range 3 {
		if err := send(call, client, body); err != nil {
			return err
		}
	}
	return unix.Close(client)
}

func actPeek() error {
	client, server, err := pair("tcp4")
	if err != nil {
		return err
	}
	if err := send("write", client, []byte("peeked at")); err != nil {
		return err
	}
	buf := make([]byte, 100)
	if _, _, err := unix.Recvfrom(server, buf, unix.MSG_PEEK); err != nil {
		return err
	}
	return errors.Join(receive("send", server, 9), unix.Close(client), unix.Close(server))
}

func actDup(how string) error {
	for range 1 + map[string]int{"reuse": 1}[how] {
		client, server, err := pair("tcp4")
		if err != nil {
			return err
		}
		fds := []int{client, client, client}
		switch how {
		case "dup":
			fds[1], err = unix.Dup(client)
		case "dup2":
			fds[1], err = 77, unix.Dup3(client, 77, 0)
		case "fcntl":
			fds[1], err = unix.FcntlInt(uintptr(client), unix.F_DUPFD, 50)
		}
		if err != nil {
			return err
		}
		if how != "reuse" {
			if err := send("write", client, []byte("one")); err != nil {
				return err
			}
			if err := unix.Close(client); err != nil {
				return err
			}
			fds[2] = fds[1]
		} else if err := send("write", fds[0], []byte("one")); err != nil {
			return err
		}
		if err := errors.Join(send("write", fds[1], []byte("two")), send("send", fds[2], []byte("three"))); err != nil {
			return err
		}
		if err := errors.Join(receive("write", server, 11), unix.Close(fds[2]), unix.Close(server)); err != nil {
			return err
		}
	}
	return nil
}

// actHandOver accepts a connection and has another process serve it.
func actHandOver(how string) error {
	client, server, err := pair("tcp4")
	if err != nil {
		return err
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), roleVariable+"=adopted "+how)
	cmd.Stderr = os.Stderr
	f := os.NewFile(uintptr(server), "connection")
	if how == "fork" {
		cmd.ExtraFiles = []*os.File{f}
	} else {
		both, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		if err != nil {
			return err
		}
		if err := unix.Sendmsg(both[0], []byte{0}, unix.UnixRights(server), nil, 0); err != nil {
			return err
		}
		cmd.ExtraFiles = []*os.File{os.NewFile(uintptr(both[1]), "way")}
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return errors.Join(send("write", client, []byte("who are you")), receive("write", client, 2), cmd.Wait(), unix.Close(client))
}

func actAdopted(how string) error {
	fd := 3
	if how == "pass" {
		oob := make([]byte, 100)
		_, n, _, _, err := unix.Recvmsg(3, make([]byte, 1), oob, 0)
		if err != nil {
			return err
		}
		messages, err := unix.ParseSocketControlMessage(oob[:n])
		if err != nil {
			return err
		}
		fds, err := unix.ParseUnixRights(&messages[0])
		if err != nil {
			return err
		}
		fd = fds[0]
	}
	return errors.Join(receive("write", fd, 11), send("write", fd, []byte("me")), unix.Close(fd))
}

func actOlder() error {
	client, server, err := pair("tcp4")
	if err != nil {
		return err
	}
	if err := errors.Join(send("write", client, []byte("before")), receive("write", server, 6)); err != nil {
		return err
	}
	fmt.Println("connected")
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		return err
	}
	return errors.Join(send("write", client, []byte("since then")), receive("write", server, 10),
		unix.Close(client), unix.Close(server))
}

func actChurn() error {
	l, err := listen("tcp4", ".")
	if err != nil {
		return err
	}
	defer l.Close()
	for i := range churned {
		c, err := dial("tcp4", l)
		if err != nil {
			return err
		}
		s, err := l.Accept()
		if err != nil {
			return err
		}
		if _, err := c.Write([]byte("x")); err != nil {
			return err
		}
		if _, err := s.Read(make([]byte, 1)); err != nil {
			return err
		}
		if i%3 == 0 { // end by a reset
			if err := s.(*net.TCPConn).SetLinger(0); err != nil {
				return err
			}
		}
		if err := errors.Join(s.Close(), c.Close()); err != nil && !errors.Is(err, syscall.ECONNRESET) {
			return err
		}
	}
	return nil
}

// actLinger holds sockets of all kinds until it is killed.
func actLinger() error {
	for _, network := range []string{"tcp4", "tcp6", "unix"} {
		client, server, err := pair(network)
		if err != nil {
			return err
		}
		if err := errors.Join(send("write", client, []byte("x")), receive("write", server, 1)); err != nil {
			return err
		}
		_ = os.Remove("echo.sock")
	}
	c, err := net.Dial("udp4", "127.0.0.1:9")
	if err != nil {
		return err
	}
	if _, err := c.Write([]byte("x")); err != nil {
		return err
	}
	fmt.Println("lingering")
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// actTracefs attaches where tracefs is not mounted, in a mount namespace of its
// own.
func actTracefs() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	for _, dir := range []string{"/sys/kernel/tracing", "/sys/kernel/debug/tracing", "/sys/kernel/debug"} {
		for unix.Unmount(dir, unix.MNT_DETACH) == nil {
		}
	}
	if _, err := os.Stat("/sys/kernel/tracing/events"); err == nil {
		return errors.New("tracefs is still mounted")
	}
	t, err := Load(testConfig())
	if err != nil {
		return err
	}
	return errors.Join(t.Attach(), t.Close())
}
