// SPDX-License-Identifier: Apache-2.0

package redis

import (
	"bytes"

	"github.com/puck-otel/puck/internal/protocol"
)

// match looks for a command as clients send it, an array of strings that begins with a
// name, or for a reply that no other protocol has. What a person types waits for the
// reply, since other protocols have lines of words too.
func match(c *protocol.Conn, dir protocol.Direction, data []byte) protocol.Match {
	if c.Transport == protocol.UDP {
		return protocol.No
	}
	is := protocol.No
	if dir != protocol.Response {
		if is = matchCommand(dir, data); is == protocol.IsRequest {
			return is
		}
	}
	if dir != protocol.Request {
		switch r := matchReply(data); {
		case r == protocol.Maybe:
			is = r
		case r == protocol.IsResponse && is == protocol.No:
			return r
		}
	}
	if is == protocol.No && dir != protocol.Response && typed(data) {
		return protocol.Maybe
	}
	return is
}

// matchCommand accepts an array whose first element can be a command's name. The name of
// a subscription in small letters begins its confirmation too.
func matchCommand(dir protocol.Direction, data []byte) protocol.Match {
	rest, count, is := head(data, '*')
	if is != protocol.IsRequest {
		return is
	}
	if count < 1 || count > 1<<20 {
		return protocol.No
	}
	rest, n, is := head(rest, '$')
	switch {
	case is != protocol.IsRequest:
		return is
	case n < 1 || n > maxName:
		return protocol.No
	}
	name := rest[:min(len(rest), int(n))]
	switch {
	case len(name) > 0 && !isName(name):
		return protocol.No
	case len(rest) < int(n)+2:
		return protocol.Maybe
	case rest[n] != '\r' || rest[n+1] != '\n':
		return protocol.No
	case kinds[string(name)] == publish:
		return protocol.No
	case dir == protocol.Either && kinds[string(name)] != reply:
		return protocol.Maybe
	}
	return protocol.IsRequest
}

// head reads a line of a type's byte and a number, and returns what is behind it. It
// says IsRequest if all of it is there.
func head(data []byte, typ byte) (rest []byte, n int64, is protocol.Match) {
	if len(data) == 0 {
		return nil, 0, protocol.Maybe
	}
	if data[0] != typ {
		return nil, 0, protocol.No
	}
	i := 1
	for ; i < len(data) && data[i] >= '0' && data[i] <= '9' && i < 12; i++ {
		n = n*10 + int64(data[i]-'0')
	}
	switch {
	case i == len(data):
		return nil, 0, protocol.Maybe
	case i == 1 || data[i] != '\r':
		return nil, 0, protocol.No
	case i+1 == len(data):
		return nil, 0, protocol.Maybe
	case data[i+1] != '\n':
		return nil, 0, protocol.No
	}
	return data[i+2:], n, protocol.IsRequest
}

// answers are simple strings that only Redis sends.
var answers = [...]string{"+PONG\r\n", "+QUEUED\r\n", "+FULLRESYNC "}

// prefixes are those of errors that only Redis sends. ERR is of POP3 and NATS too.
var prefixes = map[string]bool{
	"NOAUTH": true, "WRONGTYPE": true, "WRONGPASS": true, "NOPERM": true, "NOPROTO": true, "NOSCRIPT": true, "NOTBUSY": true,
	"MOVED": true, "ASK": true, "TRYAGAIN": true, "CROSSSLOT": true, "CLUSTERDOWN": true, "MASTERDOWN": true, "LOADING": true,
	"BUSY": true, "READONLY": true, "OOM": true, "MISCONF": true, "EXECABORT": true, "NOREPLICAS": true, "DENIED": true,
	"BUSYKEY": true, "BUSYGROUP": true, "NOGROUP": true, "UNKILLABLE": true,
}

// matchReply accepts a reply. +OK alone is one of NATS as well: it waits for more.
func matchReply(data []byte) protocol.Match {
	ok := []byte("+OK\r\n")
	for bytes.HasPrefix(data, ok) {
		data = data[len(ok):]
	}
	if len(data) == 0 || bytes.HasPrefix(ok, data) {
		return protocol.Maybe
	}
	line, n := lineOf(data, maxLine)
	switch data[0] {
	case typeSimple:
		for _, a := range answers {
			if prefix := min(len(a), len(data)); string(data[:prefix]) == a[:prefix] {
				if prefix < len(a) {
					return protocol.Maybe
				}
				return protocol.IsResponse
			}
		}
		return protocol.No
	case typeError:
		word, _, found := bytes.Cut(data[1:min(len(data), maxCode)], []byte(" "))
		switch {
		case prefixes[string(word)] && found:
			return protocol.IsResponse
		case len(data) < maxCode && !found && n == 0 && len(bytes.Trim(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZ")) == 0:
			return protocol.Maybe
		}
		return protocol.No
	case typeInteger:
		if n == 0 {
			if len(data) < maxHeader && (len(data) == 1 || isDigits(bytes.TrimSuffix(data[1:], []byte("\r"))) || string(data[1:]) == "-") {
				return protocol.Maybe
			}
			return protocol.No
		}
		if _, ok := number(line[1:]); ok && n == len(line)+2 {
			return protocol.IsResponse
		}
		return protocol.No
	case typeString:
		return matchString(data)
	case typeArray, typeMap, typeSet, typePush:
		rest, count, is := head(data, data[0])
		if is != protocol.IsRequest {
			return is
		}
		switch {
		case len(rest) == 0:
			return protocol.Maybe
		case count > 0 && bytes.IndexByte([]byte("$*:+-_,#!=(%~>|"), rest[0]) >= 0:
			if is := matchReply(rest); is == protocol.No && rest[0] == typeString {
				return protocol.No
			} else if is == protocol.Maybe && len(rest) < maxName {
				return protocol.Maybe
			}
			return protocol.IsResponse
		}
		return protocol.No
	}
	return protocol.No
}

// matchString accepts a string and its line end, or the beginning of a long one.
func matchString(data []byte) protocol.Match {
	if null := "$-1\r\n"; string(data[:min(len(data), len(null))]) == null[:min(len(data), len(null))] {
		if len(data) < 2 || len(data) < len(null) {
			return protocol.Maybe
		}
		return protocol.IsResponse
	}
	rest, n, is := head(data, typeString)
	switch {
	case is != protocol.IsRequest:
		return is
	case int64(len(rest)) >= n+2:
		if rest[n] == '\r' && rest[n+1] == '\n' {
			return protocol.IsResponse
		}
		return protocol.No
	case len(rest) >= maxName:
		return protocol.IsResponse
	}
	return protocol.Maybe
}

// typed reports whether data are lines of a person or a script that talks to Redis in
// words.
func typed(data []byte) bool {
	line, n := lineOf(data, maxName)
	if n == 0 {
		line = bytes.TrimSuffix(data[:min(len(data), maxName)], []byte("\r"))
	}
	word, _, found := bytes.Cut(line, []byte(" "))
	if !isName(word) || !printable(line) {
		return false
	}
	if !found && n == 0 {
		return len(word) < maxHeader
	}
	var room [maxName]byte
	for i, c := range word {
		if c >= 'a' && c <= 'z' {
			c -= 'a' - 'A'
		}
		room[i] = c
	}
	return words[string(room[:len(word)])]
}

// words are the commands that people type first.
var words = map[string]bool{
	"PING": true, "AUTH": true, "SELECT": true, "INFO": true, "GET": true, "SET": true, "DEL": true, "KEYS": true, "INCR": true,
	"EXISTS": true, "QUIT": true, "MONITOR": true, "SYNC": true, "HELLO": true, "ECHO": true, "CLIENT": true, "CONFIG": true,
	"LPUSH": true, "LRANGE": true, "HSET": true, "HGETALL": true, "SUBSCRIBE": true, "PUBLISH": true, "FLUSHALL": true,
	"DBSIZE": true, "COMMAND": true, "MULTI": true, "EVAL": true, "TTL": true, "EXPIRE": true, "TIME": true,
}

// resync finds the next line that a message may begin with, or that data ends in the
// middle of. The elements of a reply look like replies: stitch knows.
func resync(dir protocol.Direction, data []byte) int {
	for at := 0; at < len(data); {
		var is protocol.Match
		if dir == protocol.Response {
			is = begins(data[at:])
		} else {
			is = matchCommand(dir, data[at:])
			if at == 0 && is == protocol.No && typed(data) {
				is = protocol.Maybe
			}
		}
		if is != protocol.No {
			return at
		}
		next := bytes.IndexByte(data[at:], '\n')
		if next < 0 {
			return len(data)
		}
		at += next + 1
	}
	return len(data)
}

// begins reports whether a reply may begin with data.
func begins(data []byte) protocol.Match {
	switch data[0] {
	case typeSimple, typeError:
		line, n := lineOf(data, maxLine)
		if n == 0 {
			line = data[:min(len(data), maxLine)]
		}
		if printable(line) && (n == 0 || n == len(line)+2) {
			return protocol.Yes
		}
	case typeString, typeArray, typeMap, typeSet, typePush, typeAttribute, typeVerbatim, typeBulkError, typeInteger:
		rest := data[1:]
		if len(rest) > 0 && (rest[0] == '-' || rest[0] == '+' || rest[0] == '?') {
			rest = rest[1:]
		}
		i := 0
		for i < len(rest) && i < maxHeader && rest[i] >= '0' && rest[i] <= '9' {
			i++
		}
		end := []byte("\r\n")
		if tail := rest[i:min(len(rest), i+2)]; bytes.HasPrefix(end, tail) {
			return protocol.Yes
		}
	case typeNull, typeBoolean, typeDouble, typeBigNumber:
		line, n := lineOf(data, maxLine)
		if n == 0 && len(data) < maxHeader || n == len(line)+2 && len(line) < maxHeader {
			return protocol.Yes
		}
	}
	return protocol.No
}
