// SPDX-License-Identifier: Apache-2.0

package http1

import (
	"bytes"
	"math"

	"github.com/puck-otel/puck/internal/protocol"
)

type input = protocol.Input[message, state]

// parse advances a message. It consumes whole lines of the head and whatever
// there is of the body, so that what waits is at most one line.
func (k *codec) parse(in *input, m *message) (int, protocol.Status) {
	used := 0
	for {
		n, status := k.advance(in, m, in.Data[min(used, len(in.Data)):], in.Gap-max(0, used-len(in.Data)))
		used += n
		if status != proceed {
			return used, status
		}
	}
}

// proceed is the status between two parts of a message.
const proceed protocol.Status = 255

// advance consumes one part of a message: a line, or as much of the body as there
// is. gap bytes are missing behind data.
func (k *codec) advance(in *input, m *message, data []byte, gap int) (int, protocol.Status) {
	switch m.phase {
	case headerLine:
		return k.head(in, m, data, gap)
	case body, chunkData:
		return k.counted(in, m, data, gap)
	case untilClose:
		return k.delimited(in, m, data, gap)
	case cut:
		return k.beyond(in, m, data, gap)
	}
	end := bytes.IndexByte(data[min(m.scanned, len(data)):], '\n')
	if end < 0 {
		return k.partial(in, m, data, gap)
	}
	end += m.scanned
	m.scanned = 0
	line := data[:end]
	if end > 0 && line[end-1] == '\r' {
		line = line[:end-1]
	}
	status := k.line(in, m, line)
	return end + 1, status
}

// head consumes the lines of the head that are there.
func (k *codec) head(in *input, m *message, data []byte, gap int) (int, protocol.Status) {
	all := k.all[in.Dir] || len(k.keep[in.Dir]) > 0
	for n := 0; ; {
		end := bytes.IndexByte(data[min(n+m.scanned, len(data)):], '\n')
		if end < 0 {
			used, status := k.partial(in, m, data[n:], gap)
			return n + used, status
		}
		line := data[n : n+m.scanned+end]
		n += len(line) + 1
		m.scanned = 0
		if len(line) > 0 && line[len(line)-1] == '\r' {
			line = line[:len(line)-1]
		}
		if len(line) == 0 {
			return n, k.headDone(in, m)
		}
		switch kinds[line[0]] {
		case bad:
			return n, protocol.Invalid
		case wanted:
			k.header(in, m, line, all)
		default:
			m.last = fieldOther
			if all {
				k.keepHeader(in.Dir, m, line)
			}
		}
	}
}

// line takes a line without its end, of anything but a head.
func (k *codec) line(in *input, m *message, line []byte) protocol.Status {
	switch m.phase {
	case startLine:
		if len(line) == 0 {
			return protocol.Skip // RFC 9112 section 2.2
		}
		if in.Dir == protocol.Request {
			return k.requestLine(in, m, line)
		}
		return k.statusLine(in, m, line)
	case chunkSize:
		size, ok := parseChunkSize(line)
		switch {
		case !ok:
			m.truncated, m.phase = true, cut
		case size == 0:
			m.phase = trailer
		default:
			m.remaining, m.phase = size+2, chunkData
		}
		return proceed
	default: // trailer
		if len(line) == 0 {
			return k.finish(in, m)
		}
		return proceed
	}
}

// partial handles the beginning of a line whose end is not there.
func (k *codec) partial(in *input, m *message, data []byte, gap int) (int, protocol.Status) {
	if gap == 0 && !in.EOF {
		if m.phase == startLine && m.scanned < maxMethod && !plausible(in.Dir, data) {
			return 0, protocol.Invalid
		}
		m.scanned = len(data)
		return 0, protocol.More
	}
	m.scanned = 0
	if m.phase == startLine {
		if len(data) == 0 || in.Dir == protocol.Response || !k.cutRequestLine(in, m, data) {
			return 0, protocol.Lost
		}
	}
	if m.phase == headerLine && in.Dir == protocol.Response && !m.paired {
		if m.status < 200 && m.status != 101 {
			return 0, protocol.Lost
		}
		k.pair(in, m)
	}
	m.truncated = true
	if m.phase == trailer {
		return len(data) + gap, k.finish(in, m)
	}
	m.phase = cut
	if gap == 0 {
		return len(data), k.finish(in, m)
	}
	return len(data) + gap, proceed
}

// counted passes over bytes of a known number.
func (k *codec) counted(in *input, m *message, data []byte, gap int) (int, protocol.Status) {
	if m.expects && m.size == 0 {
		switch is := matchRequest(data); {
		case is == protocol.IsRequest, (gap > 0 || in.EOF) && in.State.refused(in.Requests.Open().Seq):
			return 0, k.finish(in, m) // the server would not have the body
		case is == protocol.Maybe && gap == 0 && !in.EOF:
			return 0, protocol.More
		}
	}
	n := int(min(m.remaining, int64(len(data)+gap)))
	payload := n
	if m.phase == chunkData {
		payload = int(max(0, min(int64(n), m.remaining-2)))
	}
	k.keepBody(m, data, payload)
	m.size += int64(payload)
	m.remaining -= int64(n)
	switch {
	case m.remaining > 0 && in.EOF:
		m.truncated = true
		return n, k.finish(in, m)
	case m.remaining > 0:
		k.skip(in, m, m.remaining)
		return n, protocol.More
	case m.phase == body:
		return n, k.finish(in, m)
	}
	m.phase = chunkSize
	if over := gap - (n - len(data)); n >= len(data) && over > 0 {
		return k.missingChunk(in, m, n, over)
	}
	return n, proceed
}

// skip says that the next n bytes of a body are of no use, if they are the body's for
// certain and none of them are kept. A response whose request is not known may have
// no body, and a request may go without the one that it has announced.
func (k *codec) skip(in *input, m *message, n int64) {
	if len(m.body) < k.body && int64(len(m.body)) == m.size || m.expects && m.size == 0 ||
		in.Dir == protocol.Response && !m.paired {
		return
	}
	in.Skip = n
}

// missingChunk handles a gap that goes on behind the end of a chunk. What a call
// moved behind a chunk, if it is as long as the last-chunk, is that: a chunk that
// has data is longer.
func (k *codec) missingChunk(in *input, m *message, n, over int) (int, protocol.Status) {
	if over == len("0\r\n\r\n") {
		return n + over, k.finish(in, m)
	}
	m.truncated, m.phase = true, cut
	m.size += int64(over)
	return n + over, proceed
}

// delimited passes over a body that ends with its connection.
func (k *codec) delimited(in *input, m *message, data []byte, gap int) (int, protocol.Status) {
	n := len(data) + gap
	k.keepBody(m, data, n)
	m.size += int64(n)
	if in.EOF {
		return n, k.finish(in, m)
	}
	k.skip(in, m, math.MaxInt64)
	return n, protocol.More
}

// beyond passes over what follows missing bytes of a message, up to its end or
// to the next message.
func (k *codec) beyond(in *input, m *message, data []byte, gap int) (int, protocol.Status) {
	end := len(data)
	if i := resync(in.Dir, data); i < end && whole(in.Dir, data[i:]) {
		return i, k.finish(in, m)
	}
	if m.chunked && gap == 0 && (bytes.HasSuffix(data, []byte("\r\n0\r\n\r\n")) || string(data) == "0\r\n\r\n") {
		return end, k.finish(in, m)
	}
	if in.EOF {
		return end + gap, k.finish(in, m)
	}
	return end + gap, protocol.More
}

// headDone decides how long the body is, by RFC 9112 section 6.3.
func (k *codec) headDone(in *input, m *message) protocol.Status {
	if in.Dir == protocol.Response {
		if m.status < 200 && m.status != 101 {
			if req, _ := unanswered(in.Requests, in.State.answered); req != nil && m.status == 100 {
				in.State.continued = req.Seq + 1
			}
			return protocol.Skip
		}
		k.pair(in, m)
	}
	switch {
	case m.bodyless:
		return k.finish(in, m)
	case m.chunked:
		m.phase = chunkSize
	case m.truncated:
		m.phase = cut
	case m.hasLength:
		if m.length == 0 {
			return k.finish(in, m)
		}
		m.phase, m.remaining = body, m.length
	case in.Dir == protocol.Request:
		return k.finish(in, m)
	default:
		m.phase = untilClose
	}
	return proceed
}

// finish ends the message.
func (k *codec) finish(in *input, m *message) protocol.Status {
	if m.phase == cut {
		m.announced()
		if in.Dir == protocol.Request {
			in.State.cutRequest = true
		} else {
			in.State.cutResponse = true
		}
	}
	switch {
	case m.status == 101 && m.h2c:
		return protocol.Switch
	case m.status == 101, m.bodyless && m.status/100 == 2 && m.status != 204 && m.method == "CONNECT":
		return protocol.Last
	}
	return protocol.Done
}

// turn ends a message of unknown length when the other side begins its next, or
// after a while if bytes of it are missing. The length of a response whose request
// is not known is unknown too: it may be that of a HEAD.
func turn(d protocol.Direction, why protocol.Why, m *message) bool {
	switch {
	case m.phase == cut:
		m.announced()
		return true
	case why == protocol.Tick, m.phase == startLine:
		return false
	case d == protocol.Response && !m.paired:
		m.truncated = true
		return true
	}
	return m.phase == untilClose
}

// announced sets the size of a body that did not go by to what its head says.
func (m *message) announced() {
	if m.hasLength && !m.chunked {
		m.size = m.length
	}
}

// parseChunkSize returns the size that a chunk's line says. Extensions are
// passed over.
func parseChunkSize(line []byte) (int64, bool) {
	var size int64
	i := 0
	for ; i < len(line); i++ {
		digit := nibble(line[i])
		if digit < 0 {
			break
		}
		if size >= 1<<52 {
			return 0, false
		}
		size = size<<4 | int64(digit)
	}
	if i == 0 {
		return 0, false
	}
	for i < len(line) && (line[i] == ' ' || line[i] == '\t') {
		i++
	}
	return size, i == len(line) || line[i] == ';'
}

// nibble returns the value of a hexadecimal digit, -1 of anything else.
func nibble(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}
