// SPDX-License-Identifier: Apache-2.0

package otlp

import (
	"strconv"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/puck-otel/puck/internal/table"
	"github.com/puck-otel/puck/internal/table/tables"
)

// The metrics that conn_stats becomes.
const (
	MetricIO     = "puck.connection.io"
	MetricOpened = "puck.connection.opened"
	MetricClosed = "puck.connection.closed"
	MetricActive = "puck.connection.active"
)

// The values of network.io.direction.
const (
	transmit = "transmit"
	receive  = "receive"
)

// The columns of conn_stats that have no semantic key, for values that the
// readable attributes cannot say.
const (
	keyConnRole     = "conn_stats.trace_role"
	keyConnFamily   = "conn_stats.addr_family"
	keyConnProtocol = "conn_stats.protocol"
	keyConnUPID     = "conn_stats.upid"
)

// ConnBatch gathers records of conn_stats as metrics until they are taken. It
// belongs to one goroutine.
type ConnBatch struct {
	options Options
	version string
	start   int64
	metrics pmetric.Metrics
	places  map[*Process]connMetrics
}

// connMetrics are the data points of one process.
type connMetrics struct{ io, opened, closed, active pmetric.NumberDataPointSlice }

// NewConnBatch returns an empty batch. start is when tracing began, in
// nanoseconds since the UNIX epoch: the counters count from then.
func NewConnBatch(o Options, version string, start int64) *ConnBatch {
	return &ConnBatch{
		options: o, version: version, start: start,
		metrics: pmetric.NewMetrics(), places: map[*Process]connMetrics{},
	}
}

// Add makes the data points of a record.
func (b *ConnBatch) Add(r *tables.Conns, process *Process) {
	m, ok := b.places[process]
	if !ok {
		m = b.place(process)
		b.places[process] = m
	}
	for _, point := range [...]struct {
		dst       pmetric.NumberDataPointSlice
		direction string
		value     int64
	}{
		{m.io, transmit, r.Sent}, {m.io, receive, r.Received},
		{m.opened, "", r.Opened}, {m.closed, "", r.Closed}, {m.active, "", r.Active},
	} {
		p := point.dst.AppendEmpty()
		p.SetStartTimestamp(pcommon.Timestamp(b.start))
		p.SetTimestamp(pcommon.Timestamp(r.Time))
		p.SetIntValue(point.value)
		writeConn(r, process.UPID, p.Attributes())
		if point.direction != "" {
			p.Attributes().PutStr(KeyDirection, point.direction)
		}
	}
}

// place makes the metrics of a process, without data points.
func (b *ConnBatch) place(process *Process) connMetrics {
	rm := b.metrics.ResourceMetrics().AppendEmpty()
	rm.SetSchemaUrl(SchemaURL)
	process.WriteResource(rm.Resource(), b.options)
	sm := rm.ScopeMetrics().AppendEmpty()
	sm.SetSchemaUrl(SchemaURL)
	setScope(sm.Scope(), &tables.ConnStats.Schema, b.version)
	sum := func(name, doc, unit string, monotonic bool) pmetric.NumberDataPointSlice {
		m := sm.Metrics().AppendEmpty()
		m.SetName(name)
		m.SetDescription(doc)
		m.SetUnit(unit)
		s := m.SetEmptySum()
		s.SetIsMonotonic(monotonic)
		s.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
		return s.DataPoints()
	}
	return connMetrics{
		io:     sum(MetricIO, "Bytes that the process's connections carried.", "By", true),
		opened: sum(MetricOpened, "Connections opened.", "{connection}", true),
		closed: sum(MetricClosed, "Connections closed.", "{connection}", true),
		active: sum(MetricActive, "Connections open now.", "{connection}", false),
	}
}

// Len returns the number of processes in the batch.
func (b *ConnBatch) Len() int { return len(b.places) }

// Take returns the metrics gathered and leaves the batch empty.
func (b *ConnBatch) Take() pmetric.Metrics {
	taken := b.metrics
	b.metrics = pmetric.NewMetrics()
	clear(b.places)
	return taken
}

// writeConn carries what tells the record from others of the same process.
func writeConn(r *tables.Conns, upid table.ID, a pcommon.Map) {
	a.EnsureCapacity(8)
	if r.RemoteAddr != "" {
		a.PutStr(KeyPeerAddress, valid(r.RemoteAddr))
	}
	if r.RemotePort != 0 {
		a.PutInt(KeyPeerPort, r.RemotePort)
	}
	switch name := roleName(r.Role); {
	case name != "":
		a.PutStr(KeyRole, name)
	case r.Role != 0:
		a.PutInt(keyConnRole, r.Role)
	}
	switch r.Family {
	case tables.FamilyUnspec:
	case tables.FamilyIPv4:
		a.PutStr(KeyNetworkType, "ipv4")
	case tables.FamilyIPv6:
		a.PutStr(KeyNetworkType, "ipv6")
	case tables.FamilyUnix:
		a.PutStr(KeyTransport, table.Unix.String())
	default:
		a.PutInt(keyConnFamily, r.Family)
	}
	switch name := tables.ProtocolName(r.Protocol); {
	case name != "":
		a.PutStr(KeyProtocol, name)
	case r.Protocol != 0:
		a.PutInt(keyConnProtocol, r.Protocol)
	}
	if r.TLS {
		a.PutBool(KeyTLS, true)
	}
	if r.UPID != upid {
		a.PutStr(keyConnUPID, FormatUPID(r.UPID))
	}
}

// roleName returns the text of a trace_role, empty for one that has none.
func roleName(role int64) string {
	switch role {
	case roleClient:
		return "client"
	case roleServer:
		return "server"
	case roleUnknown:
		return "unknown"
	}
	return ""
}

// roleUnknown is the third value of trace_role.
const roleUnknown = 4

// connReader gathers the records of one process's metrics again.
type connReader struct {
	records []tables.Conns
	at      map[string]int // by identity
	key     []byte
}

// ReadConns calls each with every record of conn_stats in metrics, in the order
// in which they were added. Metrics of others are left out.
func ReadConns(metrics pmetric.Metrics, each func(pcommon.Resource, *tables.Conns)) {
	for _, rm := range metrics.ResourceMetrics().All() {
		upid := resourceUPID(rm.Resource())
		for _, sm := range rm.ScopeMetrics().All() {
			if sm.Scope().Name() != ScopePrefix+tables.ConnStats.Name {
				continue
			}
			r := connReader{at: map[string]int{}}
			for _, m := range sm.Metrics().All() {
				if m.Type() != pmetric.MetricTypeSum {
					continue
				}
				for _, p := range m.Sum().DataPoints().All() {
					r.read(m.Name(), p, upid)
				}
			}
			for i := range r.records {
				each(rm.Resource(), &r.records[i])
			}
		}
	}
}

// read adds one data point to its record.
func (r *connReader) read(metric string, p pmetric.NumberDataPoint, upid table.ID) {
	c := tables.Conns{Time: int64(p.Timestamp()), UPID: upid}
	direction := ""
	for key, v := range p.Attributes().All() {
		if key == KeyDirection {
			direction = v.Str()
			continue
		}
		readConn(key, v, &c)
	}
	i, ok := r.at[string(r.identity(&c))]
	if !ok {
		i = len(r.records)
		r.at[string(r.key)] = i
		r.records = append(r.records, c)
	}
	rec := &r.records[i]
	switch {
	case metric == MetricIO && direction == transmit:
		rec.Sent = p.IntValue()
	case metric == MetricIO && direction == receive:
		rec.Received = p.IntValue()
	case metric == MetricOpened:
		rec.Opened = p.IntValue()
	case metric == MetricClosed:
		rec.Closed = p.IntValue()
	case metric == MetricActive:
		rec.Active = p.IntValue()
	}
}

// identity returns what tells the record from others. It is valid until the next
// call.
func (r *connReader) identity(c *tables.Conns) []byte {
	b := append(r.key[:0], c.RemoteAddr...)
	for _, n := range [...]int64{c.RemotePort, c.Role, c.Family, c.Protocol, c.Time, int64(c.UPID.High), int64(c.UPID.Low)} {
		b = append(b, 0)
		b = strconv.AppendInt(b, n, 36)
	}
	r.key = strconv.AppendBool(b, c.TLS)
	return r.key
}

// readConn undoes one attribute of writeConn.
func readConn(key string, v pcommon.Value, c *tables.Conns) {
	switch v.Type() {
	case pcommon.ValueTypeStr:
		readConnText(key, v.Str(), c)
	case pcommon.ValueTypeInt:
		switch key {
		case KeyPeerPort:
			c.RemotePort = v.Int()
		case keyConnRole:
			c.Role = v.Int()
		case keyConnFamily:
			c.Family = v.Int()
		case keyConnProtocol:
			c.Protocol = v.Int()
		}
	case pcommon.ValueTypeBool:
		if key == KeyTLS {
			c.TLS = v.Bool()
		}
	}
}

// readConnText undoes one attribute that is text.
func readConnText(key, text string, c *tables.Conns) {
	switch key {
	case KeyPeerAddress:
		c.RemoteAddr = text
	case KeyRole:
		for _, role := range [...]int64{roleClient, roleServer, roleUnknown} {
			if roleName(role) == text {
				c.Role = role
			}
		}
	case KeyNetworkType:
		switch text {
		case "ipv4":
			c.Family = tables.FamilyIPv4
		case "ipv6":
			c.Family = tables.FamilyIPv6
		}
	case KeyTransport:
		if text == table.Unix.String() {
			c.Family = tables.FamilyUnix
		}
	case KeyProtocol:
		c.Protocol = tables.ProtocolNumber(text)
	case keyConnUPID:
		if id, err := ParseUPID(text); err == nil {
			c.UPID = id
		}
	}
}
