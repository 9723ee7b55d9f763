// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"bytes"
	"context"
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
	"time"

	"github.com/puck-otel/puck/test/freeport"
)

// child is a program that runs until close.
type child struct {
	cmd    *exec.Cmd
	exited chan struct{}
	err    error // set before exited is closed

	mu  sync.Mutex
	out bytes.Buffer
}

func (c *child) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.out.Write(p)
}

func (c *child) output() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.out.String()
}

func start(ctx context.Context, name string, args ...string) (*child, error) {
	c := &child{cmd: exec.CommandContext(ctx, name, args...), exited: make(chan struct{})}
	c.cmd.Stdout, c.cmd.Stderr = c, c
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		c.err = c.cmd.Wait()
		close(c.exited)
	}()
	return c, nil
}

// close ends the program in good order, or by force after half a minute.
func (c *child) close() error {
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-c.exited:
		return c.err
	case <-time.After(30 * time.Second):
		// The group includes the children of the child.
		return errors.Join(fmt.Errorf("%s does not end", c.cmd.Path), syscall.Kill(-c.cmd.Process.Pid, syscall.SIGKILL))
	}
}

// await calls f until it returns nil, for at most half a minute.
func (c *child) await(ctx context.Context, f func() error) error {
	deadline := time.Now().Add(30 * time.Second)
	for {
		err := f()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-c.exited:
			return errors.Join(fmt.Errorf("%s ended:\n%s", c.cmd.Path, c.output()), c.err)
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s: %w\n%s", c.cmd.Path, err, c.output())
		}
	}
}

// nginxServer is nginx with one worker.
type nginxServer struct {
	*child
	port int
}

func (s *nginxServer) address() string { return fmt.Sprintf("127.0.0.1:%d", s.port) }

const nginxConfig = `
worker_processes 1;
daemon off;
pid %[1]s/nginx.pid;
error_log %[1]s/error.log;
events { worker_connections 4096; }
http {
  access_log off;
  keepalive_requests 1000000000;
  client_body_temp_path %[1]s/body;
  proxy_temp_path %[1]s/proxy;
  fastcgi_temp_path %[1]s/fastcgi;
  uwsgi_temp_path %[1]s/uwsgi;
  scgi_temp_path %[1]s/scgi;
  server {
    listen 127.0.0.1:%[2]d backlog=4096;
    location /tiny { default_type text/plain; return 200 "ok"; }
    location /page { default_type text/plain; return 200 "%[3]s"; }
  }
}
`

func startNginx(ctx context.Context, dir string) (*nginxServer, error) {
	port, err := freeport.Get()
	if err != nil {
		return nil, err
	}
	config := filepath.Join(dir, "nginx.conf")
	text := fmt.Sprintf(nginxConfig, dir, port, strings.Repeat("x", 2000))
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		return nil, err
	}
	c, err := start(ctx, "nginx", "-p", dir, "-c", config)
	if err != nil {
		return nil, fmt.Errorf("%w (apt-get install nginx)", err)
	}
	s := &nginxServer{child: c, port: port}
	err = c.await(ctx, func() error {
		conn, err := net.Dial("tcp", s.address())
		if err != nil {
			return err
		}
		return conn.Close()
	})
	return s, err
}

// cpu returns the processor time that a process has used.
func cpu(pid int) (time.Duration, error) {
	raw, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(raw), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0, fmt.Errorf("process %d: stat has %d fields", pid, len(fields))
	}
	var ticks int64
	for _, f := range fields[11:13] { // utime and stime
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / 100, nil // USER_HZ is 100 on every architecture that Puck runs on
}

// resident returns a process's memory in MiB.
func resident(pid int) (float64, error) {
	raw, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(raw), "VmRSS:")
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return 0, fmt.Errorf("process %d: no VmRSS", pid)
	}
	kib, err := strconv.ParseFloat(fields[0], 64)
	return kib / 1024, err
}
