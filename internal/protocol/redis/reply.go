// SPDX-License-Identifier: Apache-2.0

package redis

import (
	"bytes"
	"strings"

	"github.com/puck-otel/puck/internal/protocol"
)

// The types of values, by the byte that they begin with.
const (
	typeSimple    = '+'
	typeError     = '-'
	typeInteger   = ':'
	typeString    = '$'
	typeArray     = '*'
	typeNull      = '_'
	typeDouble    = ','
	typeBoolean   = '#'
	typeBulkError = '!'
	typeVerbatim  = '='
	typeBigNumber = '('
	typeMap       = '%'
	typeSet       = '~'
	typePush      = '>'
	typeAttribute = '|'
	typeChunk     = ';' // of a string in a stream
	typeEnd       = '.' // of an aggregate in a stream
)

// maxKind is the length of the longest first element that is looked at, and maxCode
// that of an error's prefix.
const (
	maxKind = 16
	maxCode = 32
)

// reply takes the next line of a reply.
func (k *codec) reply(in *input, m *message, data []byte, gap int) (int, protocol.Status) {
	typ := data[0]
	if m.first == 0 {
		in.State.levels = in.State.levels[:0]
		if typ == typeChunk || typ == typeEnd {
			return 0, protocol.Invalid
		}
	}
	if m.streamed && typ != typeChunk {
		return 0, protocol.Invalid
	}
	switch typ {
	case typeSimple, typeError:
		return k.text(in, m, data, gap)
	case typeInteger, typeNull, typeDouble, typeBoolean, typeBigNumber:
		return k.scalar(in, m, data, gap)
	case typeString, typeBulkError, typeVerbatim, typeArray, typeMap, typeSet, typePush, typeAttribute, typeChunk, typeEnd:
	default:
		return 0, protocol.Invalid
	}
	line, n := lineOf(data, maxHeader)
	if n == 0 {
		if len(data) >= maxHeader {
			return 0, protocol.Invalid
		}
		return k.missing(in, m, data, gap, 0)
	}
	if typ == typeEnd {
		return n, k.end(in, m, line)
	}
	count, ok := number(line[1:])
	stream := len(line) == 2 && line[1] == '?'
	if !ok && !stream || count < -1 || count > maxBulk {
		return 0, protocol.Invalid
	}
	m.named(typ)
	switch typ {
	case typeChunk:
		return n, k.chunk(in, m, count)
	case typeString, typeBulkError, typeVerbatim:
		switch {
		case stream && typ == typeString:
			m.streamed = true
			m.quoted = k.open(in, m, typ)
			return n, proceed
		case stream:
			return 0, protocol.Invalid
		case count < 0:
			k.literal(in, m, "null")
			return n, k.valueDone(in, m)
		}
		m.begin(typ, count, k.wanted(in, m, typ, count))
		return n, proceed
	}
	return n, k.aggregate(in, m, typ, count, stream)
}

// named notes the type of the reply. Attributes are not it.
func (m *message) named(typ byte) {
	if m.first == 0 || m.first == typeAttribute && m.hidden == 0 {
		m.first = typ
	}
}

// text takes a simple string or an error. Of a longer line it takes the beginning.
func (k *codec) text(in *input, m *message, data []byte, gap int) (int, protocol.Status) {
	line, n := lineOf(data, maxLine)
	if n == 0 && len(data) < maxLine {
		m.named(data[0])
		if gap == 0 && !in.EOF {
			return 0, protocol.More
		}
		return k.missing(in, m, data, gap, 0)
	}
	m.named(data[0])
	if n == 0 {
		line, n = data[:maxLine], maxLine
		m.phase = rest
	}
	value := line[1:]
	if len(in.State.levels) == 0 {
		if data[0] == typeError {
			m.code = code(in, value)
		} else {
			m.ok = string(value) == "OK"
			if isMonitored(value) {
				m.kind = monitored
			}
			if bytes.HasPrefix(value, []byte("FULLRESYNC ")) || bytes.HasPrefix(value, []byte("CONTINUE")) {
				k.value(in, m, value)
				return n, protocol.Last // a file or commands of the master follow
			}
		}
	}
	k.first(in, m, value)
	k.value(in, m, value)
	if m.phase == rest {
		return n, proceed
	}
	return n, k.valueDone(in, m)
}

// isMonitored reports whether a simple string is a line of MONITOR: a time, then the
// database and the client in brackets.
func isMonitored(b []byte) bool {
	i := bytes.IndexByte(b[:min(len(b), maxHeader)], ' ')
	return i > 0 && b[0] >= '0' && b[0] <= '9' && i+1 < len(b) && b[i+1] == '['
}

// code returns the prefix of an error's text, ERR if it has none.
func code(in *input, text []byte) string {
	end := 0
	for end < len(text) && end < maxCode && (text[end] >= 'A' && text[end] <= 'Z' || text[end] == '_' || end > 0 && text[end] >= '0' && text[end] <= '9') {
		end++
	}
	if end == 0 || end < len(text) && text[end] != ' ' {
		return "ERR"
	}
	return in.Intern.String(text[:end])
}

// scalar takes a value that is a short line: its text is JSON, or nearly.
func (k *codec) scalar(in *input, m *message, data []byte, gap int) (int, protocol.Status) {
	line, n := lineOf(data, maxLine)
	if n == 0 {
		if len(data) >= maxLine {
			return 0, protocol.Invalid
		}
		return k.missing(in, m, data, gap, 0)
	}
	value := line[1:]
	m.named(data[0])
	switch data[0] {
	case typeNull:
		if len(value) != 0 {
			return 0, protocol.Invalid
		}
		k.literal(in, m, "null")
	case typeBoolean:
		switch string(value) {
		case "t":
			k.literal(in, m, "true")
		case "f":
			k.literal(in, m, "false")
		default:
			return 0, protocol.Invalid
		}
	case typeInteger:
		num, ok := number(value)
		if !ok && !isDigits(value) {
			return 0, protocol.Invalid
		}
		if len(in.State.levels) <= 1 {
			m.number = num
		}
		k.digits(in, m, value)
	case typeBigNumber:
		if !isDigits(value) {
			return 0, protocol.Invalid
		}
		k.digits(in, m, value)
	case typeDouble:
		switch string(value) {
		case "inf", "-inf", "nan", "-nan":
			k.value(in, m, value)
		default:
			if len(value) == 0 || strings.Trim(string(value[:min(len(value), maxCode)]), "0123456789+-.eE") != "" {
				return 0, protocol.Invalid
			}
			k.digits(in, m, value)
		}
	}
	return n, k.valueDone(in, m)
}

// isDigits reports whether b is a number of any length.
func isDigits(b []byte) bool {
	if len(b) > 1 && (b[0] == '-' || b[0] == '+') {
		b = b[1:]
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(b) > 0
}

// aggregate begins an array or the like of count elements, or pairs.
func (k *codec) aggregate(in *input, m *message, typ byte, count int64, stream bool) protocol.Status {
	pairs := typ == typeMap || typ == typeAttribute
	switch {
	case count > maxCount || len(in.State.levels) >= maxDepth || stream && typ == typeAttribute:
		return protocol.Invalid
	case count < 0:
		if typ != typeArray {
			return protocol.Invalid
		}
		k.literal(in, m, "null")
		return k.valueDone(in, m)
	}
	l := level{left: count, typ: typ, hidden: typ == typeAttribute}
	if pairs {
		l.left *= 2
	}
	if l.hidden {
		if count == 0 {
			return proceed
		}
		m.hidden++
	} else {
		l.drawn = k.open(in, m, typ)
	}
	if stream {
		l.left = -1
	}
	in.State.levels = append(in.State.levels, l)
	if l.left == 0 {
		k.closeLevels(in, m, len(in.State.levels)-1)
		return k.valueDone(in, m)
	}
	return proceed
}

// end ends an aggregate in a stream.
func (k *codec) end(in *input, m *message, line []byte) protocol.Status {
	n := len(in.State.levels)
	if len(line) != 1 || n == 0 || in.State.levels[n-1].left >= 0 {
		return protocol.Invalid
	}
	k.closeLevels(in, m, n-1)
	return k.valueDone(in, m)
}

// chunk begins a piece of a string in a stream, of which the last is empty.
func (k *codec) chunk(in *input, m *message, count int64) protocol.Status {
	switch {
	case !m.streamed || count < 0:
		return protocol.Invalid
	case count > 0:
		m.begin(typeChunk, count, min(int(count)+2, k.room(m)))
		return proceed
	}
	k.unquote(m)
	return k.valueDone(in, m)
}

// wanted returns how many bytes of a string are needed at once.
func (k *codec) wanted(in *input, m *message, typ byte, count int64) int {
	want := min(count+2, int64(k.room(m)))
	levels := in.State.levels
	switch {
	case len(levels) == 0 && typ == typeBulkError:
		want = max(want, min(count, maxCode))
	case len(levels) == 1 && levels[0].seen == 0 && count <= maxKind:
		want = max(want, count)
	}
	return int(want)
}

// str takes a string, or as much of it as was asked for.
func (k *codec) str(in *input, m *message, value []byte) {
	whole := int64(len(value)) == m.remaining-2
	switch m.typ {
	case typeChunk:
		k.piece(in, m, value)
		return
	case typeBulkError:
		if len(in.State.levels) == 0 {
			m.code = code(in, value)
		}
	case typeVerbatim:
		if len(value) > 4 && value[3] == ':' {
			value = value[4:]
		}
	}
	if whole {
		k.first(in, m, value)
	}
	k.value(in, m, value)
}

// first looks at the first element of a reply.
func (k *codec) first(in *input, m *message, value []byte) {
	levels := in.State.levels
	if len(levels) == 1 && levels[0].seen == 0 && len(value) <= maxKind && (levels[0].typ == typeArray || levels[0].typ == typePush) {
		m.kind = kinds[string(value)]
	}
}
