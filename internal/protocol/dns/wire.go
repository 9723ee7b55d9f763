// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"encoding/binary"

	"github.com/puck-otel/puck/internal/protocol"
)

const (
	headerLen   = 12
	maxName     = 255 // bytes of a name on the wire: RFC 1035 section 2.3.4
	maxNameText = 4 * maxName
	recordLen   = 10 // type, class, TTL and length, behind a record's name
)

// The bits of a header's second word: RFC 1035 section 4.1.1 and RFC 4035.
const (
	flagQR   = 1 << 15
	flagAA   = 1 << 10
	flagTC   = 1 << 9
	flagRD   = 1 << 8
	flagRA   = 1 << 7
	flagZ    = 1 << 6
	flagAD   = 1 << 5
	flagCD   = 1 << 4
	rcodeBit = 0xf
)

// The sections of a message, in their order.
const (
	questions = iota
	answers
	authorities
	additionals
	sections
)

// header is what every message begins with.
type header struct {
	id, flags uint16
	counts    [sections]uint16
}

// readHeader reads the header, of which msg holds all.
func readHeader(msg []byte) (h header) {
	_ = msg[headerLen-1]
	h.id, h.flags = binary.BigEndian.Uint16(msg), binary.BigEndian.Uint16(msg[2:])
	for i := range h.counts {
		h.counts[i] = binary.BigEndian.Uint16(msg[4+2*i:])
	}
	return h
}

func (h *header) opcode() uint8    { return uint8(h.flags >> 11 & 0xf) }
func (h *header) isResponse() bool { return h.flags&flagQR != 0 }

// bit returns 1 if the flag is set.
func (h *header) bit(flag uint16) uint64 {
	if h.flags&flag != 0 {
		return 1
	}
	return 0
}

// walkName calls label with each label of the name at off, and returns the offset
// behind the name. It returns false where the name is not whole, too long, or has a
// pointer that does not point back: one that points before all that was read of the
// name so far cannot be part of a loop (RFC 1035 section 4.1.4).
func walkName(msg []byte, off int, label func([]byte)) (next int, ok bool) {
	size, first := 0, off
	for next = -1; off < len(msg); {
		c := int(msg[off])
		switch {
		case c == 0:
			if next < 0 {
				next = off + 1
			}
			return next, true
		case c < 1<<6:
			end := off + 1 + c
			if size += 1 + c; end > len(msg) || size >= maxName {
				return 0, false
			}
			if label != nil {
				label(msg[off+1 : end])
			}
			off = end
		case c >= 3<<6:
			if off+2 > len(msg) {
				return 0, false
			}
			if next < 0 {
				next = off + 2
			}
			to := int(binary.BigEndian.Uint16(msg[off:]) & 0x3fff)
			if to >= first {
				return 0, false
			}
			off, first = to, to
		default: // the two other forms of RFC 1035 were never put to use
			return 0, false
		}
	}
	return 0, false
}

// skipName returns the offset behind the name at off. It does not follow pointers.
func skipName(msg []byte, off int) (next int, ok bool) {
	for start := off; off < len(msg); {
		c := int(msg[off])
		switch {
		case c == 0:
			return off + 1, true
		case c >= 3<<6:
			return off + 2, off+2 <= len(msg)
		case c >= 1<<6:
			return 0, false
		}
		if off += 1 + c; off-start >= maxName {
			return 0, false
		}
	}
	return 0, false
}

// appendName appends the name at off in its presentation format (RFC 1035 section
// 5.1), without the dot at its end unless it is the root.
func appendName(b, msg []byte, off int) (out []byte, next int, ok bool) {
	from := len(b)
	next, ok = walkName(msg, off, func(label []byte) {
		if len(b) > from {
			b = append(b, '.')
		}
		b = appendLabel(b, label)
	})
	switch {
	case !ok:
		b = b[:from]
	case len(b) == from:
		b = append(b, '.')
	}
	return b, next, ok
}

// appendLabel appends a label, in which what is no visible character is its number.
func appendLabel(b, label []byte) []byte {
	for _, c := range label {
		switch {
		case c == '.' || c == '\\':
			b = append(b, '\\', c)
		case c > ' ' && c < 0x7f:
			b = append(b, c)
		default:
			b = append(b, '\\', '0'+c/100, '0'+c/10%10, '0'+c%10)
		}
	}
	return b
}

// record is one of a message's resource records: offsets into it.
type record struct {
	name, data, end int
	kind, class     uint16
	ttl             uint32
}

// readRecord reads the record at off, and returns false where it is not whole.
func readRecord(msg []byte, off int) (r record, ok bool) {
	at, ok := skipName(msg, off)
	if !ok || at+recordLen > len(msg) {
		return r, false
	}
	r.name, r.data = off, at+recordLen
	r.kind, r.class = binary.BigEndian.Uint16(msg[at:]), binary.BigEndian.Uint16(msg[at+2:])
	r.ttl = binary.BigEndian.Uint32(msg[at+4:])
	r.end = r.data + int(binary.BigEndian.Uint16(msg[at+8:]))
	return r, r.end <= len(msg)
}

// read sets m to the message in msg, and reports whether its header and its questions
// are what the protocol says. Records that are missing or malformed are left out, and
// those behind them: a response is worth its row whatever a server put into it.
func (m *message) read(msg []byte, intern *protocol.Intern) bool {
	if len(msg) < headerLen {
		return false
	}
	m.header = readHeader(msg)
	m.rcode = m.flags & rcodeBit
	var room [1 << 10]byte
	body := room[:0]
	off := headerLen
	for i := range m.counts[questions] {
		var ok bool
		if body, off, ok = m.question(body, msg, off, i == 0, intern); !ok {
			return false
		}
	}
	if !m.isResponse() {
		if len(body) > 0 {
			m.body = intern.String(append(body, `]}`...))
		}
		return true
	}
	m.records(body[:0], msg, off, intern)
	return true
}

// question reads one question and appends its text. The first is the message's.
func (m *message) question(b, msg []byte, off int, first bool, intern *protocol.Intern) (body []byte, next int, ok bool) {
	var room [maxNameText]byte
	name, next, ok := appendName(room[:0], msg, off)
	if !ok || next+4 > len(msg) {
		return b, 0, false
	}
	kind := binary.BigEndian.Uint16(msg[next:])
	if first {
		m.name, m.kind, m.class = intern.String(name), kind, binary.BigEndian.Uint16(msg[next+2:])
	}
	switch {
	case m.isResponse() || len(b) > maxBody: // only requests tell of their questions
		return b, next + 4, true
	case len(b) == 0:
		b = append(b, `{"queries":[`...)
	default:
		b = append(b, ',')
	}
	b = append(appendText(append(b, `{"name":"`...), name), `","type":"`...)
	return append(appendType(b, kind), `"}`...), next + 4, true
}

// records reads the records from off on: the answers, and what EDNS says in its
// record of the last section (RFC 6891 section 6.1.3).
func (m *message) records(body, msg []byte, off int, intern *protocol.Intern) {
	var room [256]byte
	addresses := room[:0]
	for section := answers; section < sections; section++ {
		for range m.counts[section] {
			r, ok := readRecord(msg, off)
			if !ok {
				section = sections
				break
			}
			off = r.end
			switch {
			case section == answers && len(body) <= maxBody:
				if len(body) == 0 {
					body = append(body, `{"answers":[`...)
				} else {
					body = append(body, ',')
				}
				body = appendAnswer(body, msg, &r)
				addresses = appendAddress(addresses, msg, &r)
			case section == additionals && r.kind == typeOPT:
				m.rcode |= uint16(r.ttl>>24) << 4
			}
		}
	}
	if len(body) > 0 {
		m.body = intern.String(append(body, `]}`...))
	}
	m.addresses = intern.String(addresses)
}
