// SPDX-License-Identifier: Apache-2.0

// Package socktrace copies what processes read from and write to their sockets,
// from the exit of the system calls, into ring buffers. It knows no protocol.
package socktrace

// Config says what is traced. Load checks nothing that the receiver's
// configuration has checked already, but refuses what the kernel side cannot do.
type Config struct {
	CaptureSize    int // bytes copied of each call, 0 to MaxCapture
	RingSize       int // bytes of each ring, a power of two and a multiple of the page size
	Rings          int // a power of two; a connection's events all go to one ring
	MaxConnections int
	WakeupBytes    int // a ring's reader is woken when so many bytes wait
	UDP, Unix      bool
	Clients        bool // trace connections that the process opened
	Servers        bool // trace connections that the process accepted
	IncludePorts   []uint16
	ExcludePorts   []uint16
}

// Probe is one program and whether it could be loaded and attached.
type Probe struct {
	Program string // name of the program in the BPF object
	Hook    string // what it is attached to, as the kernel calls it
	Err     error  // with the remedy; nil if it is attached
}

// Connection is what the kernel side keeps of a connection.
type Connection struct {
	ID        uint64
	Sent      uint64 // bytes
	Received  uint64 // bytes
	Announced bool   // user space has been told
}
