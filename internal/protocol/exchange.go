// SPDX-License-Identifier: Apache-2.0

package protocol

import (
	"github.com/puck-otel/puck/internal/table"
)

// Exchange is what every record embeds: the connection, and when each half of
// the exchange was moved. A record of one message leaves the other half zero.
type Exchange struct {
	Conn              *Conn
	Request, Response Extent
}

// NoResponse is the error.type of a request whose connection ended, or that waited
// for too long, without a response.
const NoResponse = "no_response"

// Latency is the time from the request's last byte to the response's last, 0
// where one of them is missing or the response overtook the request's end.
func (x *Exchange) Latency() int64 {
	if x.Request.Last == 0 || x.Response.Last <= x.Request.Last {
		return 0
	}
	return x.Response.Last - x.Request.Last
}

// remote returns the other end's address and port: of a datagram its own, else those
// that the socket is connected to.
func (x *Exchange) remote() (addr string, port int64) {
	switch {
	case x.Request.Peer != Peer{}:
		return x.Request.Peer.Addr, int64(x.Request.Peer.Port)
	case x.Response.Peer != Peer{}:
		return x.Response.Peer.Addr, int64(x.Response.Peer.Port)
	}
	return x.Conn.RemoteAddr, int64(x.Conn.Remote.Port())
}

// RequestTime is the time of the request's first byte.
func RequestTime(x *Exchange) table.Time { return table.Time(x.Request.First) }

// ResponseTime is the time of the response's last byte.
func ResponseTime(x *Exchange) table.Time { return table.Time(x.Response.Last) }

// Columns returns the columns with which the tables of all protocols begin. of
// returns the Exchange that the record embeds, at what time_ is made of.
func Columns[R any](of func(*R) *Exchange, at func(*Exchange) table.Time, more ...table.Column[R]) []table.Column[R] {
	return append([]table.Column[R]{
		table.Col("time_", "When the record was made: see the table's description for which end of the exchange it is.",
			func(r *R) table.Time { return at(of(r)) }).Is(table.MetricCounter, table.None),
		table.Col("upid", "The traced process.",
			func(r *R) table.ID { return of(r).Conn.UPID }).Is(table.General, table.UPID),
		table.Col("remote_addr", "Address of the other end of the connection.",
			func(r *R) string { addr, _ := of(r).remote(); return addr }).Is(table.General, table.IPAddress).
			As("network.peer.address"),
		table.Col("remote_port", "Port of the other end of the connection.",
			func(r *R) int64 { _, port := of(r).remote(); return port }).Is(table.General, table.Port).
			As("network.peer.port"),
		table.Col("local_addr", "Address of the traced process's end of the connection.",
			func(r *R) string { return of(r).Conn.LocalAddr }).Is(table.General, table.IPAddress).
			As("network.local.address"),
		table.Col("local_port", "Port of the traced process's end of the connection.",
			func(r *R) int64 { return int64(of(r).Conn.Local.Port()) }).Is(table.General, table.Port).
			As("network.local.port"),
		table.Col("trace_role", "Which end of the connection the traced process is: 1 client, 2 server, 4 unknown.",
			func(r *R) int64 { return int64(of(r).Conn.Role) }).Is(table.GeneralEnum, table.None),
		table.Col("encrypted", "Whether the bytes were read above a TLS library.",
			func(r *R) bool { return of(r).Conn.Encrypted }).Is(table.GeneralEnum, table.None).
			As("tls.established"),
	}, more...)
}

// LatencyColumn returns the column latency.
func LatencyColumn[R any](of func(*R) *Exchange) table.Column[R] {
	return table.Col("latency", "Nanoseconds from the last byte of the request to the last byte of the response, as the traced process saw it.",
		func(r *R) int64 { return of(r).Latency() }).Is(table.MetricGauge, table.DurationNS)
}

// TimeColumns returns the columns that a span needs beside time_ and latency to
// begin where the exchange did: start_time and req_queue_ns.
func TimeColumns[R any](of func(*R) *Exchange) []table.Column[R] {
	return []table.Column[R]{
		table.Col("start_time", "When the first byte of the request was moved.",
			func(r *R) table.Time { return table.Time(of(r).Request.First) }).Is(table.MetricCounter, table.None),
		table.Col("req_queue_ns", "For how many nanoseconds the request's first byte lay in the socket's queue before the traced process read it.",
			func(r *R) int64 { return int64(of(r).Request.Queue) }).Is(table.MetricGauge, table.DurationNS),
	}
}
