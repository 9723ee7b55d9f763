// SPDX-License-Identifier: Apache-2.0

package table

import "fmt"

// Kind is the kind of a span, numbered as in OTLP.
type Kind uint8

// The kinds.
const (
	KindByRole Kind = iota // from the column trace_role: client or server
	KindInternal
	KindServer
	KindClient
	KindProducer
	KindConsumer
)

// Transport is the value of network.transport.
type Transport uint8

// The transports, in the order of protocol.Transport.
const (
	UnknownTransport Transport = iota
	TCP
	UDP
	Unix
)

// String returns the value that the semantic conventions give the transport,
// empty when it is not known.
func (t Transport) String() string {
	switch t {
	case TCP:
		return "tcp"
	case UDP:
		return "udp"
	case Unix:
		return "unix"
	}
	return ""
}

// Span is what the span of a row needs beyond the row's columns. Every field may
// be left zero: what a zero value means stands beside it.
type Span struct {
	// The span's name is Name and Target with a space between them, or Name alone
	// without a Target: a method and its route, a command and its table. Both have
	// few values. They are joined later, from a cache, so that naming a span
	// allocates nothing. An empty Name becomes the protocol's; in http_events it is
	// the method and the route of the row, as the semantic conventions have them.
	Name, Target string
	// ErrorType is the value of error.type, with few values; empty is no error.
	ErrorType string
	// StatusMessage says more of an error than ErrorType, for a reader.
	StatusMessage string
	// Protocol and ProtocolVersion are network.protocol.name and .version. An empty
	// version is made from the columns major_version and minor_version, if any.
	Protocol, ProtocolVersion string
	// DBSystem is the value of db.system.name, for protocols of databases.
	DBSystem string
	// Scheme is the value of url.scheme, for protocols that have URLs.
	Scheme string
	// ServerName is the server.address where a name is known that says more than
	// the connection's address, which is used when it is empty.
	ServerName string
	// ServerPort is the server.port that goes with ServerName. The connection's is
	// used when it is 0: it differs behind a proxy and where a port is mapped.
	ServerPort int64
	// TraceState is the W3C tracestate that came with ParentID.
	TraceState string
	// Start and End are nanoseconds since the UNIX epoch: the first byte of the
	// request and the last of the response. Zero, they follow from the columns
	// time_ and latency.
	Start, End int64
	// TraceID and ParentID come from a traceparent that the request carried. Both
	// are zero where none did: the span is then the root of a trace of its own.
	TraceID  [16]byte
	ParentID [8]byte
	// Sampled is the flag of that traceparent. A root is always sampled.
	Sampled bool
	// Failed sets the span's status to Error. The protocol decides: a 404 is an
	// error to the client and none to the server.
	Failed    bool
	Kind      Kind
	Transport Transport
}

// HasParent says whether the request carried a usable traceparent.
func (s *Span) HasParent() bool {
	return s.ParentID != [8]byte{} && s.TraceID != [16]byte{}
}

// Field is a place of the span itself that holds what a column says, so that the
// column needs an attribute only where the two differ.
type Field uint8

// The fields. [New] gives the columns that all protocols share theirs by name;
// [Column.In] says it for others.
const (
	NoField      Field = iota
	SpanEnd            // TIME64NS: when the span ended; time_, unless In says otherwise
	SpanStart          // TIME64NS: when the span began
	SpanDuration       // INT64: end less start; latency
	SpanTraceID        // STRING: the parent's trace id in hex, empty without a parent
	SpanParentID       // STRING: the parent's span id in hex, empty without a parent
	SpanRole           // INT64: 1 and 2 by the kinds client and server; trace_role
	SpanMajor          // INT64: of network.protocol.version; major_version
	SpanMinor          // INT64: of network.protocol.version; minor_version
	ResourceUPID       // UINT128: the resource's puck.upid; upid
	LocalAddr          // STRING: our end, by role server.address or client.address; local_addr
	LocalPort          // INT64: as LocalAddr; local_port
	RemoteAddr         // STRING: network.peer.address; remote_addr
	RemotePort         // INT64: network.peer.port; remote_port
	HTTPMethod         // STRING: http.request.method, or _OTHER and http.request.method_original
	HTTPTarget         // STRING: url.path, and url.query behind the first question mark
	HTTPStatus         // INT64: http.response.status_code
	HTTPReason         // STRING: the standard text of HTTPStatus, in HTTP/1
	HTTPHost           // STRING: server.address and server.port as a Host field has them
	HTTPRoute          // STRING: http.route, and url.template of a client
	SpanScheme         // BOOLEAN: the url.scheme is https
)

// common holds what columns have that go by the name that all tables of
// spec/tables.tsv give them.
var common = [...]struct {
	column    string
	field     Field
	attribute string // the default where it is not "<table>.<column>"
}{
	{"time_", SpanEnd, ""},
	{"start_time", SpanStart, ""},
	{"latency", SpanDuration, ""},
	{"trace_id", SpanTraceID, ""},
	{"parent_span_id", SpanParentID, ""},
	{"trace_role", SpanRole, ""},
	{"major_version", SpanMajor, ""},
	{"minor_version", SpanMinor, ""},
	{"upid", ResourceUPID, ""},
	{"local_addr", LocalAddr, "network.local.address"},
	{"local_port", LocalPort, "network.local.port"},
	{"remote_addr", RemoteAddr, "network.peer.address"},
	{"remote_port", RemotePort, "network.peer.port"},
	{"req_method", HTTPMethod, "http.request.method"},
	{"req_path", HTTPTarget, "url.path"},
	{"resp_status", HTTPStatus, "http.response.status_code"},
	{"resp_message", HTTPReason, ""},
	{"host", HTTPHost, ""},
	{"http_route", HTTPRoute, "http.route"},
}

// fieldType returns the type of the columns that f can hold.
func fieldType(f Field) Type {
	switch f {
	case SpanEnd, SpanStart:
		return Time64NS
	case SpanDuration, SpanRole, SpanMajor, SpanMinor, LocalPort, RemotePort, HTTPStatus:
		return Int64
	case SpanTraceID, SpanParentID, LocalAddr, RemoteAddr, HTTPMethod, HTTPTarget, HTTPReason, HTTPHost, HTTPRoute:
		return String
	case ResourceUPID:
		return UInt128
	case SpanScheme:
		return Bool
	}
	return 0
}

// complete fills in what the column of the named table leaves open: its field,
// and the attribute that carries it.
func (i *Info) complete(table string) {
	for _, c := range common {
		if c.column != i.Name || i.Type != fieldType(c.field) {
			continue
		}
		if c.field >= HTTPMethod && table != "http_events" {
			continue
		}
		if i.Field == NoField {
			i.Field = c.field
		}
		if i.Attribute == "" {
			i.Attribute = c.attribute
		}
	}
	if i.Field != NoField && i.Type != fieldType(i.Field) {
		panic(fmt.Sprintf("table %s: column %s: a span's field %d holds no %s", table, i.Name, i.Field, i.Type))
	}
	if i.Attribute == "" {
		i.Attribute = table + "." + i.Name
	}
}

// In says which field of the span holds the column.
func (c Column[R]) In(f Field) Column[R] { c.Field = f; return c }

// WithSpan sets how the span of a record is made, and returns the table. The
// function is called once a record with a zero Span, on the hot path: it
// allocates nothing, and keeps neither pointer.
func (t *Table[R]) WithSpan(span func(*R, *Span)) *Table[R] {
	t.span = span
	return t
}
