// SPDX-License-Identifier: Apache-2.0

package http1

import (
	"bytes"

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
	case lastChunk:
		return 0, k.ended(in, m, data, gap)
	case chunkSize:
		if m.expects {
			if status := k.declined(in, m, data, gap); status != proceed {
				return 0, status
			}
		}
	case startLine:
		if in.Dir == protocol.Request && len(data) > 0 && (data[0] == proxyText[0] || data[0] == proxyBinary[0]) {
			if n, status := proxied(in, data, gap); status != proceed {
				return n, status
			}
		}
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
	status := k.line(in, m, line, end+1-len(line))
	return end + 1, status
}

// head consumes the lines of the head that are there.
func (k *codec) head(in *input, m *message, data []byte, gap int) (int, protocol.Status) {
	all := k.all[in.Dir] || len(k.keep[in.Dir]) > 0
	kinds := &kinds[in.Dir&1]
	n, from := 0, min(m.scanned, len(data)) // what lies before from holds no line end
	m.scanned = 0
	for {
		end := bytes.IndexByte(data[from:], '\n')
		if end < 0 {
			used, status := k.partial(in, m, data[n:], gap)
			return n + used, status
		}
		line := data[n : from+end]
		from += end + 1
		n = from
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

// line takes a line of anything but a head, without its end, whose length is lineEnd.
// The lines of a message's framing are taken to end alike.
func (k *codec) line(in *input, m *message, line []byte, lineEnd int) protocol.Status {
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
			m.lineEnd = uint8(lineEnd)
			m.remaining, m.phase = size+int64(lineEnd), chunkData
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
	switch {
	case m.phase == trailer, m.ends():
		return len(data) + gap, k.finish(in, m)
	case m.phase == chunkSize:
		m.size += int64(len(data) + gap)
	}
	m.phase = cut
	if gap == 0 {
		return len(data), k.finish(in, m)
	}
	return len(data) + gap, proceed
}

// headDone decides how long the body is, by RFC 9112 section 6.3.
func (k *codec) headDone(in *input, m *message) protocol.Status {
	if in.Dir == protocol.Response {
		if m.status < 200 && m.status != 101 {
			if req, _ := unanswered(in.Requests, in.State.answered, in.Time); req != nil && m.status == 100 {
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
	case m.conflict:
		m.truncated, m.phase = true, cut
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
		in.State.cut(in.Dir)
	}
	switch {
	case m.status == 101 && m.h2c:
		return protocol.Switch
	case m.ends():
		return protocol.Last
	}
	return protocol.Done
}

// ends reports whether what follows the message's head is not HTTP.
func (m *message) ends() bool {
	return m.status == 101 || m.bodyless && m.status/100 == 2 && m.status != 204 && m.method == "CONNECT"
}

// turn ends a message of unknown length when the other side begins its next, or
// after a while if bytes of it are missing. The length of a response whose request
// is not known is unknown too: it may be that of a HEAD. Where requests do not wait
// for responses, the next one says nothing of the response under way.
func turn(s *state, d protocol.Direction, why protocol.Why, m *message) bool {
	switch {
	case m.phase == cut:
		m.announced()
		s.cut(d)
		return true
	case m.phase == lastChunk:
		if why == protocol.Framed && d == protocol.Response && s.pipelined {
			m.truncated = true
			s.cut(d)
		}
		return true
	case why == protocol.Tick, m.phase == startLine, m.phase == headerLine:
		return false
	case d == protocol.Response && !m.paired:
		m.truncated = true
		return true
	}
	return m.phase == untilClose
}

// announced sets the size of a body that did not go by to what its head says.
func (m *message) announced() {
	if m.hasLength && !m.chunked && !m.bodyless {
		m.size = m.length
	}
}
