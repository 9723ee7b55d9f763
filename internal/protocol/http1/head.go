// SPDX-License-Identifier: Apache-2.0

package http1

import (
	"bytes"
	"slices"

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

// requestLine takes a whole request line.
func (k *codec) requestLine(in *input, m *message, line []byte) protocol.Status {
	method, target, minor := splitRequest(line)
	if minor < 0 {
		return protocol.Invalid
	}
	m.phase, m.minor = headerLine, uint8(minor)
	k.request(in, m, method, target)
	return proceed
}

// cutRequestLine takes what there is of a request line, if the method is whole.
func (k *codec) cutRequestLine(in *input, m *message, data []byte) bool {
	if !plausible(protocol.Request, data) {
		return false
	}
	method, target, ok := bytes.Cut(data, []byte(" "))
	if !ok {
		return false
	}
	target, _, _ = bytes.Cut(target, []byte(" "))
	m.minor = 1
	k.request(in, m, method, target)
	return true
}

func (k *codec) request(in *input, m *message, method, target []byte) {
	m.method = methodName(in, method)
	path, _, query := bytes.Cut(target, []byte("?"))
	if k.route != nil {
		m.route = k.route(in.Conn, path)
	}
	if !query || k.keepQuery {
		m.target = in.Intern.String(target)
		return
	}
	var room [512]byte
	m.target = in.Intern.String(redact(room[:0], target, len(path)+1))
}

// methodName returns the method as a string, as a rule without a look at the cache.
func methodName(in *input, method []byte) string {
	for _, name := range methods {
		if name == string(method) {
			return name
		}
	}
	return in.Intern.String(method)
}

// redact appends target to b with the values of its query, which begins at
// query, replaced.
func redact(b, target []byte, query int) []byte {
	b = append(b, target[:query]...)
	for rest := target[query:]; len(rest) > 0; {
		end := bytes.IndexByte(rest, '&')
		if end < 0 {
			end = len(rest)
		}
		if eq := bytes.IndexByte(rest[:end], '='); eq >= 0 {
			b = append(append(b, rest[:eq+1]...), "REDACTED"...)
		} else {
			b = append(b, rest[:end]...)
		}
		if end < len(rest) {
			b = append(b, '&')
			end++
		}
		rest = rest[end:]
	}
	return b
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
		m.reason = in.Intern.String(reason[1:])
	}
	return proceed
}

// header takes a line of the head.
func (k *codec) header(in *input, m *message, line []byte) {
	if line[0] == ' ' || line[0] == '\t' {
		k.folded(m, bytes.TrimSpace(line))
		return
	}
	m.last = fieldOther
	switch line[0] | 0x20 {
	case 'c':
		k.content(m, line)
	case 't':
		if v, ok := value(line, "transfer-encoding"); ok {
			m.last = fieldCoding
			m.coding(v)
		} else if v, ok := value(line, "traceparent"); ok && in.Dir == protocol.Request && validTraceparent(v) {
			m.trace = string(v[3:52])
		}
	case 'h':
		if v, ok := value(line, "host"); ok && in.Dir == protocol.Request {
			m.host = in.Intern.String(v)
		}
	case 'u':
		if v, ok := value(line, "user-agent"); ok && in.Dir == protocol.Request {
			m.agent = in.Intern.String(v)
		} else if v, ok := value(line, "upgrade"); ok {
			m.h2c = equalFold(v, "h2c")
		}
	}
	if k.all[in.Dir] || len(k.keep[in.Dir]) > 0 {
		k.keepHeader(in.Dir, m, line)
	}
}

// content takes a line that begins with c.
func (k *codec) content(m *message, line []byte) {
	if v, ok := value(line, "content-length"); ok {
		m.last = fieldLength
		m.contentLength(v)
	} else if v, ok := value(line, "content-type"); ok {
		m.content = contentOf(v)
	} else if v, ok := value(line, "content-encoding"); ok {
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
		m.headers = append(appendText(append(m.headers[:len(m.headers)-1], ' '), v), '"')
	}
}

// contentLength takes a Content-Length. Two that differ leave the length unknown
// (RFC 9112 section 6.3).
func (m *message) contentLength(v []byte) {
	if len(v) == 0 {
		return
	}
	for more := true; more; {
		var one []byte
		one, v, more = bytes.Cut(v, []byte(","))
		n, ok := number(bytes.TrimSpace(one))
		if !ok || m.hasLength && n != m.length {
			m.hasLength, m.truncated = false, true
			return
		}
		m.hasLength, m.length = !m.truncated, n
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
	v, _, _ = bytes.Cut(v, []byte(";"))
	v = bytes.TrimSpace(v)
	const grpc = "application/grpc"
	switch {
	case equalFold(v, "application/json"), len(v) > 5 && equalFold(v[len(v)-5:], "+json"):
		return contentJSON
	case len(v) >= len(grpc) && equalFold(v[:len(grpc)], grpc):
		return contentGRPC
	}
	return contentUnknown
}

// value returns the value of the field in line if that is its name, which is in
// lower case.
func value(line []byte, name string) ([]byte, bool) {
	if len(line) <= len(name) || line[len(name)] != ':' || !equalFold(line[:len(name)], name) {
		return nil, false
	}
	return trim(line[len(name)+1:]), true
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

func lowerHex(b []byte) bool {
	return !slices.ContainsFunc(b, func(c byte) bool { return (c < '0' || c > '9') && (c < 'a' || c > 'f') })
}

func zeros(b []byte) bool {
	return !slices.ContainsFunc(b, func(c byte) bool { return c != '0' })
}
