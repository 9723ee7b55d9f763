// SPDX-License-Identifier: Apache-2.0

// Package tables holds the tables that belong to no protocol: the state of the
// connections, and what the agent could and could not trace.
package tables

import "github.com/puck-otel/puck/internal/table"

// Schemas returns the tables of this package, in the order of their names.
func Schemas() []*table.Schema {
	return []*table.Schema{&ConnStats.Schema, &ProbeStatus.Schema, &StirlingError.Schema}
}

// Address families, the values of conn_stats.addr_family.
const (
	FamilyUnspec int64 = 0
	FamilyUnix   int64 = 1
	FamilyIPv4   int64 = 2
	FamilyIPv6   int64 = 10
)

// protocols are the names of conn_stats.protocol in the order of its values,
// each as network.protocol.name says it.
var protocols = [...]string{
	"", "http", "http2", "mysql", "cql", "postgresql", "dns", "redis", "nats", "mongodb", "kafka", "mux", "amqp", "tls",
}

// ProtocolName returns the name of a value of conn_stats.protocol, empty for
// what has none.
func ProtocolName(protocol int64) string {
	if protocol < 0 || protocol >= int64(len(protocols)) {
		return ""
	}
	return protocols[protocol]
}

// ProtocolNumber undoes ProtocolName: it is 0, unknown, for other names.
func ProtocolNumber(name string) int64 {
	for i, p := range protocols {
		if p == name {
			return int64(i)
		}
	}
	return 0
}

// Conns is a record of conn_stats: the sums over the connections of a process to
// one address.
type Conns struct {
	Time       int64 // nanoseconds since the UNIX epoch
	UPID       table.ID
	RemoteAddr string
	RemotePort int64 // 0 where the process is the server
	Role       int64 // 1 client, 2 server, 4 unknown
	Family     int64
	Protocol   int64
	TLS        bool
	// Opened, Closed, Sent and Received count since tracing began.
	Opened, Closed, Active int64
	Sent, Received         int64 // bytes
}

// ConnStats is the table conn_stats.
var ConnStats = table.New("conn_stats",
	"The connections of each process by the address of the other end: how many there are and how many bytes they carried. One row a process, address, port and sample.",
	table.Col("time_", "When the sample was taken.",
		func(r *Conns) table.Time { return table.Time(r.Time) }).Is(table.MetricCounter, table.None),
	table.Col("upid", "The process.",
		func(r *Conns) table.ID { return r.UPID }).Is(table.General, table.UPID),
	table.Col("remote_addr", "Address of the other end; empty for a UDP socket that is not connected, which may have many.",
		func(r *Conns) string { return r.RemoteAddr }).Is(table.General, table.IPAddress),
	table.Col("remote_port", "Port of the other end, 0 where the process is the server.",
		func(r *Conns) int64 { return r.RemotePort }).Is(table.General, table.Port),
	table.Col("trace_role", "Which end of the connections the process is: 1 client, 2 server, 4 unknown.",
		func(r *Conns) int64 { return r.Role }).Is(table.GeneralEnum, table.None).As("puck.connection.role"),
	table.Col("addr_family", "Address family: 0 unspecified, 1 UNIX, 2 IPv4, 10 IPv6.",
		func(r *Conns) int64 { return r.Family }).Is(table.GeneralEnum, table.None).As("network.type"),
	table.Col("protocol", "Protocol: 0 unknown, 1 HTTP, 2 HTTP/2, 3 MySQL, 4 CQL, 5 PostgreSQL, 6 DNS, 7 Redis, 8 NATS, 9 MongoDB, 10 Kafka, 11 Mux, 12 AMQP, 13 TLS.",
		func(r *Conns) int64 { return r.Protocol }).Is(table.GeneralEnum, table.None).As("network.protocol.name"),
	table.Col("ssl", "Whether the connections are encrypted.",
		func(r *Conns) bool { return r.TLS }).Is(table.GeneralEnum, table.None).As("tls.established"),
	table.Col("conn_open", "Connections opened since tracing began.",
		func(r *Conns) int64 { return r.Opened }).Is(table.MetricCounter, table.None).As("puck.connection.opened"),
	table.Col("conn_close", "Connections closed since tracing began.",
		func(r *Conns) int64 { return r.Closed }).Is(table.MetricCounter, table.None).As("puck.connection.closed"),
	table.Col("conn_active", "Connections open at the time of the sample.",
		func(r *Conns) int64 { return r.Active }).Is(table.MetricGauge, table.None).As("puck.connection.active"),
	table.Col("bytes_sent", "Bytes that the process sent since tracing began.",
		func(r *Conns) int64 { return r.Sent }).Is(table.MetricCounter, table.Bytes).As("puck.connection.io/transmit"),
	table.Col("bytes_recv", "Bytes that the process received since tracing began.",
		func(r *Conns) int64 { return r.Received }).Is(table.MetricCounter, table.Bytes).As("puck.connection.io/receive"),
)

// The values of the columns status: those of gRPC, as scripts print them.
const (
	StatusOK                 int64 = 0
	StatusUnknown            int64 = 2
	StatusPermissionDenied   int64 = 7
	StatusFailedPrecondition int64 = 9
	StatusUnimplemented      int64 = 12
	StatusUnavailable        int64 = 14
)

// Probe is a record of probe_status: the end of an attempt to attach one probe.
type Probe struct {
	Time       int64    // nanoseconds since the UNIX epoch
	UPID       table.ID // the process that the probe is in; for the kernel, the agent
	Source     string   // the component that wanted the probe: protocol_trace
	Tracepoint string   // what it hooks: syscalls/sys_exit_read
	Status     int64
	Error      string // what went wrong, and what to do about it
	Info       string // a JSON object of what else is known
}

// ProbeStatus is the table probe_status.
var ProbeStatus = table.New("probe_status",
	"What each source could and could not attach, one row an attempt.",
	table.Col("time_", "When it was tried.",
		func(r *Probe) table.Time { return table.Time(r.Time) }).Is(table.MetricCounter, table.None),
	table.Col("upid", "The process that the probe is in; for a probe in the kernel, the agent.",
		func(r *Probe) table.ID { return r.UPID }).Is(table.General, table.UPID),
	table.Col("source_connector", "The component that the probe belongs to.",
		func(r *Probe) string { return r.Source }).Is(table.General, table.None),
	table.Col("tracepoint", "What the probe hooks.",
		func(r *Probe) string { return r.Tracepoint }).Is(table.General, table.None),
	table.Col("status", "The outcome, 0 for success, else a gRPC status code.",
		func(r *Probe) int64 { return r.Status }).Is(table.GeneralEnum, table.None),
	table.Col("error", "What went wrong and the remedy, empty for success.",
		func(r *Probe) string { return r.Error }).Is(table.General, table.None),
	table.Col("info", "What else is known, as a JSON object.",
		func(r *Probe) string { return r.Info }).Is(table.General, table.None),
)

// SourceError is a record of stirling_error: the state of a whole source.
type SourceError struct {
	Time    int64    // nanoseconds since the UNIX epoch
	UPID    table.ID // the agent's own process
	Source  string
	Status  int64
	Error   string
	Context string // a JSON object
}

// StirlingError is the table stirling_error. The name is historical; scripts
// read it.
var StirlingError = table.New("stirling_error",
	"The state of each source as a whole, one row a change.",
	table.Col("time_", "When the state changed.",
		func(r *SourceError) table.Time { return table.Time(r.Time) }).Is(table.MetricCounter, table.None),
	table.Col("upid", "The agent's own process.",
		func(r *SourceError) table.ID { return r.UPID }).Is(table.General, table.UPID),
	table.Col("source_connector", "The component.",
		func(r *SourceError) string { return r.Source }).Is(table.General, table.None),
	table.Col("status", "The state, 0 for healthy, else a gRPC status code.",
		func(r *SourceError) int64 { return r.Status }).Is(table.GeneralEnum, table.None),
	table.Col("error", "What is wrong, empty where nothing is.",
		func(r *SourceError) string { return r.Error }).Is(table.General, table.None),
	table.Col("context", "What else is known, as a JSON object.",
		func(r *SourceError) string { return r.Context }).Is(table.General, table.None),
)
