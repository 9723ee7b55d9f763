// SPDX-License-Identifier: Apache-2.0

package http1

import (
	"bytes"

	"github.com/puck-otel/puck/internal/protocol"
)

// cutRequestLine takes what there is of a request line, if the method is whole.
func (k *codec) cutRequestLine(in *input, m *message, data []byte) bool {
	if !plausible(protocol.Request, data) {
		return false
	}
	method, target, ok := bytes.Cut(data, []byte(" "))
	if !ok {
		return false
	}
	target, _, whole := bytes.Cut(target, []byte(" "))
	m.minor = 1
	k.request(in, m, method, target, whole)
	return true
}

// request takes the method and the target of a request. If the target is not whole,
// bytes are missing at its end.
func (k *codec) request(in *input, m *message, method, target []byte, whole bool) {
	m.method = methodName(in, method)
	if n := in.Requests.Len(); n > 0 && in.Requests.At(n-1).First == in.Requests.Open().First {
		in.State.pipelines(in.Conn) // both were in one read
	}
	if len(target) > 0 && target[0] != '/' {
		var authority []byte
		authority, target = splitTarget(m.method, target, whole)
		if len(authority) > 0 {
			m.absolute = true
			m.host = in.Intern.String(shortened(authority, maxHost))
		}
	}
	query := bytes.IndexByte(target, '?')
	if k.route != nil && len(target) > 0 {
		path := target
		if query >= 0 {
			path = target[:query]
		}
		m.route = k.route(in.Conn, path)
	}
	if query < 0 || k.keepQuery {
		m.target = in.Intern.String(shortened(target, maxTarget))
		return
	}
	k.redacted(in, m, target, query+1)
}

// splitTarget parts a target that is not in origin form into the authority that it
// names, without the user's name and password, and the path with its query (RFC 9112
// section 3.2). A CONNECT has no path. An authority that is not whole is left out,
// since it may be the user's name.
func splitTarget(method string, target []byte, whole bool) (authority, path []byte) {
	rest := target
	scheme := bytes.Index(target, []byte("://"))
	switch {
	case scheme > 0 && token(target[:scheme]):
		rest = target[scheme+len("://"):]
	case method == "CONNECT":
	default: // "*", or none of the forms
		end := bytes.IndexAny(target, "/?#")
		if end < 0 {
			end = len(target)
		}
		return nil, target[bytes.LastIndexByte(target[:end], '@')+1:]
	}
	end := bytes.IndexAny(rest, "/?#")
	if end < 0 {
		if end = len(rest); !whole {
			return nil, nil
		}
	}
	authority, path = rest[:end], rest[end:]
	authority = authority[bytes.LastIndexByte(authority, '@')+1:]
	switch {
	case method == "CONNECT":
		return authority, nil
	case len(path) == 0 || path[0] == '#':
		return authority, []byte("/")
	case path[0] == '?':
		return authority, append([]byte("/"), path...)
	}
	return authority, path
}

// redacted sets the target without the values of its query.
func (k *codec) redacted(in *input, m *message, target []byte, query int) {
	var room [512]byte
	m.target = in.Intern.String(shortened(redact(room[:0], target, query), maxTarget))
}

// methodName returns the method as a string, as a rule without a look at the cache.
func methodName(in *input, method []byte) string {
	for _, name := range methods {
		if name == string(method) {
			return name
		}
	}
	return in.Intern.String(method)
}

const redaction = "REDACTED"

// redact appends target to b with the values of its query, which begins at query,
// replaced, and what may be a value for the lack of a name.
func redact(b, target []byte, query int) []byte {
	b = append(b, target[:query]...)
	for rest := target[query:]; len(rest) > 0; {
		end := bytes.IndexByte(rest, '&')
		if end < 0 {
			end = len(rest)
		}
		part := rest[:end]
		switch eq := bytes.IndexByte(part, '='); {
		case eq >= 0:
			b = append(append(b, part[:eq+1]...), redaction...)
		case end > 0 && (end == len(target)-query || !isFlag(part)):
			b = append(b, redaction...)
		default:
			b = append(b, part...)
		}
		if end < len(rest) {
			b = append(b, '&')
			end++
		}
		rest = rest[end:]
	}
	return b
}

// isFlag reports whether a part of a query that has no value may be a name.
func isFlag(part []byte) bool {
	if len(part) > 16 {
		return false
	}
	for _, c := range part {
		if !digit(c) && (c|0x20 < 'a' || c|0x20 > 'z') && c != '_' && c != '-' {
			return false
		}
	}
	return true
}
