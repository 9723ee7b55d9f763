// SPDX-License-Identifier: Apache-2.0

package redis

import (
	"unicode/utf8"

	"github.com/puck-otel/puck/internal/protocol"
)

// The text of a reply is what a reader would expect of it: a value that stands alone
// is its own text, aggregates are JSON. Where what is kept ends, the aggregates that
// were begun are closed.

// place makes room for the next value: it notes that there is one, writes what parts it
// from the one before, and reports whether the value is to be written, within an
// aggregate, and as a map's key.
func (k *codec) place(in *input, m *message) (draw, nested, key bool) {
	levels := in.State.levels
	if len(levels) == 0 {
		return m.hidden == 0 && k.room(m) > 0, false, false
	}
	top := &levels[len(levels)-1]
	i := top.seen
	top.seen++
	second := top.typ == typeMap && i&1 == 1
	switch {
	case m.hidden > 0 || m.full || !top.drawn:
		return false, true, false
	case k.room(m) == 0 && !second:
		m.full = true
		return false, true, false
	case second:
		m.text = append(m.text, ':')
	case i > 0:
		m.text = append(m.text, ',')
	}
	return true, true, top.typ == typeMap && !second
}

// value writes text.
func (k *codec) value(in *input, m *message, b []byte) {
	draw, nested, _ := k.place(in, m)
	if !draw {
		return
	}
	b = whole(b, k.room(m))
	if !nested {
		m.text = append(m.text, b...)
		return
	}
	m.text = append(m.text, '"')
	m.text = append(protocol.AppendText(m.text, b), '"')
}

// digits writes a number.
func (k *codec) digits(in *input, m *message, b []byte) {
	draw, _, key := k.place(in, m)
	switch {
	case !draw:
	case key:
		m.text = append(append(append(m.text, '"'), b...), '"')
	default:
		m.text = append(m.text, b...)
	}
}

// literal writes a word of JSON.
func (k *codec) literal(in *input, m *message, word string) {
	draw, _, key := k.place(in, m)
	switch {
	case !draw:
	case key:
		m.text = append(append(append(m.text, '"'), word...), '"')
	default:
		m.text = append(m.text, word...)
	}
}

// open writes the beginning of an aggregate, or of a string in a stream, and reports
// whether its end is to be written too.
func (k *codec) open(in *input, m *message, typ byte) bool {
	draw, nested, _ := k.place(in, m)
	switch {
	case !draw || typ == typeString && !nested:
		return false
	case typ == typeString:
		m.text = append(m.text, '"')
	case typ == typeMap:
		m.text = append(m.text, '{')
	default:
		m.text = append(m.text, '[')
	}
	return true
}

// piece writes a part of a string in a stream.
func (k *codec) piece(in *input, m *message, b []byte) {
	levels := in.State.levels
	switch {
	case m.hidden > 0 || m.full:
	case m.quoted:
		m.text = protocol.AppendText(m.text, whole(b, k.room(m)))
	case len(levels) == 0:
		m.text = append(m.text, whole(b, k.room(m))...)
	}
}

// unquote ends a string in a stream.
func (k *codec) unquote(m *message) {
	if m.quoted {
		m.text = append(m.text, '"')
	}
	m.streamed, m.quoted = false, false
}

// closeLevels ends the aggregates in progress until as many as given are left.
func (k *codec) closeLevels(in *input, m *message, left int) {
	k.unquote(m)
	levels := in.State.levels
	for len(levels) > left {
		top := &levels[len(levels)-1]
		switch {
		case top.hidden:
			m.hidden--
		case top.drawn && top.typ == typeMap:
			m.text = append(m.text, '}')
		case top.drawn:
			m.text = append(m.text, ']')
		}
		levels = levels[:len(levels)-1]
	}
	in.State.levels = levels
}

// whole returns the first bytes of b, at most most, without a character of which they
// are a part only.
func whole(b []byte, most int) []byte {
	if len(b) <= most {
		return b
	}
	end := most
	for end > 0 && most-end < utf8.UTFMax && !utf8.RuneStart(b[end]) {
		end--
	}
	return b[:end]
}
