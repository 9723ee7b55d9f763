// SPDX-License-Identifier: Apache-2.0

package http1

import (
	"strconv"
	"strings"

	"github.com/puck-otel/puck/internal/protocol"
	"github.com/puck-otel/puck/internal/table"
)

// errorTypes holds the decimal text of each status code that may be an error.
var errorTypes = func() (texts [1000]string) {
	for status := 400; status < len(texts); status++ {
		texts[status] = strconv.Itoa(status)
	}
	return texts
}()

// span makes a span by the semantic conventions for HTTP. Its name follows from the
// columns.
func span(r *Record, s *table.Span) {
	s.Protocol, s.Scheme = "http", "http"
	if r.Conn.Encrypted {
		s.Scheme = "https"
	}
	s.Transport = table.Transport(r.Conn.Transport)
	s.ServerName, s.ServerPort = server(r.req.host, s.Scheme)
	s.Start, s.End = r.Request.First, r.Response.Last
	s.TraceState = r.req.traceState
	if r.req.trace != "" {
		copyHex(s.TraceID[:], r.req.trace[:32])
		copyHex(s.ParentID[:], r.req.trace[33:49])
		s.Sampled = nibble(r.req.trace[51])&1 != 0
	}
	// A client is at fault for a 4xx, so that to the server it is no error.
	least := uint16(400)
	if r.Conn.Role == protocol.Server {
		least = 500
	}
	switch status := r.resp.status; {
	case status >= least && int(status) < len(errorTypes):
		s.Failed, s.ErrorType = true, errorTypes[status]
	case status == 0 && !r.truncated():
		s.Failed, s.ErrorType = true, protocol.NoResponse
	}
}

// server returns the name and the port that the Host field gives the server: the
// port is the scheme's own where the field has none, and 0 where it has no valid
// one, or the field is empty.
func server(host, scheme string) (name string, port int64) {
	name, digits, _ := strings.Cut(host, ":")
	if end := strings.LastIndexByte(host, ']'); end >= 0 {
		name, digits = strings.TrimPrefix(host[:end], "["), strings.TrimPrefix(host[end+1:], ":")
	}
	switch {
	case name == "":
		return "", 0
	case digits != "":
		n, err := strconv.ParseUint(digits, 10, 16)
		if err != nil {
			return name, 0
		}
		return name, int64(n)
	case scheme == "https":
		return name, 443
	}
	return name, 80
}

// copyHex decodes hexadecimal digits that were checked before.
func copyHex(to []byte, digits string) {
	for i := range to {
		to[i] = byte(nibble(digits[2*i])<<4 | nibble(digits[2*i+1]))
	}
}
