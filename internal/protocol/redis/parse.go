// SPDX-License-Identifier: Apache-2.0

package redis

import (
	"bytes"

	"github.com/puck-otel/puck/internal/protocol"
)

type input = protocol.Input[message, state]

// proceed is the status between two parts of a message.
const proceed protocol.Status = 255

// parse advances a message, one line or string at a time.
func (k *codec) parse(in *input, m *message) (int, protocol.Status) {
	used := 0
	for {
		n, status := k.advance(in, m, in.Data[min(used, len(in.Data)):], in.Gap-max(0, used-len(in.Data)))
		used += n
		if status == protocol.Invalid {
			in.State.broken[in.Dir&1] = true
		}
		if status != proceed {
			return used, status
		}
	}
}

// advance consumes one part of a message. gap bytes are missing behind data.
func (k *codec) advance(in *input, m *message, data []byte, gap int) (int, protocol.Status) {
	switch m.phase {
	case bulk:
		return k.bulk(in, m, data, gap)
	case rest:
		end := bytes.IndexByte(data, '\n')
		if end < 0 {
			return k.missing(in, m, data, gap, len(data))
		}
		return end + 1, k.valueDone(in, m)
	case cut:
		if in.EOF {
			return len(data) + gap, protocol.Done
		}
		return len(data) + gap, protocol.More
	}
	if len(data) == 0 {
		return k.missing(in, m, data, gap, 0)
	}
	if m.first == 0 && (data[0] == '\r' || data[0] == '\n') {
		// A client may send empty lines, and a server one to keep a connection alive.
		return 1, protocol.Skip
	}
	if m.first == 0 {
		s, d := in.State, in.Dir&1
		m.afterCut, m.broken = m.afterCut || s.cut[d], m.broken || s.broken[d]
		s.cut[d], s.broken[d] = false, false
	}
	if in.Dir == protocol.Request {
		return k.command(in, m, data, gap)
	}
	return k.reply(in, m, data, gap)
}

// missing handles a line whose end is not there, of which keep bytes are of no use
// any more.
func (k *codec) missing(in *input, m *message, data []byte, gap, keep int) (int, protocol.Status) {
	if gap == 0 && !in.EOF {
		return keep, protocol.More
	}
	if in.Dir == protocol.Request && m.cmd == "" || m.first == 0 && m.cmd == "" {
		return 0, protocol.Lost
	}
	m.truncated, m.phase = true, cut
	if in.Dir == protocol.Request {
		k.commandDone(in, m)
	} else {
		k.closeLevels(in, m, 0)
	}
	return 0, proceed
}

// lineOf returns the first line of data without its end, and its length with it, 0 if
// it does not end within most bytes.
func lineOf(data []byte, most int) (line []byte, n int) {
	end := bytes.IndexByte(data[:min(len(data), most)], '\n')
	if end < 0 {
		return nil, 0
	}
	line = data[:end]
	if end > 0 && line[end-1] == '\r' {
		line = line[:end-1]
	}
	return line, end + 1
}

// number reads a decimal number of at most 13 digits behind an optional sign.
func number(b []byte) (n int64, ok bool) {
	negative := len(b) > 1 && (b[0] == '-' || b[0] == '+')
	digits := b
	if negative {
		digits = b[1:]
	}
	if len(digits) == 0 || len(digits) > 13 {
		return 0, false
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	if b[0] == '-' {
		n = -n
	}
	return n, true
}

// begin begins a string of n bytes, of which want must be at hand at once.
func (m *message) begin(typ byte, n int64, want int) {
	m.phase, m.typ, m.taken, m.want, m.remaining = bulk, typ, false, want, n+2
}

// bulk consumes what there is of a string.
func (k *codec) bulk(in *input, m *message, data []byte, gap int) (int, protocol.Status) {
	if !m.taken {
		if len(data) < m.want && gap == 0 && !in.EOF {
			return 0, protocol.More
		}
		m.taken = true
		value := data[:min(int64(len(data)), m.remaining-2)]
		if int64(len(value)) < min(int64(m.want), m.remaining-2) {
			m.truncated = true
		}
		if in.Dir == protocol.Request {
			k.argument(in, m, value)
		} else {
			k.str(in, m, value)
		}
	}
	n := min(m.remaining, int64(len(data)+gap))
	if end := m.remaining; end <= int64(len(data)) && (data[end-1] != '\n' || end > 1 && data[end-2] != '\r') {
		return 0, protocol.Invalid
	}
	if m.remaining -= n; m.remaining > 0 {
		in.Skip = m.remaining
		return int(n), protocol.More
	}
	m.phase = header
	return int(n), k.valueDone(in, m)
}

// valueDone ends a value, and the aggregates of which it is the last.
func (k *codec) valueDone(in *input, m *message) protocol.Status {
	m.phase = header
	if in.Dir == protocol.Request {
		if m.left--; m.left > 0 {
			return proceed
		}
		return k.commandDone(in, m)
	}
	if m.streamed {
		return proceed
	}
	levels := in.State.levels
	for len(levels) > 0 {
		top := &levels[len(levels)-1]
		if top.left < 0 {
			break
		}
		if top.left--; top.left > 0 {
			break
		}
		hidden := top.hidden
		k.closeLevels(in, m, len(levels)-1)
		levels = in.State.levels
		if hidden {
			return proceed // the value that they are of follows
		}
	}
	if len(levels) > 0 {
		return proceed
	}
	return protocol.Done
}
