// SPDX-License-Identifier: Apache-2.0

package socktrace

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"unsafe"
)

// What the kernel side hands over, as socktrace.h declares and explains it.
type (
	// Header begins every event.
	Header = bpfEventHeader
	// DataEvent is a slice of what an application read or wrote.
	DataEvent = bpfDataEvent
	// OpenEvent tells of a connection, or of its next owner.
	OpenEvent = bpfOpenEvent
	// EndEvent says that no more bytes come on a side.
	EndEvent = bpfEndEvent
	// CloseEvent says that the socket is gone.
	CloseEvent = bpfCloseEvent
	// ProcessEvent comes before a process's first connection.
	ProcessEvent = bpfProcessEvent
	// ExitEvent says that a process has ended.
	ExitEvent = bpfExitEvent
	// Endpoint is an address and a port.
	Endpoint = bpfEndpoint
	// Counter is the place of a counter in what [Tracer.Counters] returns.
	Counter = bpfCounter
)

// Kind tells which structure an event is.
type Kind uint8

// The kinds of events.
const (
	Data     = Kind(bpfEventKindEVENT_DATA)
	Datagram = Kind(bpfEventKindEVENT_DATAGRAM)
	Open     = Kind(bpfEventKindEVENT_OPEN)
	End      = Kind(bpfEventKindEVENT_END)
	Close    = Kind(bpfEventKindEVENT_CLOSE)
	Process  = Kind(bpfEventKindEVENT_PROCESS)
	Exit     = Kind(bpfEventKindEVENT_EXIT)
)

// Sides, roles and transports have the numbers of package protocol.
const (
	SideSend = uint8(bpfSideSIDE_SEND)
	SideRecv = uint8(bpfSideSIDE_RECV)

	RoleClient  = uint8(bpfRoleROLE_CLIENT)
	RoleServer  = uint8(bpfRoleROLE_SERVER)
	RoleUnknown = uint8(bpfRoleROLE_UNKNOWN)

	TransportTCP  = uint8(bpfTransportTRANSPORT_TCP)
	TransportUDP  = uint8(bpfTransportTRANSPORT_UDP)
	TransportUnix = uint8(bpfTransportTRANSPORT_UNIX)
)

// The counters of the kernel side: see enum counter in socktrace.h.
const (
	DataEvents     = bpfCounterCOUNT_DATA_EVENTS
	DataBytes      = bpfCounterCOUNT_DATA_BYTES
	MovedBytes     = bpfCounterCOUNT_MOVED_BYTES
	RingFullData   = bpfCounterCOUNT_RING_FULL_DATA
	RingFullBytes  = bpfCounterCOUNT_RING_FULL_BYTES
	RingFullOther  = bpfCounterCOUNT_RING_FULL_OTHER
	MapFull        = bpfCounterCOUNT_MAP_FULL
	TruncatedBytes = bpfCounterCOUNT_TRUNCATED_BYTES
	Faults         = bpfCounterCOUNT_FAULTS
	IgnoredCalls   = bpfCounterCOUNT_IGNORED_CALLS
	SkippedCalls   = bpfCounterCOUNT_SKIPPED_CALLS
	SkippedBytes   = bpfCounterCOUNT_SKIPPED_BYTES
	Filtered       = bpfCounterCOUNT_FILTERED
	Unplaced       = bpfCounterCOUNT_UNPLACED
	Opened         = bpfCounterCOUNT_OPENED
	Closed         = bpfCounterCOUNT_CLOSED
)

// MaxCapture is the most bytes that can be copied of one call.
const MaxCapture = int(bpfLimitMAX_CAPTURE)

// ErrMalformed says that an event's bytes are not what its header promises. Only
// a kernel side and a Go side of different builds can cause it.
var ErrMalformed = errors.New("malformed event")

// Event is one event of the ring, decoded in place: it is valid until the ring's
// memory is given back. Exactly the field that Kind names is set; Datagram sets
// Data and Peer.
type Event struct {
	Kind    Kind
	Data    *DataEvent
	Payload []byte // captured bytes of Data
	Peer    netip.AddrPort
	Open    *OpenEvent
	End     *EndEvent
	Close   *CloseEvent
	Process *ProcessEvent
	Exit    *ExitEvent
}

const headerSize = int(unsafe.Sizeof(Header{}))

// at returns raw as a *T, or nil if raw is too short.
func at[T any](raw []byte) *T {
	var t T
	if len(raw) < int(unsafe.Sizeof(t)) {
		return nil
	}
	return (*T)(unsafe.Pointer(unsafe.SliceData(raw)))
}

// Decode decodes the event in raw, which must be aligned to eight bytes. e points
// into raw afterwards.
func Decode(raw []byte, e *Event) error {
	header := at[Header](raw)
	if header == nil {
		return fmt.Errorf("%w: %d bytes, a header has %d", ErrMalformed, len(raw), headerSize)
	}
	ok := false
	e.Kind = Kind(header.Kind)
	switch e.Kind {
	case Data, Datagram:
		return decodeData(raw, e)
	case Open:
		e.Open = at[OpenEvent](raw)
		ok = e.Open != nil
	case End:
		e.End = at[EndEvent](raw)
		ok = e.End != nil
	case Close:
		e.Close = at[CloseEvent](raw)
		ok = e.Close != nil
	case Process:
		e.Process = at[ProcessEvent](raw)
		ok = e.Process != nil
	case Exit:
		e.Exit = at[ExitEvent](raw)
		ok = e.Exit != nil
	default:
		return fmt.Errorf("%w: kind %d", ErrMalformed, e.Kind)
	}
	if !ok {
		return fmt.Errorf("%w: %d bytes are too short for kind %d", ErrMalformed, len(raw), e.Kind)
	}
	return nil
}

func decodeData(raw []byte, e *Event) error {
	e.Data = at[DataEvent](raw)
	if e.Data == nil {
		return fmt.Errorf("%w: %d bytes are too short for data", ErrMalformed, len(raw))
	}
	rest := raw[unsafe.Sizeof(DataEvent{}):]
	if e.Kind == Datagram {
		peer := at[bpfDatagramPeer](rest)
		if peer == nil {
			return fmt.Errorf("%w: a datagram without its peer", ErrMalformed)
		}
		e.Peer = AddrPort(&peer.Remote)
		rest = rest[unsafe.Sizeof(bpfDatagramPeer{}):]
	}
	n := e.Data.Header.Captured
	if uint64(n) > uint64(len(rest)) || n > e.Data.Len {
		return fmt.Errorf("%w: %d bytes captured of %d, %d there", ErrMalformed, n, e.Data.Len, len(rest))
	}
	if e.Data.Header.Side > SideRecv {
		return fmt.Errorf("%w: side %d", ErrMalformed, e.Data.Header.Side)
	}
	e.Payload = rest[:n]
	return nil
}

// AddrPort returns the endpoint's address, an IPv4 address that was mapped into
// IPv6 as IPv4; the zero value for a UNIX socket.
func AddrPort(e *Endpoint) netip.AddrPort {
	switch e.Family {
	case afInet:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(e.Addr[:4])), e.Port)
	case afInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(e.Addr).Unmap(), e.Port)
	}
	return netip.AddrPort{}
}

const (
	afInet  = 2
	afInet6 = 10
)

// Text returns what a NUL-terminated field of an event says.
func Text[T ~int8 | ~uint8](field []T) string {
	b := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(field))), len(field))
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(b)
}

// Path returns the path of a UNIX socket as ss(8) shows it: an abstract name
// begins with @. It is empty for an unnamed socket.
func Path(e *OpenEvent) string {
	if e.Path[0] == 0 && e.Path[1] != 0 {
		return "@" + Text(e.Path[1:])
	}
	return Text(e.Path[:])
}

// Args returns the start of the process's arguments, each ended by a NUL byte.
func Args(e *ProcessEvent) []byte {
	n := min(int(e.ArgsLen), len(e.Args))
	b := unsafe.Slice((*byte)(unsafe.Pointer(&e.Args[0])), n)
	return append([]byte(nil), b...)
}

// verdictWord is the word of an entry of the map verdicts.
func verdictWord(conn uint64, bytes int) uint64 {
	verdict := uint64(bpfVerdictVERDICT_DEFAULT)
	switch {
	case bytes == 0:
		verdict = uint64(bpfVerdictVERDICT_IGNORE)
	case bytes > 0:
		for verdict = 2; verdict < 16 && 1<<verdict < bytes; verdict++ {
		}
	}
	return conn<<8 | verdict
}

// skipWord is a word skip of an entry of the map verdicts. Positions have 48 bits: a
// direction that has moved more than 256 TiB is told of to the last byte.
func skipWord(conn, pos uint64) uint64 {
	if pos >= 1<<48 {
		return 0
	}
	return pos<<16 | conn*0x9e3779b97f4a7c15>>48
}

var nativeEndian = binary.NativeEndian
