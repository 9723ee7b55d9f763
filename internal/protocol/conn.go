// SPDX-License-Identifier: Apache-2.0

package protocol

import (
	"net/netip"

	"github.com/puck-otel/puck/internal/table"
)

// Side is the way of bytes as the traced process sees it.
type Side uint8

// The sides.
const (
	Send Side = iota // the process wrote the bytes
	Recv             // the process read them
)

// Role says which end of the connection the traced process is. The numbers are
// those of the column trace_role.
type Role int64

// The roles.
const (
	Client      Role = 1
	Server      Role = 2
	UnknownRole Role = 4 // until the engine sees who sends requests
)

// Transport is what carries the connection's bytes.
type Transport uint8

// The transports.
const (
	TCP Transport = iota + 1
	UDP
	Unix
)

// Conn is what is known of a connection apart from its bytes.
type Conn struct {
	ID        uint64 // unique while the agent runs
	UPID      table.ID
	Local     netip.AddrPort // zero for Unix
	Remote    netip.AddrPort // zero for Unix, and for a UDP socket that is not connected
	Role      Role           // the engine replaces UnknownRole once requests are seen
	Transport Transport
	Encrypted bool // the bytes were read above a TLS library
	// Joined says that the connection is older than the agent: its first bytes may
	// be the middle of a message. UnknownRole implies it.
	Joined bool
	// Start is the position of the first byte of each side, 0 where it is not known:
	// then the first segment is taken to be the first.
	Start [2]uint64
	// Owner belongs to whoever opened the connection; the engine only hands it on.
	Owner any
	// LocalAddr and RemoteAddr are the text forms of the addresses, made once.
	LocalAddr, RemoteAddr string
}

// End is where a side's byte stream ends. The zero value says that it is not known.
type End struct {
	Pos  uint64 // behind the last byte
	Last int64  // when the last byte was moved, in nanoseconds since the UNIX epoch
}

// Segment is a slice of what the traced process read or wrote in one call.
type Segment struct {
	// Pos is the offset of Data in the byte stream of its side. The first offset
	// may be any number: see Conn.Start. A jump forward means that bytes were not
	// copied; a jump back that the calls of two threads crossed, and what was there
	// already is left out.
	Pos uint64
	// Len is the number of bytes that the process moved, at least len(Data): what
	// lies behind Data was not copied.
	Len uint32
	// Queue is for how many nanoseconds received bytes lay in the socket's queue.
	Queue uint32
	// Time is when the bytes were moved, in nanoseconds since the UNIX epoch.
	Time int64
	// Data is valid until the call that hands it over returns.
	Data []byte
	// Peer is who a datagram came from or goes to, the zero value if that is not known:
	// a socket may have many peers, none of which is Conn.Remote then. Streams have none.
	Peer netip.AddrPort
}

// Peer is the other end of a datagram. The zero value says that it is not known.
type Peer struct {
	Addr string // the text form
	Port uint16
}

// Matches reports whether both may be the same end: that one which is not known may
// be any.
func (p Peer) Matches(q Peer) bool {
	return p.Port == q.Port && p.Addr == q.Addr || p == (Peer{}) || q == (Peer{})
}
