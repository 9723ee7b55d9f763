// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"encoding/binary"

	"github.com/puck-otel/puck/internal/protocol"
)

const (
	prefixLen = 2 // of the length before each message of a stream: RFC 1035 section 4.2.2
	// questionLen is the least that a message with a question has: the name of the root.
	questionLen = headerLen + 5
	// enough is how many bytes of a message tell without the rest.
	enough = 512
)

// match says by its content whether data is a message. A wrong match is worse than
// none, so it asks for more than the protocol does: one question, of a known class,
// whose name has no bytes but visible characters, no flags or counts that its kind of
// message does not have, and records that end where the message does. A socket whose
// first message has less is matched by a later one.
func match(c *protocol.Conn, _ protocol.Direction, data []byte) protocol.Match {
	if c.Transport == protocol.UDP {
		if len(data) < questionLen {
			return protocol.No
		}
		return matchMessage(data, len(data))
	}
	size := questionLen
	if len(data) > 0 {
		size = int(data[0])<<8 | 0xff // the most that it can be
	}
	if len(data) >= prefixLen {
		size = int(binary.BigEndian.Uint16(data))
	}
	if size < questionLen {
		return protocol.No
	}
	if len(data) <= prefixLen {
		return protocol.Maybe
	}
	return matchMessage(data[prefixLen:min(len(data), prefixLen+size)], size)
}

// matchMessage matches a message of size bytes, of which msg are the first.
func matchMessage(msg []byte, size int) protocol.Match {
	if len(msg) < headerLen {
		return matchFlags(msg)
	}
	h := readHeader(msg)
	if !plausible(&h, size) {
		return protocol.No
	}
	off, ok := matchQuestion(msg)
	switch {
	case !ok:
		return protocol.No
	case off == 0 || off > size:
		if len(msg) < size {
			return protocol.Maybe
		}
		return protocol.No
	}
	whole := len(msg) == size
	for section := answers; section < sections; section++ {
		for range h.counts[section] {
			r, ok := readRecord(msg, off)
			if !ok {
				// Of a datagram one cannot tell whether all of it was copied.
				return partial(&h, msg, whole && len(msg) < enough && h.flags&flagTC == 0)
			}
			off = r.end
		}
	}
	if off != size {
		return protocol.No
	}
	return direction(&h)
}

// partial is what a message is of which only the beginning is there.
func partial(h *header, msg []byte, never bool) protocol.Match {
	switch {
	case never:
		return protocol.No
	case len(msg) < enough:
		return protocol.Maybe
	}
	return direction(h)
}

func direction(h *header) protocol.Match {
	if h.isResponse() {
		return protocol.IsResponse
	}
	return protocol.IsRequest
}

// matchFlags looks at less than a header.
func matchFlags(msg []byte) protocol.Match {
	h := header{counts: [sections]uint16{questions: 1}}
	if len(msg) >= 4 {
		h.flags = binary.BigEndian.Uint16(msg[2:])
	}
	if len(msg) >= 6 {
		h.counts[questions] = binary.BigEndian.Uint16(msg[4:])
	}
	if !plausible(&h, 1<<16) {
		return protocol.No
	}
	return protocol.Maybe
}

// plausible reports whether the header is that of a message with one question, which
// others do not have (RFC 9619 section 4), of size bytes.
func plausible(h *header, size int) bool {
	records := int(h.counts[answers]) + int(h.counts[authorities]) + int(h.counts[additionals])
	if h.counts[questions] != 1 || h.flags&flagZ != 0 || questionLen+records*(1+recordLen) > size {
		return false
	}
	if h.isResponse() {
		return h.opcode() == opQuery || h.opcode() == opNotify || h.opcode() == opUpdate
	}
	if h.flags&(flagTC|flagRA|rcodeBit) != 0 || h.counts[additionals] > 3 {
		return false
	}
	switch h.opcode() {
	case opQuery: // an IXFR has the record that the client knows: RFC 1995 section 3
		return h.flags&flagAA == 0 && h.counts[answers] == 0 && h.counts[authorities] <= 1
	case opNotify: // RFC 1996 section 3.7
		return h.counts[answers] <= 1 && h.counts[authorities] == 0
	case opUpdate: // RFC 2136 section 2.2
		return h.flags&(flagAA|flagRD|flagAD|flagCD) == 0
	}
	return false
}

// matchQuestion reads the question behind the header, and returns the offset behind
// it: 0 if there is not all of it.
func matchQuestion(msg []byte) (off int, ok bool) {
	for off = headerLen; off < len(msg); {
		n := int(msg[off])
		off++
		if n == 0 {
			break
		}
		if n >= 1<<6 || off+n-headerLen >= maxName {
			return 0, false
		}
		for _, c := range msg[off:min(off+n, len(msg))] {
			if c <= ' ' || c >= 0x7f {
				return 0, false
			}
		}
		off += n
	}
	if off+4 > len(msg) {
		return 0, true
	}
	kind, class := binary.BigEndian.Uint16(msg[off:]), binary.BigEndian.Uint16(msg[off+2:])
	return off + 4, kind != 0 && (class == classIN || class == 3 || class == 4 || class >= 254 && class <= 255)
}

// resync returns the offset of the first byte at which a message of a stream may
// start. It is asked of streams alone: a datagram begins where it begins.
func resync(dir protocol.Direction, data []byte) int {
	want := protocol.IsRequest
	if dir == protocol.Response {
		want = protocol.IsResponse
	}
	stream := protocol.Conn{Transport: protocol.TCP}
	for i := range data {
		// What may be a message only once more is known is not waited for, unless it is
		// the last that there is.
		if m := match(&stream, dir, data[i:]); m == want || m == protocol.Maybe {
			return i
		}
	}
	return len(data)
}
