// SPDX-License-Identifier: Apache-2.0

package http1

import (
	"bytes"
	"math"

	"github.com/puck-otel/puck/internal/protocol"
)

// counted passes over bytes of a known number.
func (k *codec) counted(in *input, m *message, data []byte, gap int) (int, protocol.Status) {
	if m.expects {
		if status := k.declined(in, m, data, gap); status != proceed {
			return 0, status
		}
	}
	n := int(min(m.remaining, int64(len(data)+gap)))
	payload := n
	if m.phase == chunkData {
		payload = int(max(0, min(int64(n), m.remaining-int64(m.lineEnd))))
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
		m.missingChunk(over)
		return n + over, proceed
	}
	return n, proceed
}

// skip says that the next n bytes of a body are of no use, if they are the body's for
// certain and none of them are kept. A response whose request is not known may have
// no body, and a request may go without the one that it has announced.
func (k *codec) skip(in *input, m *message, n int64) {
	if len(m.body) < k.body && int64(len(m.body)) == m.size || m.expects || in.Dir == protocol.Response && !m.paired {
		return
	}
	in.Skip = n
}

// declined tells whether the next request stands where the body of a request would
// begin that asked whether to send it (RFC 9110 section 10.1.1). Once the request was
// told to go on, whatever its body looks like is its body.
func (k *codec) declined(in *input, m *message, data []byte, gap int) protocol.Status {
	more := gap == 0 && !in.EOF
	if len(data) == 0 && more {
		return protocol.More
	}
	if seq := in.Requests.Open().Seq; in.State.continued <= seq {
		refused := in.State.refused(seq)
		switch is := matchRequest(data); {
		case is == protocol.IsRequest, refused && !more:
			return k.finish(in, m)
		case is == protocol.Maybe && more && (refused || m.chunked || int64(len(data)) < m.remaining):
			return protocol.More
		}
	}
	m.expects = false
	return proceed
}

// missingChunk handles a gap that goes on behind the end of a chunk. If it is as long
// as the last chunk, it is that as a rule: what follows tells.
func (m *message) missingChunk(over int) {
	if over == 1+2*int(m.lineEnd) {
		m.phase = lastChunk
		return
	}
	m.truncated, m.phase = true, cut
	m.size += int64(over)
}

// ended tells whether what was taken for the last chunk was that, by what follows: if
// it is no message, another chunk began there.
func (k *codec) ended(in *input, m *message, data []byte, gap int) protocol.Status {
	rest := bytes.TrimLeft(data, "\r\n")
	is := begins(in.Dir, rest)
	switch {
	case len(rest) == 0 && gap > 0:
		m.truncated = true // what tells is lost
		return k.finish(in, m)
	case len(rest) == 0 && in.EOF, is == protocol.IsRequest, is == protocol.IsResponse:
		return k.finish(in, m)
	case len(rest) == 0, is == protocol.Maybe && gap == 0 && !in.EOF:
		return protocol.More
	}
	m.truncated, m.phase = true, cut
	m.size += 1 + 2*int64(m.lineEnd)
	return proceed
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
// to the next message. Of a body in chunks, it is taken to be the body.
func (k *codec) beyond(in *input, m *message, data []byte, gap int) (int, protocol.Status) {
	n, status := len(data)+gap, protocol.More
	if i := resync(in.Dir, data); i < len(data) {
		switch is := begins(in.Dir, data[i:]); {
		case is == protocol.IsRequest, is == protocol.IsResponse:
			n, status = i, protocol.Done
		case is == protocol.Maybe && gap == 0 && !in.EOF:
			n = i
		}
	}
	switch {
	case n < len(data):
	case m.chunked && gap == 0 && endsChunks(data), in.EOF:
		status = protocol.Done
	}
	if m.chunked && !m.bodyless {
		m.size += int64(n)
	}
	if status == protocol.Done {
		status = k.finish(in, m)
	}
	return n, status
}

// endsChunks reports whether data ends with a last chunk that has no trailer.
func endsChunks(data []byte) bool {
	return bytes.HasSuffix(data, []byte("\r\n0\r\n\r\n")) || bytes.HasSuffix(data, []byte("\n0\n\n")) ||
		string(data) == "0\r\n\r\n" || string(data) == "0\n\n"
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
