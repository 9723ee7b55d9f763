// SPDX-License-Identifier: Apache-2.0

package redis

import (
	"github.com/puck-otel/puck/internal/protocol"
)

// other is the name of a command that cannot be one.
const other = "_OTHER"

// maxPlaces bounds the arguments that a query shows.
const maxPlaces = 32

// containers are the commands whose first argument is a part of their name.
var containers = map[string]bool{
	"ACL": true, "CLIENT": true, "CLUSTER": true, "COMMAND": true, "CONFIG": true, "DEBUG": true, "FUNCTION": true,
	"LATENCY": true, "MEMORY": true, "MODULE": true, "OBJECT": true, "PUBSUB": true, "SCRIPT": true, "SENTINEL": true,
	"SLOWLOG": true, "XGROUP": true, "XINFO": true, "FT.CONFIG": true, "FT.CURSOR": true, "JSON.DEBUG": true,
}

// secrets are the commands whose arguments are or may be passwords. They are not kept
// whatever the configuration says.
var secrets = map[string]bool{
	"AUTH": true, "HELLO": true, "ACL SETUSER": true, "CONFIG SET": true, "MIGRATE": true, "SENTINEL SET": true,
}

// command takes the next line of a command.
func (k *codec) command(in *input, m *message, data []byte, gap int) (int, protocol.Status) {
	if m.first == 0 && data[0] != '*' {
		return k.inline(in, m, data, gap)
	}
	if m.first != 0 && data[0] != '$' {
		return 0, protocol.Invalid
	}
	line, n := lineOf(data, maxHeader)
	if n == 0 {
		if len(data) >= maxHeader {
			return 0, protocol.Invalid
		}
		return k.missing(in, m, data, gap, 0)
	}
	count, ok := number(line[1:])
	if m.first == 0 {
		switch {
		case !ok || count > maxCount:
			return 0, protocol.Invalid
		case count <= 0:
			return n, protocol.Skip // Redis passes over it without a reply
		}
		m.first, m.left, m.args = '*', count, count-1
		return n, proceed
	}
	if !ok || count < 0 || count > maxBulk {
		return 0, protocol.Invalid
	}
	want := 0
	switch {
	case k.named(m):
		want = min(int(count)+2, maxName+2)
	case m.needs():
		want = min(int(count)+2, maxName)
	}
	if room := k.room(m); room > 0 {
		want = max(want, min(int(count)+2, room))
	}
	m.begin('$', count, want)
	return n, proceed
}

// named reports whether the next argument is a part of the command's name.
func (k *codec) named(m *message) bool {
	return m.cmd == "" || m.left == m.args && containers[m.cmd]
}

// needs reports whether the command does something to the connection that its next
// argument tells.
func (m *message) needs() bool { return m.cmd == "SELECT" || m.cmd == "CLIENT REPLY" }

// room returns how many more bytes of the values are kept.
func (k *codec) room(m *message) int {
	if m.full || m.secret {
		return 0
	}
	return max(0, k.values-len(m.text))
}

// argument takes a string of the command: all of it, or as much as was asked for.
func (k *codec) argument(in *input, m *message, value []byte) {
	whole := int64(len(value)) == m.remaining-2
	switch {
	case m.cmd == "":
		if m.cmd = other; whole {
			m.cmd = upper(in, value, other)
		}
		m.secret = secrets[m.cmd]
		return
	case m.left == m.args && containers[m.cmd] && whole:
		var room [2*maxName + 1]byte
		if name := upper(in, value, ""); name != "" {
			m.cmd = in.Intern.String(append(append(append(room[:0], m.cmd...), ' '), name...))
			m.args--
			m.secret = secrets[m.cmd]
			return
		}
	case m.needs() && whole && len(value) <= maxName:
		m.db = in.Intern.String(value)
	}
	k.keep(m, value)
}

// keep adds an argument to the JSON array.
func (k *codec) keep(m *message, value []byte) {
	room := k.room(m)
	if room == 0 {
		m.full = true
		return
	}
	open := byte(',')
	if len(m.text) == 0 {
		open = '['
	}
	m.text = append(m.text, open, '"')
	m.text = append(protocol.AppendText(m.text, whole(value, room)), '"')
}

// upper returns a command's name in capitals, or def if it cannot be one.
func upper(in *input, value []byte, def string) string {
	var room [maxName]byte
	if len(value) == 0 || len(value) > len(room) || !isLetter(value[0]) {
		return def
	}
	for i, c := range value {
		switch {
		case c >= 'a' && c <= 'z':
			c -= 'a' - 'A'
		case !isNameByte(c):
			return def
		}
		room[i] = c
	}
	return in.Intern.String(room[:len(value)])
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// isNameByte reports whether a command's name, of Redis or of a module, may have c.
func isNameByte(c byte) bool {
	return isLetter(c) || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-' || c == '|'
}

// commandDone ends a command, or what there is of it.
func (k *codec) commandDone(in *input, m *message) protocol.Status {
	if len(m.text) > 0 {
		m.text = append(m.text, ']')
	}
	m.query = query(in, m)
	m.kind = confirms(m.cmd)
	k.silence(in.State, m)
	if q := in.Requests; q.Len() > 0 && q.At(q.Len()-1).Last == q.Open().First {
		// A client that waits for the reply does not send two commands at once.
		in.State.pipelined = true
	}
	if m.cmd == "SYNC" {
		m.silent = true
		return protocol.Last // its reply is a file, and then commands
	}
	return protocol.Done
}

// silence follows CLIENT REPLY (https://redis.io/commands/client-reply/).
func (k *codec) silence(s *state, m *message) {
	if m.cmd == "CLIENT REPLY" && m.args == 1 {
		switch {
		case equalFold(m.db, "off"):
			m.silent, s.muted, s.skip = true, true, false
			return
		case equalFold(m.db, "skip"):
			m.silent, s.skip = true, !s.muted
			return
		case equalFold(m.db, "on"):
			s.muted, s.skip = false, false
			return
		}
	}
	m.silent, s.skip = s.muted || s.skip, false
}

// equalFold compares s with an ASCII string in lower case.
func equalFold(s, lower string) bool {
	if len(s) != len(lower) {
		return false
	}
	for i := range len(s) {
		if s[i]|0x20 != lower[i] {
			return false
		}
	}
	return true
}

// query returns the command with a question mark in place of each argument, as the
// semantic conventions ask for values to be left out.
func query(in *input, m *message) string {
	if m.args <= 0 {
		return m.cmd
	}
	var room [2*maxName + 2*maxPlaces + 8]byte
	b := append(room[:0], m.cmd...)
	for range min(m.args, maxPlaces) {
		b = append(b, " ?"...)
	}
	if m.args > maxPlaces {
		b = append(b, " ..."...)
	}
	return in.Intern.String(b)
}
