// SPDX-License-Identifier: Apache-2.0

//go:build linux

package socktrace

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// The header of a record: Documentation/bpf/ringbuf.rst.
const (
	recordHeader = 8
	busyBit      = 1 << 31
	discardBit   = 1 << 30
)

// Ring reads a BPF ring buffer where it lies: without a system call, a copy or an
// allocation for a record. It is for one goroutine.
type Ring struct {
	fd       int
	epoll    int
	consumer []byte // one page, ours to write
	producer []byte // one page, then the data twice, so that no record is broken
	data     []byte
	mask     uint64
}

// newRing maps the ring buffer m.
func newRing(m *ebpf.Map) (*Ring, error) {
	size := int(m.MaxEntries())
	page := os.Getpagesize()
	r := &Ring{fd: m.FD(), epoll: -1, mask: uint64(size - 1)}
	var err error
	if r.consumer, err = unix.Mmap(r.fd, 0, page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err != nil {
		return nil, fmt.Errorf("map the ring's consumer page: %w", err)
	}
	if r.producer, err = unix.Mmap(r.fd, int64(page), page+2*size, unix.PROT_READ, unix.MAP_SHARED); err != nil {
		return nil, errors.Join(fmt.Errorf("map the ring's data: %w", err), r.close())
	}
	r.data = r.producer[page:]
	if r.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, errors.Join(fmt.Errorf("create epoll: %w", err), r.close())
	}
	event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(r.fd)}
	if err = unix.EpollCtl(r.epoll, unix.EPOLL_CTL_ADD, r.fd, &event); err != nil {
		return nil, errors.Join(fmt.Errorf("watch the ring: %w", err), r.close())
	}
	return r, nil
}

// Wait returns when the kernel side has woken the reader, or after timeout.
func (r *Ring) Wait(timeout time.Duration) error {
	var events [1]unix.EpollEvent
	_, err := unix.EpollWait(r.epoll, events[:], int(timeout.Milliseconds()))
	if err != nil && !errors.Is(err, unix.EINTR) {
		return fmt.Errorf("wait for the ring: %w", err)
	}
	return nil
}

// Read calls handle for the records that wait, oldest first, until about limit
// bytes are read or none is left, then gives their memory back to the kernel.
// What handle is given is valid until it returns. It returns the bytes read.
func (r *Ring) Read(limit int, handle func(record []byte)) int {
	consumer := (*uint64)(unsafe.Pointer(&r.consumer[0]))
	start := atomic.LoadUint64(consumer)
	end := atomic.LoadUint64((*uint64)(unsafe.Pointer(&r.producer[0])))
	pos := start
	for pos < end && int(pos-start) < limit {
		at := pos & r.mask
		header := atomic.LoadUint32((*uint32)(unsafe.Pointer(&r.data[at])))
		if header&busyBit != 0 {
			break // being written: it and all behind it come next time
		}
		size := uint64(header &^ discardBit)
		if header&discardBit == 0 {
			handle(r.data[at+recordHeader : at+recordHeader+size])
		}
		pos += (size + recordHeader + 7) &^ 7
	}
	atomic.StoreUint64(consumer, pos)
	return int(pos - start)
}

// Waiting returns how many bytes lie in the ring.
func (r *Ring) Waiting() int {
	consumer := atomic.LoadUint64((*uint64)(unsafe.Pointer(&r.consumer[0])))
	return int(atomic.LoadUint64((*uint64)(unsafe.Pointer(&r.producer[0]))) - consumer)
}

// Size returns the ring's capacity in bytes.
func (r *Ring) Size() int { return int(r.mask + 1) }

func (r *Ring) close() error {
	var errs []error
	if r.epoll >= 0 {
		errs = append(errs, unix.Close(r.epoll))
	}
	for _, m := range [][]byte{r.consumer, r.producer} {
		if m != nil {
			errs = append(errs, unix.Munmap(m))
		}
	}
	return errors.Join(errs...)
}
