// SPDX-License-Identifier: Apache-2.0

package http1

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/puck-otel/puck/internal/protocol"
)

const (
	// maxMethod bounds the length of a method. The longest that is registered with
	// IANA, UPDATEREDIRECTREF, has 17 characters.
	maxMethod = 32
	// longLine is after how many bytes of a request line its beginning is enough to
	// match it, since its end may lie beyond what is copied of a call.
	longLine = 1024
)

// methods are those of RFC 9110, RFC 5789 and WebDAV that are seen most, given
// out without a look at the cache.
var methods = [...]string{
	"GET", "POST", "PUT", "HEAD", "DELETE", "PATCH", "OPTIONS", "CONNECT", "TRACE", "PROPFIND",
}

// match looks for a request line or a status line.
func match(c *protocol.Conn, dir protocol.Direction, data []byte) protocol.Match {
	if c.Transport == protocol.UDP {
		return protocol.No
	}
	if dir != protocol.Response {
		n, maybe := proxyHeader(data)
		if maybe || n > 0 && n == len(data) {
			return protocol.Maybe
		}
		data = data[n:]
	}
	data = bytes.TrimLeft(data, "\r\n")
	if dir != protocol.Request {
		if is := matchStatus(data); is != protocol.No || dir == protocol.Response {
			return is
		}
	}
	if is := matchRequest(data); is != protocol.No || c.Role == protocol.UnknownRole || c.Joined {
		return is
	}
	return matchFirst(data)
}

// matchFirst accepts what [matchRequest] does with a method that is not in capitals:
// the first bytes of a connection are not the end of something else.
func matchFirst(data []byte) protocol.Match {
	end := bytes.IndexByte(data, '\n')
	if end < 0 {
		if len(data) <= longLine && plausible(protocol.Request, data) {
			return protocol.Maybe
		}
		return protocol.No
	}
	if _, _, minor := splitRequest(bytes.TrimSuffix(data[:end], []byte("\r"))); minor < 0 {
		return protocol.No
	}
	return protocol.IsRequest
}

// matchStatus accepts HTTP/1.x SP 3DIGIT.
func matchStatus(data []byte) protocol.Match {
	const form = "HTTP/1.d ddd"
	if len(data) >= len(form) && string(data[:7]) == form[:7] && digit(data[7]) && data[8] == ' ' &&
		digit(data[9]) && digit(data[10]) && digit(data[11]) {
		return protocol.IsResponse
	}
	for i := range min(len(data), len(form)) {
		if form[i] == 'd' && !digit(data[i]) || form[i] != 'd' && data[i] != form[i] {
			return protocol.No
		}
	}
	return protocol.Maybe
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

// matchRequest accepts a whole request line, or the beginning of a long one. A
// method that is not in capitals is as likely to be the end of something else.
func matchRequest(data []byte) protocol.Match {
	end := bytes.IndexByte(data, '\n')
	if end >= 0 {
		line := bytes.TrimSuffix(data[:end], []byte("\r"))
		if method, _, minor := splitRequest(line); minor >= 0 && capitals(method) {
			return protocol.IsRequest
		}
		return protocol.No
	}
	if !plausible(protocol.Request, data) || !capitals(data) {
		return protocol.No
	}
	if len(data) > longLine {
		return protocol.IsRequest
	}
	return protocol.Maybe
}

// splitRequest returns the parts of a request line, minor being -1 if it is none.
func splitRequest(line []byte) (method, target []byte, minor int) {
	sp := bytes.IndexByte(line[:min(len(line), maxMethod+1)], ' ')
	const version = " HTTP/1.x"
	tail := len(line) - len(version)
	if sp <= 0 || tail <= sp+1 || string(line[tail:tail+8]) != version[:8] || !token(line[:sp]) {
		return nil, nil, -1
	}
	d := line[len(line)-1]
	if target = line[sp+1 : tail]; !digit(d) || !visible(target) {
		return nil, nil, -1
	}
	return line[:sp], target, int(d - '0')
}

// plausible reports whether a line that begins like this may be a start line.
func plausible(dir protocol.Direction, data []byte) bool {
	if len(data) == 0 || len(data) == 1 && data[0] == '\r' {
		return true
	}
	if dir == protocol.Response {
		return matchStatus(data) != protocol.No
	}
	sp := bytes.IndexByte(data, ' ')
	if sp < 0 {
		return len(data) <= maxMethod && token(data)
	}
	if sp == 0 || sp > maxMethod || !token(data[:sp]) {
		return false
	}
	target := data[sp+1:]
	if end := bytes.IndexByte(target, ' '); end >= 0 {
		version := bytes.TrimSuffix(target[end+1:], []byte("\r"))
		const form = "HTTP/1."
		if len(version) > len(form)+1 || string(version[:min(len(version), len(form))]) != form[:min(len(version), len(form))] {
			return false
		}
		target = target[:end]
	}
	return len(target) == 0 || startsTarget(target[0]) && visible(target)
}

// startsTarget reports whether a request target may begin with c: a path, "*", a
// scheme, or the host of a CONNECT.
func startsTarget(c byte) bool {
	return c == '/' || c == '*' || c == '[' || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
}

// visible reports whether b holds no control characters, spaces or DEL. Bytes
// above ASCII are let pass: clients send them.
func visible(b []byte) bool {
	const each, high = 0x0101010101010101, 0x8080808080808080
	for len(b) >= 8 {
		v := binary.LittleEndian.Uint64(b)
		del := v ^ 0x7f*each
		if (v-0x21*each)&^v&high != 0 || (del-each)&^del&high != 0 {
			return false
		}
		b = b[8:]
	}
	for _, c := range b {
		if c <= ' ' || c == 0x7f {
			return false
		}
	}
	return true
}

// token reports whether b is a token of RFC 9110 section 5.6.2, if not empty.
func token(b []byte) bool {
	for _, c := range b {
		switch {
		case c|0x20 >= 'a' && c|0x20 <= 'z', c >= '0' && c <= '9':
		case bytes.IndexByte([]byte("!#$%&'*+-.^_`|~"), c) >= 0:
		default:
			return false
		}
	}
	return true
}

// begins tells whether data begins with a start line, as [match] does.
func begins(dir protocol.Direction, data []byte) protocol.Match {
	if dir == protocol.Response {
		return matchStatus(data)
	}
	return matchRequest(data)
}

// resync finds the next start line: where data begins, or before the next
// version, or where one begins that data ends in the middle of.
func resync(dir protocol.Direction, data []byte) int {
	if len(data) == 0 {
		return 0
	}
	if data[0] != '\r' && data[0] != '\n' && plausibleStart(dir, data) {
		return 0
	}
	version := []byte("HTTP/1.")
	for at := 0; ; {
		i := bytes.Index(data[at:], version)
		if i < 0 {
			return at + unfinished(dir, data[at:])
		}
		i += at
		at = i + len(version)
		if dir == protocol.Response {
			if matchStatus(data[i:]) != protocol.No {
				return i
			}
			continue
		}
		if start, ok := requestBefore(data, i); ok {
			return start
		}
	}
}

// unfinished returns where the start line begins that data ends in the middle of,
// before the version's last digit, len(data) if there is none.
func unfinished(dir protocol.Direction, data []byte) int {
	if dir == protocol.Response {
		const version = "HTTP/1."
		for i := max(0, len(data)-len(version)+1); i < len(data); i++ {
			if string(data[i:]) == version[:len(data)-i] {
				return i
			}
		}
		return len(data)
	}
	at := bytes.LastIndexByte(data, '\n') + 1
	line := data[at:]
	// The method may be any of the last three words: the target may follow it, and the
	// beginning of the version.
	ends := [3]int{len(line)}
	words := 1
	for ; words < len(ends); words++ {
		sp := bytes.LastIndexByte(line[:ends[words-1]], ' ')
		if sp < 0 {
			break
		}
		ends[words] = sp
	}
	for _, end := range slices.Backward(ends[:words]) {
		start := end
		for start > 0 && end-start <= maxMethod && capital(line[start-1]) {
			start--
		}
		if start < end && end-start <= maxMethod && plausible(dir, line[start:]) {
			return at + start
		}
	}
	return len(data)
}

func capital(c byte) bool { return c >= 'A' && c <= 'Z' }

// plausibleStart is [plausible] for the first line of data.
func plausibleStart(dir protocol.Direction, data []byte) bool {
	if dir == protocol.Response {
		return matchStatus(data) != protocol.No
	}
	if end := bytes.IndexByte(data, '\n'); end >= 0 {
		_, _, minor := splitRequest(bytes.TrimSuffix(data[:end], []byte("\r")))
		return minor >= 0
	}
	return plausible(dir, data) && capitals(data)
}

// capitals reports whether the first word of line is in capitals, which may be
// parted by hyphens.
func capitals(line []byte) bool {
	for i, c := range line {
		switch {
		case c >= 'A' && c <= 'Z':
		case c == '-' && i > 0:
		case c == ' ':
			return i > 0
		default:
			return false
		}
	}
	return len(line) > 0
}

// requestBefore returns where the request line starts whose version is at i. The
// bytes of a body may stand right before it, so that a method that does not
// begin its line is taken to be in capitals.
func requestBefore(data []byte, i int) (int, bool) {
	if i < 4 || data[i-1] != ' ' {
		return 0, false
	}
	sp := bytes.LastIndexByte(data[:i-1], ' ')
	if sp <= 0 || !visible(data[sp+1:i-1]) || sp+1 == i-1 || !startsTarget(data[sp+1]) {
		return 0, false
	}
	start := sp
	for start > 0 && sp-start < maxMethod && token(data[start-1:start]) {
		start--
	}
	if start > 0 && data[start-1] != '\n' {
		for start = sp; start > 0 && sp-start < maxMethod && data[start-1] >= 'A' && data[start-1] <= 'Z'; {
			start--
		}
	}
	return start, start < sp
}
