// SPDX-License-Identifier: Apache-2.0

// Package http1 reads HTTP/1.0 and HTTP/1.1 (RFC 9112).
package http1

import (
	"strings"
	"time"

	"github.com/puck-otel/puck/internal/protocol"
)

// Config says what to keep of each exchange. The zero value keeps no headers, no
// bodies and no query values.
type Config struct {
	// RequestHeaders and ResponseHeaders name the header fields to keep, in any
	// case. The name "*" keeps all of them.
	RequestHeaders, ResponseHeaders []string
	// BodyBytes is how many bytes of each body to keep.
	BodyBytes int
	// KeepQuery keeps the values of the URL's query, which are "REDACTED" else.
	KeepQuery bool
	// Route returns the low-cardinality route of a path, which carries no query.
	// Without it the column http_route is empty. The path is not to be kept.
	Route func(c *protocol.Conn, path []byte) string
	// Timeout is how long a request waits for its response before it becomes a row
	// without one. Default 10 minutes.
	Timeout time.Duration
	// Capture is how many bytes of each call the kernel copies, 0 for the engine's
	// default.
	Capture int
}

// codec is the configuration as the functions of the Spec use it.
type codec struct {
	keep      [2][]string // lower-case names of header fields, by Direction
	all       [2]bool
	body      int
	keepQuery bool
	route     func(*protocol.Conn, []byte) string
	timeout   int64
}

// New returns the protocol.
func New(c Config) protocol.Protocol {
	k := &codec{body: c.BodyBytes, keepQuery: c.KeepQuery, route: c.Route, timeout: int64(c.Timeout)}
	if k.timeout <= 0 {
		k.timeout = int64(10 * time.Minute)
	}
	for d, names := range [2][]string{c.RequestHeaders, c.ResponseHeaders} {
		for _, name := range names {
			if name == "*" {
				k.all[d] = true
				continue
			}
			k.keep[d] = append(k.keep[d], strings.ToLower(name))
		}
	}
	return protocol.Spec[message, Record, state]{
		Title: "http", Table: Table, Capture: c.Capture,
		Match: match, Parse: k.parse, Resync: resync, Turn: turn, Stitch: k.stitch,
		Size: size,
	}
}

// phase is what the next bytes of a message are.
type phase uint8

const (
	startLine  phase = iota
	headerLine       // of the head
	body             // remaining bytes of it
	untilClose       // a body that the end of the connection delimits
	chunkSize        // the line before a chunk
	chunkData        // remaining bytes of it, its line end included
	trailer          // a line behind the last chunk
	lastChunk        // nothing, if what was not copied was the last chunk
	cut              // of unknown length, since bytes are missing
)

// message is a frame.
type message struct {
	phase     phase
	minor     uint8
	bodyless  bool // whatever the head says: HEAD, 1xx, 204, 304, CONNECT
	chunked   bool
	truncated bool
	hasLength bool
	conflict  bool // its lengths differ
	gzipped   bool
	expects   bool // a request that waits for a 100 before its body, as long as it has none
	h2c       bool // the Upgrade field names it
	absolute  bool // the target named the host, which counts more than the Host field
	paired    bool // a response whose request is known
	doubtful  bool // a response that may be another request's: bytes before it were lost
	first     bool // the first pair of a connection that was joined in the middle
	orphan    bool // a response whose request was lost
	last      field
	kept      uint8 // lines of the head that are kept
	lineEnd   uint8 // length of the line ends in the chunks' framing
	status    uint16
	content   contentType
	scanned   int    // bytes of the line in progress that hold no line end
	remaining int64  // bytes of the body or chunk
	length    int64  // of Content-Length
	size      int64  // bytes of the body that went by
	request   uint64 // number of the request that a response answers
	method    string
	target    string // path with query
	route     string
	reason    string
	agent     string
	host      string
	trace     string // what traceparent says behind its version
	// traceState is that of the request, which is of no use without a trace.
	traceState string
	headers    []byte // JSON members
	body       []byte
}

// state is what both directions share.
type state struct {
	answered  uint64 // the requests before this one are answered, or never will be
	continued uint64 // the last request that was told to go on with its body is before it
	pipelined bool   // a request was seen to begin before the response to the one before
	unsure    bool   // responses cannot be told apart until none is outstanding
	// cutRequest and cutResponse say that other messages may be missing behind one
	// of unknown length.
	cutRequest, cutResponse bool
	lastResponse            int64 // when the last response that made a row ended
}

// size returns the bytes of memory that a message holds beside itself.
func size(m *message) int {
	return len(m.target) + len(m.host) + len(m.agent) + len(m.reason) + len(m.trace) + len(m.traceState) +
		cap(m.headers) + cap(m.body)
}

// cut notes that messages may be missing behind one of unknown length.
func (s *state) cut(d protocol.Direction) {
	if d == protocol.Request {
		s.cutRequest = true
	} else {
		s.cutResponse = true
	}
}

// refused reports whether the request with this number has its response and was
// not told to go on with its body.
func (s *state) refused(seq uint64) bool { return seq < s.answered && seq >= s.continued }
