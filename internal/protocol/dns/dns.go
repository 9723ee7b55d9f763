// SPDX-License-Identifier: Apache-2.0

// Package dns reads DNS (RFC 1035, with EDNS of RFC 6891, NOTIFY of RFC 1996 and
// UPDATE of RFC 2136) over UDP, and over TCP behind the length of each message.
//
// The wire format is read here and not by a library: golang.org/x/net/dns/dnsmessage
// refuses names that are in use, such as those with a dot in a label, does not tell
// where a message ends, which a strict match needs, and makes 256 bytes of each name;
// github.com/miekg/dns allocates for each record. The tests compare with the former.
package dns

import (
	"encoding/binary"
	"time"

	"github.com/puck-otel/puck/internal/protocol"
)

// Config is the configuration. The zero value is of use.
type Config struct {
	// Timeout is how long a query waits for its response before it becomes a row
	// without one. Default 10 s, in which resolvers have asked again or given up.
	Timeout time.Duration
}

// codec is the configuration as the functions of the Spec use it.
type codec struct{ timeout int64 }

// New returns the protocol.
func New(c Config) protocol.Protocol {
	k := &codec{timeout: int64(c.Timeout)}
	if k.timeout <= 0 {
		k.timeout = int64(10 * time.Second)
	}
	return protocol.Spec[message, Record, state]{
		Title: "dns", Table: Table, Datagrams: true, Pending: 2 * maxPending,
		Match: match, Parse: parse, Resync: resync, Stitch: k.stitch, Size: size,
	}
}

// message is a frame.
type message struct {
	header
	rcode     uint16 // with the bits that EDNS adds
	kind      uint16 // of the first question
	class     uint16
	seen      bool // Stitch has looked for its other half
	again     bool // a query like it is waiting already
	cut       bool // not all of it was copied
	retries   uint16
	remaining int    // bytes of it that are still to come, and not needed
	name      string // of the first question
	body      string // JSON: the questions of a request, the answers of a response
	addresses string // among the answers, parted by commas
}

// state is what both directions share.
type state struct {
	// transfer is the id of the last zone transfer that was answered, and one: its
	// answer may be many messages (RFC 5936 section 2.2).
	transfer uint32
	lossAt   int64 // when responses were last found to be missing
}

// size returns the bytes of memory that a message holds beside itself.
func size(m *message) int { return len(m.name) + len(m.body) + len(m.addresses) }

type input = protocol.Input[message, state]

// parse reads a datagram, or the message that a stream goes on with.
func parse(in *input, m *message) (int, protocol.Status) {
	all := len(in.Data) + in.Gap
	if in.Conn.Transport == protocol.UDP {
		m.cut = in.Gap > 0
		if !m.accept(in, in.Data, all) {
			return 0, protocol.Invalid
		}
		return all, protocol.Done
	}
	if m.remaining > 0 {
		return m.pass(in, min(m.remaining, all))
	}
	if len(in.Data) < prefixLen {
		return 0, protocol.More
	}
	length := int(binary.BigEndian.Uint16(in.Data))
	msg := in.Data[prefixLen:]
	switch {
	case length < headerLen:
		return 0, protocol.Invalid
	case len(msg) >= length:
		if !m.accept(in, msg[:length], length) {
			return 0, protocol.Invalid
		}
		return prefixLen + length, protocol.Done
	case len(msg) >= headerLen && !sound(in.Dir, readHeader(msg), length):
		return 0, protocol.Invalid
	case in.Gap == 0 || len(msg) < headerLen || !m.accept(in, msg, length):
		return 0, protocol.More
	}
	m.cut, m.remaining = true, prefixLen+length
	return m.pass(in, min(m.remaining, all))
}

// accept reads a message of size bytes, of which msg are there, and reports whether it
// is one of this direction.
func (m *message) accept(in *input, msg []byte, size int) bool {
	return len(msg) >= headerLen && sound(in.Dir, readHeader(msg), size) && m.read(msg, in.Intern)
}

// pass goes past n bytes of the message.
func (m *message) pass(in *input, n int) (int, protocol.Status) {
	m.remaining -= n
	if m.remaining == 0 {
		return n, protocol.Done
	}
	in.Skip = int64(m.remaining)
	return n, protocol.More
}

// sound reports whether the header can be that of a message of size bytes. What follows
// on a socket that has matched may lack a question: so do the later messages of a zone
// transfer, and some errors.
func sound(dir protocol.Direction, h header, size int) bool {
	if h.counts[questions] == 0 {
		h.counts[questions], size = 1, size+questionLen-headerLen
	}
	return h.isResponse() == (dir == protocol.Response) && plausible(&h, size)
}
