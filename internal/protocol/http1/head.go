// SPDX-License-Identifier: Apache-2.0

package http1

import (
	"bytes"

	"github.com/puck-otel/puck/internal/protocol"
)

// contentType is the value of the column content_type.
type contentType uint8

// The content types that scripts tell apart.
const (
	contentUnknown contentType = iota
	contentJSON
	contentGRPC
)

// field is a header field that a folded line may go on with.
type field uint8

const (
	fieldOther field = iota
	fieldLength
	fieldCoding
	fieldKept
)

// The bounds on what is kept of a head, in bytes. What is longer is cut.
const (
	maxTarget = 8 << 10
	maxHost   = 256 // a name has 253 at most
	maxAgent  = 1 << 10
	maxReason = 256
	// maxTraceState is what W3C Trace Context section 3.3.1.5 asks to pass on at least.
	// What is longer is left out.
	maxTraceState = 512
)

// shortened returns the first bytes of b, most at most.
func shortened(b []byte, most int) []byte { return b[:min(len(b), most)] }

// requestLine takes a whole request line.
func (k *codec) requestLine(in *input, m *message, line []byte) protocol.Status {
	method, target, minor := splitRequest(line)
	if minor < 0 {
		return protocol.Invalid
	}
	m.phase, m.minor = headerLine, uint8(minor)
	k.request(in, m, method, target, true)
	return proceed
}

// statusLine takes a whole status line.
func (k *codec) statusLine(in *input, m *message, line []byte) protocol.Status {
	if matchStatus(line) != protocol.IsResponse {
		return protocol.Invalid
	}
	m.phase, m.minor = headerLine, line[7]-'0'
	m.status = uint16(line[9]-'0')*100 + uint16(line[10]-'0')*10 + uint16(line[11]-'0')
	m.bodyless = m.status < 200 || m.status == 204 || m.status == 304
	switch reason := line[12:]; {
	case len(reason) == 0:
	case reason[0] != ' ':
		return protocol.Invalid
	case string(reason) == " OK":
		m.reason = "OK"
	default:
		m.reason = in.Intern.String(shortened(reason[1:], maxReason))
	}
	return proceed
}

// kind is what the first byte of a header field's line says of it.
type kind uint8

const (
	other  kind = iota
	wanted      // it may be a field that is read, or go on with the one before
	bad         // no field begins like this
)

// kinds holds the kind of each first byte, by Direction.
var kinds = func() (k [2][256]kind) {
	for d, first := range [2]string{"CcEeTtHhUu \t", "CcTtUu \t"} {
		for c := range k[d] {
			if c < ' ' || c >= 0x7f {
				k[d][c] = bad
			}
		}
		for _, c := range first {
			k[d][c] = wanted
		}
	}
	return k
}()

// header takes a line of the head that may be of a field that is read.
func (k *codec) header(in *input, m *message, line []byte, keep bool) {
	c := line[0] | 0x20
	if c == ' ' || line[0] == '\t' {
		k.folded(m, bytes.TrimSpace(line))
		return
	}
	m.last = fieldOther
	switch {
	case c == 'c':
		if len(line) > 12 && line[7] == '-' {
			k.content(m, line)
		}
	case c == 't':
		k.transferOrTrace(in, m, line)
	case c == 'e':
		if v, ok := value(line, "Expect", "expect"); ok {
			m.expects = equalFold(v, "100-continue")
		}
	case c == 'h':
		if v, ok := value(line, "Host", "host"); ok && !m.absolute {
			m.host = in.Intern.String(shortened(v, maxHost))
		}
	case len(line) > 7 && line[7] == ':':
		if v, ok := value(line, "Upgrade", "upgrade"); ok {
			m.h2c = equalFold(v, "h2c")
		}
	case in.Dir == protocol.Request:
		if v, ok := value(line, "User-Agent", "user-agent"); ok {
			m.agent = in.Intern.String(shortened(v, maxAgent))
		}
	}
	if keep {
		k.keepHeader(in.Dir, m, line)
	}
}

// transferOrTrace takes a line that begins with t.
func (k *codec) transferOrTrace(in *input, m *message, line []byte) {
	if v, ok := value(line, "Transfer-Encoding", "transfer-encoding"); ok {
		m.last = fieldCoding
		m.coding(v)
		return
	}
	if in.Dir == protocol.Response {
		return
	}
	if v, ok := value(line, "Traceparent", "traceparent"); ok && validTraceparent(v) {
		m.trace = string(v[3:55])
	} else if v, ok := value(line, "Tracestate", "tracestate"); ok && len(v) <= maxTraceState {
		m.traceState = in.Intern.String(v)
	}
}

// content takes a line of a field whose name may begin with Content-.
func (k *codec) content(m *message, line []byte) {
	if v, ok := value(line, "Content-Length", "content-length"); ok {
		m.last = fieldLength
		m.contentLength(v)
	} else if v, ok := value(line, "Content-Type", "content-type"); ok {
		m.content = contentOf(v)
	} else if v, ok := value(line, "Content-Encoding", "content-encoding"); ok {
		m.gzipped = equalFold(v, "gzip") || equalFold(v, "x-gzip")
	}
}

// folded takes a line that goes on with the field before (RFC 9112 section 5.2).
func (k *codec) folded(m *message, v []byte) {
	switch m.last {
	case fieldLength:
		m.contentLength(v)
	case fieldCoding:
		m.coding(v)
	case fieldKept:
		if len(m.headers)+len(v) < maxHeaders {
			m.headers = append(protocol.AppendText(append(m.headers[:len(m.headers)-1], ' '), v), '"')
		}
	}
}

// contentLength takes a Content-Length. Two that differ leave the length unknown
// (RFC 9112 section 6.3).
func (m *message) contentLength(v []byte) {
	for len(v) > 0 {
		one := v
		if i := bytes.IndexByte(v, ','); i >= 0 {
			one, v = trim(v[:i]), trim(v[i+1:])
		} else {
			v = nil
		}
		n, ok := number(one)
		if !ok || m.hasLength && n != m.length {
			m.hasLength, m.conflict = false, true
			return
		}
		m.hasLength, m.length = !m.conflict, n
	}
}

// number reads a decimal number of at most 18 digits.
func number(b []byte) (n int64, ok bool) {
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, len(b) > 0 && len(b) <= 18
}

// coding takes a Transfer-Encoding, whose last coding tells how the body ends.
func (m *message) coding(v []byte) {
	if i := bytes.LastIndexByte(v, ','); i >= 0 {
		v = bytes.TrimSpace(v[i+1:])
	}
	m.chunked = m.chunked || equalFold(v, "chunked")
}

// contentOf returns what scripts want to know of a media type.
func contentOf(v []byte) contentType {
	if i := bytes.IndexByte(v, ';'); i >= 0 {
		v = trim(v[:i])
	}
	const json, grpc = "application/json", "application/grpc"
	switch {
	case string(v) == json, equalFold(v, json), len(v) > 5 && equalFold(v[len(v)-5:], "+json"):
		return contentJSON
	case len(v) >= len(grpc) && equalFold(v[:len(grpc)], grpc):
		return contentGRPC
	}
	return contentUnknown
}

// value returns the value of the field in line if that is its name, which is
// given as it is written most and in lower case.
func value(line []byte, name, lower string) ([]byte, bool) {
	n := len(name)
	if len(line) <= n || line[n] != ':' || string(line[:n]) != name && !equalFold(line[:n], lower) {
		return nil, false
	}
	return trim(line[n+1:]), true
}

// trim removes the white space around a field's value.
func trim(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}

// equalFold compares b with an ASCII string in lower case.
func equalFold(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// validTraceparent checks a traceparent as W3C Trace Context section 3.2 asks.
func validTraceparent(v []byte) bool {
	if len(v) < 55 || v[2] != '-' || v[35] != '-' || v[52] != '-' || string(v[:2]) == "ff" {
		return false
	}
	if len(v) > 55 && (string(v[:2]) == "00" || v[55] != '-') {
		return false
	}
	return lowerHex(v[:2]) && lowerHex(v[3:35]) && lowerHex(v[36:52]) && lowerHex(v[53:55]) &&
		!zeros(v[3:35]) && !zeros(v[36:52])
}

// lowerHex reports whether b holds lower-case hexadecimal digits only.
func lowerHex(b []byte) bool {
	for _, c := range b {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

func zeros(b []byte) bool {
	for _, c := range b {
		if c != '0' {
			return false
		}
	}
	return true
}
