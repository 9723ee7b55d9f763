// SPDX-License-Identifier: Apache-2.0

//go:build linux

package socktrace

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"github.com/puck-otel/puck/bpf/tracefs"
)

// hook is where a program is attached.
type hook struct {
	program string
	group   string // of a tracepoint, or "tp_btf" or "iter"
	name    string
}

func (h hook) String() string { return h.group + "/" + h.name }

// hooks lists every program in the order of attaching: what ends a connection
// before what begins one.
var hooks = []hook{
	{bpfProgIterConnections, "iter", "task_file"},
	{bpfProgIterSockets, "iter", "task_file"},
	{bpfProgTraceTcpDestroy, "tp_btf", "tcp_destroy_sock"},
	{bpfProgTraceSockState, "tp_btf", "inet_sock_set_state"},
	{bpfProgTraceProcessExit, "tp_btf", "sched_process_exit"},
	{bpfProgTraceProcessExec, "tp_btf", "sched_process_exec"},
	{bpfProgTraceCloseEnter, "syscalls", "sys_enter_close"},
	{bpfProgTraceConnectExit, "syscalls", "sys_exit_connect"},
	{bpfProgTraceAcceptExit, "syscalls", "sys_exit_accept"},
	{bpfProgTraceAccept4Exit, "syscalls", "sys_exit_accept4"},
	{bpfProgTraceReadExit, "syscalls", "sys_exit_read"},
	{bpfProgTraceReadvExit, "syscalls", "sys_exit_readv"},
	{bpfProgTraceRecvfromExit, "syscalls", "sys_exit_recvfrom"},
	{bpfProgTraceRecvmsgExit, "syscalls", "sys_exit_recvmsg"},
	{bpfProgTraceRecvmmsgExit, "syscalls", "sys_exit_recvmmsg"},
	{bpfProgTraceWriteExit, "syscalls", "sys_exit_write"},
	{bpfProgTraceWritevExit, "syscalls", "sys_exit_writev"},
	{bpfProgTraceSendtoExit, "syscalls", "sys_exit_sendto"},
	{bpfProgTraceSendmsgExit, "syscalls", "sys_exit_sendmsg"},
	{bpfProgTraceSendmmsgExit, "syscalls", "sys_exit_sendmmsg"},
	{bpfProgTraceSendfileExit, "syscalls", "sys_exit_sendfile64"},
	{bpfProgTraceSpliceExit, "syscalls", "sys_exit_splice"},
}

// wantedHooks returns the hooks that the configuration has a use for, and takes the
// programs of the others out of spec.
func wantedHooks(spec *ebpf.CollectionSpec, c Config) []hook {
	if c.UDP || c.Unix {
		return hooks
	}
	// TCP sockets tell their end themselves.
	delete(spec.Programs, bpfProgTraceCloseEnter)
	return slices.DeleteFunc(slices.Clone(hooks), func(h hook) bool { return h.program == bpfProgTraceCloseEnter })
}

// Attach attaches the programs, having found the connections that are older. A
// program that cannot be attached costs that program alone: see [Tracer.Probes].
// It fails only if nothing can be traced.
func (t *Tracer) Attach() error {
	if err := tracefs.Mount(); err != nil {
		return err
	}
	attached := 0
	var first error
	for i := range t.probes {
		probe := &t.probes[i]
		if probe.Err == nil {
			probe.Err = t.attach(t.hooks[i])
		}
		switch {
		case probe.Err == nil && t.hooks[i].group == "syscalls":
			attached++
		case first == nil:
			first = probe.Err
		}
	}
	if attached == 0 {
		return fmt.Errorf("no system call can be traced: %w", first)
	}
	return nil
}

func (t *Tracer) attach(h hook) error {
	program := t.programs[h.program]
	var (
		l   link.Link
		err error
	)
	switch {
	case h.program == bpfProgIterConnections:
		_, err = readIterator(link.IterOptions{Program: program})
	case h.program == bpfProgIterSockets:
		_, err = t.liveSockets()
	case h.group == "tp_btf":
		l, err = link.AttachTracing(link.TracingOptions{Program: program})
	default:
		l, err = link.Tracepoint(h.group, h.name, program, nil)
	}
	if err != nil {
		return fmt.Errorf("attach %s: %w: %s", h, err, remedy(h, err))
	}
	if l != nil {
		t.links = append(t.links, l)
	}
	return nil
}

// readIterator runs an iterator to its end and returns what it wrote.
func readIterator(options link.IterOptions) ([]byte, error) {
	iter, err := link.AttachIter(options)
	if err != nil {
		return nil, err
	}
	defer iter.Close()
	reader, err := iter.Open()
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	return io.ReadAll(reader)
}

// liveSockets returns the sockets that processes hold.
func (t *Tracer) liveSockets() (map[bpfLiveSocket]struct{}, error) {
	program := t.programs[bpfProgIterSockets]
	if program == nil {
		return nil, errors.New("the iterator over sockets is not loaded")
	}
	out, err := readIterator(link.IterOptions{Program: program})
	if err != nil {
		return nil, fmt.Errorf("list sockets: %w", err)
	}
	live := map[bpfLiveSocket]struct{}{}
	for size := int(unsafe.Sizeof(bpfLiveSocket{})); len(out) >= size; out = out[size:] {
		live[bpfLiveSocket{Sk: nativeEndian.Uint64(out), Inode: nativeEndian.Uint64(out[8:])}] = struct{}{}
	}
	return live, nil
}

// Sweep removes connections whose socket is gone although nothing told so: a
// killed process leaves UDP and UNIX sockets so, and any socket may be left if the
// kernel skipped a program. Connections that were used within idle are not looked
// at. It calls gone with the last state of each that it removes, and walks the
// descriptors of all processes only if there is a candidate.
func (t *Tracer) Sweep(idle time.Duration, gone func(Connection)) error {
	missed, err := t.Missed()
	if err != nil {
		return err
	}
	everything := missed != t.swept
	before := monotonic() - uint64(idle)
	candidates := map[uint64]bpfConnection{}
	err = t.eachConnection(func(key uint64, conn *bpfConnection) {
		tells := conn.TcpSock != 0
		if conn.LastNs < before && (everything || !tells) {
			candidates[key] = *conn
		}
	})
	if err != nil || len(candidates) == 0 {
		return err
	}
	live, err := t.liveSockets()
	if err != nil {
		return err
	}
	t.swept = missed
	for key, conn := range candidates {
		if _, ok := live[bpfLiveSocket{Sk: key, Inode: conn.Inode}]; ok {
			continue
		}
		var now bpfConnection
		if t.maps[bpfMapConnections].Lookup(key, &now) != nil || now.Id != conn.Id || now.LastNs != conn.LastNs {
			continue // gone, used, or the next socket's by now
		}
		if err := t.maps[bpfMapConnections].Delete(key); err != nil {
			if errors.Is(err, ebpf.ErrKeyNotExist) {
				continue
			}
			return fmt.Errorf("remove a stale connection: %w", err)
		}
		gone(now.connection())
	}
	return nil
}

// monotonic returns CLOCK_MONOTONIC, the clock of all events, in nanoseconds.
func monotonic() uint64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return 0
	}
	return uint64(ts.Nano())
}
