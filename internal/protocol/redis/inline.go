// SPDX-License-Identifier: Apache-2.0

package redis

import (
	"github.com/puck-otel/puck/internal/protocol"
)

// inline takes a command as a person types it: words on a line. Its length is bounded
// by what Redis accepts.
func (k *codec) inline(in *input, m *message, data []byte, gap int) (int, protocol.Status) {
	if !isLetter(data[0]) {
		return 0, protocol.Invalid
	}
	line, n := lineOf(data, maxInline)
	if n == 0 {
		if len(data) >= maxInline || !printable(data[:min(len(data), maxName)]) {
			return 0, protocol.Invalid
		}
		if gap == 0 && !in.EOF {
			return 0, protocol.More
		}
		return 0, protocol.Lost
	}
	if !printable(line) {
		return 0, protocol.Invalid
	}
	words := split(line)
	m.first, m.args, m.left = ' ', int64(len(words)-1), int64(len(words))
	for i, w := range words {
		if i == 0 && !isName(w) {
			return 0, protocol.Invalid
		}
		m.remaining = int64(len(w) + 2)
		k.argument(in, m, w)
		m.left--
	}
	return n, k.commandDone(in, m)
}

// isName reports whether a command may have the name.
func isName(b []byte) bool {
	if len(b) == 0 || len(b) > maxName || !isLetter(b[0]) {
		return false
	}
	for _, c := range b {
		if !isNameByte(c) {
			return false
		}
	}
	return true
}

// printable reports whether b holds no control characters but tabs and a line end.
func printable(b []byte) bool {
	for _, c := range b {
		if c < ' ' && c != '\t' && c != '\r' || c == 0x7f {
			return false
		}
	}
	return true
}

// split returns the words of a line that begins with one. Quotes keep spaces in a word,
// and a backslash keeps the quote that follows it.
func split(line []byte) [][]byte {
	var words [][]byte
	for i := 0; i < len(line); {
		if line[i] == ' ' || line[i] == '\t' {
			i++
			continue
		}
		var word []byte
		quote := byte(0)
		for ; i < len(line); i++ {
			c := line[i]
			switch {
			case quote == 0 && (c == ' ' || c == '\t'):
			case quote == 0 && (c == '"' || c == '\''):
				quote = c
				continue
			case c == quote && quote != 0:
				quote = 0
				continue
			case c == '\\' && quote != 0 && i+1 < len(line):
				i++
				c = line[i]
				fallthrough
			default:
				word = append(word, c)
				continue
			}
			break
		}
		words = append(words, word)
	}
	return words
}
