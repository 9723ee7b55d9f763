// SPDX-License-Identifier: Apache-2.0

package otlp

import (
	"encoding/hex"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/puck-otel/puck/internal/table"
)

// The values of the column trace_role.
const (
	roleClient = 1
	roleServer = 2
)

// facts are what a span says apart from the attributes of its columns. Writing
// makes them from the row, reading from the span, and both derive columns from
// them: a column that a fact derives rightly needs no attribute.
type facts struct {
	start, end             int64
	kind                   table.Kind
	hasParent              bool
	hasMajor               bool
	knownMethod            bool
	traceID                [16]byte
	parentID               [8]byte
	protocol               string
	version, scheme        string
	transport              table.Transport
	serverAddr, clientAddr string
	serverPort, clientPort int64
	role, major, status    int64 // of the columns
}

// number returns what the facts say of a column of field f that holds a number.
func (f *facts) number(field table.Field) int64 {
	switch field {
	case table.SpanEnd:
		return f.end
	case table.SpanStart:
		return f.start
	case table.SpanDuration:
		return f.end - f.start
	case table.SpanRole:
		return roleOf(f.kind)
	case table.SpanMajor:
		major, _ := parseVersion(f.version)
		return major
	case table.SpanMinor:
		_, minor := parseVersion(f.version)
		return minor
	case table.LocalPort:
		switch f.role {
		case roleServer:
			return f.serverPort
		case roleClient:
			return f.clientPort
		}
	case table.SpanScheme:
		if f.scheme == "https" {
			return 1
		}
	}
	return 0
}

// saysText reports whether the facts say text of a column of field f. It is
// text without the allocation of making it.
func (f *facts) saysText(field table.Field, text string) bool {
	switch field {
	case table.SpanTraceID:
		return f.hasParent && isHex(text, f.traceID[:]) || !f.hasParent && text == ""
	case table.SpanParentID:
		return f.hasParent && isHex(text, f.parentID[:]) || !f.hasParent && text == ""
	case table.HTTPHost:
		return f.saysHost(text)
	}
	return f.text(field) == text
}

// text returns what the facts say of a column of field f that holds text.
func (f *facts) text(field table.Field) string {
	switch field {
	case table.SpanTraceID:
		if f.hasParent {
			return hex.EncodeToString(f.traceID[:])
		}
	case table.SpanParentID:
		if f.hasParent {
			return hex.EncodeToString(f.parentID[:])
		}
	case table.LocalAddr:
		switch f.role {
		case roleServer:
			return f.serverAddr
		case roleClient:
			return f.clientAddr
		}
	case table.HTTPHost:
		return f.host()
	case table.HTTPReason:
		if !f.hasMajor || f.major == 1 {
			return http.StatusText(int(f.status))
		}
	}
	return ""
}

// host returns the Host field of a request to the server's address: with the
// port, unless it is the scheme's own. It is empty where the address is not known.
func (f *facts) host() string {
	if f.portImplied() && !isIPv6(f.serverAddr) {
		return f.serverAddr
	}
	var room [128]byte
	return string(f.appendHost(room[:0]))
}

// saysHost reports whether text is what host returns, as a rule without an
// allocation.
func (f *facts) saysHost(text string) bool {
	var room [128]byte
	return string(f.appendHost(room[:0])) == text
}

// appendHost appends what host returns.
func (f *facts) appendHost(b []byte) []byte {
	if f.serverAddr == "" {
		return b
	}
	if isIPv6(f.serverAddr) {
		b = append(append(append(b, '['), f.serverAddr...), ']')
	} else {
		b = append(b, f.serverAddr...)
	}
	if f.portImplied() {
		return b
	}
	return strconv.AppendInt(append(b, ':'), f.serverPort, 10)
}

// isIPv6 reports whether the server's address needs brackets in a URL.
func isIPv6(addr string) bool { return strings.IndexByte(addr, ':') >= 0 }

// portImplied reports whether a URL leaves the server's port out.
func (f *facts) portImplied() bool {
	return f.serverPort == 0 || f.serverPort == 80 && f.scheme == "http" || f.serverPort == 443 && f.scheme == "https"
}

// isHex reports whether text is the lower-case hex of id.
func isHex(text string, id []byte) bool {
	const digits = "0123456789abcdef"
	if len(text) != 2*len(id) {
		return false
	}
	for i, b := range id {
		if text[2*i] != digits[b>>4] || text[2*i+1] != digits[b&15] {
			return false
		}
	}
	return true
}

// parseHex reads lower-case hex of id's length into id.
func parseHex(text string, id []byte) bool {
	for i := range id {
		high, ok1 := hexDigit(text[2*i])
		low, ok2 := hexDigit(text[2*i+1])
		if !ok1 || !ok2 {
			return false
		}
		id[i] = high<<4 | low
	}
	return true
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10, true
	}
	return 0, false
}

// roleOf returns the trace_role that a kind implies, zero where it does not.
func roleOf(k table.Kind) int64 {
	switch k {
	case table.KindClient:
		return roleClient
	case table.KindServer:
		return roleServer
	}
	return 0
}

// kindOf returns the kind of a row's span.
func kindOf(k table.Kind, role int64) table.Kind {
	if k != table.KindByRole {
		return k
	}
	switch role {
	case roleClient:
		return table.KindClient
	case roleServer:
		return table.KindServer
	}
	return table.KindInternal
}

// spanKind and tableKind are safe for any value that came over the wire.
func spanKind(k table.Kind) ptrace.SpanKind { return ptrace.SpanKind(k) }

func tableKind(k ptrace.SpanKind) table.Kind {
	if k < 0 || k > ptrace.SpanKindConsumer {
		return table.KindByRole
	}
	return table.Kind(k)
}

// formatVersion returns the text of a protocol's version: HTTP/2 and 3 have no
// minor number. It is empty for versions that have no short text.
func formatVersion(major, minor int64) string {
	switch {
	case major == 1 && minor == 1:
		return "1.1"
	case major == 1 && minor == 0:
		return "1.0"
	case major == 2 && minor == 0:
		return "2"
	case major == 3 && minor == 0:
		return "3"
	}
	return ""
}

// parseVersion reads versions of one digit, or two with a dot between them.
func parseVersion(s string) (major, minor int64) {
	digit := func(c byte) bool { return c >= '0' && c <= '9' }
	switch {
	case len(s) == 1 && digit(s[0]):
		return int64(s[0] - '0'), 0
	case len(s) == 3 && digit(s[0]) && s[1] == '.' && digit(s[2]):
		return int64(s[0] - '0'), int64(s[2] - '0')
	}
	return 0, 0
}

// knownMethod reports whether the options, or else the semantic conventions, know
// the method; of others http.request.method says _OTHER.
func (p *plan) knownMethod(m string) bool {
	if p.methods != nil {
		return slices.Contains(p.methods, m)
	}
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch,
		http.MethodDelete, http.MethodConnect, http.MethodOptions, http.MethodTrace, "QUERY":
		return true
	}
	return false
}

// ParseMethods returns the methods of a list such as
// OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS holds, separated by commas, nil if there
// are none. The case matters.
func ParseMethods(list string) []string {
	var methods []string
	for m := range strings.SplitSeq(list, ",") {
		if m = strings.TrimSpace(m); m != "" {
			methods = append(methods, m)
		}
	}
	return methods
}
