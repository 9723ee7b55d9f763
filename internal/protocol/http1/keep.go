// SPDX-License-Identifier: Apache-2.0

package http1

import (
	"bytes"
	"compress/gzip"
	"io"
	"slices"

	"github.com/puck-otel/puck/internal/protocol"
)

// The bounds on what is kept of one head: bytes, and lines. Each line is looked up
// among those before it.
const (
	maxHeaders     = 64 << 10
	maxHeaderLines = 200
)

// keepHeader adds the line to the headers kept, if the configuration asks for it.
func (k *codec) keepHeader(d protocol.Direction, m *message, line []byte) {
	name, v, ok := bytes.Cut(line, []byte(":"))
	if !ok || !k.all[d] && !slices.ContainsFunc(k.keep[d], func(want string) bool { return equalFold(name, want) }) ||
		len(m.headers)+len(line) > maxHeaders || m.kept == maxHeaderLines {
		return
	}
	m.kept++
	if m.last == fieldOther {
		m.last = fieldKept
	}
	m.headers = appendField(m.headers, name, trim(v))
}

// appendField adds a member to the JSON members in b. The value of a name that is
// there already is joined to the first one's, as RFC 9110 section 5.3 allows.
func appendField(b, name, v []byte) []byte {
	var room [128]byte
	key := append(protocol.AppendText(append(room[:0], '"'), name), `":"`...)
	at := bytes.Index(b, key)
	if at != 0 && (at < 0 || b[at-1] != ',') {
		if len(b) > 0 {
			b = append(b, ',')
		}
		return append(protocol.AppendText(append(b, key...), v), '"')
	}
	end := at + len(key)
	for end < len(b) && b[end] != '"' {
		if b[end] == '\\' {
			end++
		}
		end++
	}
	return slices.Insert(b, min(end, len(b)), protocol.AppendText([]byte(", "), v)...)
}

// keepBody adds to the body kept the first n bytes behind data's beginning, as
// far as they are there and follow what is kept.
func (k *codec) keepBody(m *message, data []byte, n int) {
	if k.body == 0 || int64(len(m.body)) != m.size {
		return
	}
	m.body = append(m.body, data[:min(n, len(data), k.body-len(m.body))]...)
}

// bodyText returns the body kept, decoded as far as there is of it.
func (k *codec) bodyText(m *message) string {
	if len(m.body) == 0 || !m.gzipped {
		return string(m.body)
	}
	r, err := gzip.NewReader(bytes.NewReader(m.body))
	if err != nil {
		return string(m.body)
	}
	// An error is the end of what was kept, and what came before it is of use.
	text, _ := io.ReadAll(io.LimitReader(r, int64(k.body)))
	return string(text)
}

// headerText returns the headers kept as a JSON object, or nothing.
func headerText(m *message) string {
	if len(m.headers) == 0 {
		return ""
	}
	return "{" + string(m.headers) + "}"
}
