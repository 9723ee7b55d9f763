// SPDX-License-Identifier: Apache-2.0

package otlp

import (
	"encoding/binary"
	"hash/maphash"
	"math"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/puck-otel/puck/internal/table"
)

// The flags of a span, from opentelemetry/proto/trace/v1: the W3C trace flags,
// and whether the parent is remote.
const (
	flagSampled     = 0x001
	flagHasIsRemote = 0x100
	flagIsRemote    = 0x200
)

// SpanWriter makes spans of rows. It belongs to one goroutine.
type SpanWriter struct {
	plans plans
	ids   *rand.ChaCha8
	names nameCache
	urls  urlCache
	codes [200]string // "400" to "599"

	templates *templates
}

// NewSpanWriter returns a writer whose trace and span ids follow from seed, which
// must be random, and differ from writer to writer.
func NewSpanWriter(o Options, seed [32]byte) *SpanWriter {
	w := &SpanWriter{plans: plans{options: o}, ids: rand.NewChaCha8(seed), names: newNameCache(), urls: newURLCache(), templates: new(templates)}
	for i := range w.codes {
		w.codes[i] = strconv.Itoa(400 + i)
	}
	return w
}

// Scope returns the name of the instrumentation scope of the table's spans.
func (w *SpanWriter) Scope(s *table.Schema) string { return w.plans.of(s).scope }

// Write sets the span dst, which is empty, to the row's. upid is what the
// resource says; a row of another process carries its own as an attribute.
func (w *SpanWriter) Write(row *table.Row, upid table.ID, dst ptrace.Span) {
	p := w.plans.of(row.Schema)
	var f facts
	p.facts(row, &f)
	failed, errorType := w.failure(p, row, &f)

	s := &row.Span
	dst.SetName(w.names.join(p.name(row, &f)))
	dst.SetKind(spanKind(f.kind))
	dst.SetStartTimestamp(pcommon.Timestamp(f.start))
	dst.SetEndTimestamp(pcommon.Timestamp(f.end))
	w.identify(s, &f, dst)
	if failed {
		dst.Status().SetCode(ptrace.StatusCodeError)
		if s.StatusMessage != "" {
			dst.Status().SetMessage(valid(s.StatusMessage))
		}
	}

	a := dst.Attributes()
	a.EnsureCapacity(p.attributes)
	w.putConnection(p, row, &f, a)
	for i := range p.request {
		st := &p.request[i]
		v := &row.Values[st.column]
		if st.field == table.NoField {
			put(a, st, v)
		} else {
			putField(a, st, v, &f, upid)
		}
	}
	w.putURL(p, row, &f, a)
	if !p.ownError {
		putStr(a, KeyErrorType, errorType)
	}
	p.attributes = follow(p.attributes, a.Len())
}

// follow returns the foresight of a number that was n. It follows the largest at
// once and falls slowly, so that one odd span does not cost memory for good.
func follow(foreseen, n int) int {
	if n > foreseen {
		return n
	}
	return foreseen - (foreseen-n)/4
}

// facts fills f from the row.
func (p *plan) facts(row *table.Row, f *facts) {
	s := &row.Span
	f.role = p.num(row, table.SpanRole)
	f.kind = kindOf(s.Kind, f.role)
	p.times(row, f)
	p.parent(row, f)
	f.protocol, f.transport, f.scheme = s.Protocol, s.Transport, s.Scheme
	f.hasMajor = p.at[table.SpanMajor] != absent
	f.major = p.num(row, table.SpanMajor)
	f.status = p.num(row, table.HTTPStatus)
	f.version = s.ProtocolVersion
	if f.version == "" && f.hasMajor {
		f.version = formatVersion(f.major, p.num(row, table.SpanMinor))
	}
	local, localPort := p.str(row, table.LocalAddr), p.num(row, table.LocalPort)
	remote, remotePort := p.str(row, table.RemoteAddr), p.num(row, table.RemotePort)
	switch f.role {
	case roleServer:
		f.serverAddr, f.serverPort, f.clientAddr, f.clientPort = local, localPort, remote, remotePort
	case roleClient:
		f.serverAddr, f.serverPort, f.clientAddr, f.clientPort = remote, remotePort, local, localPort
	}
	if s.ServerName != "" {
		f.serverAddr = valid(s.ServerName)
	}
	if s.ServerPort != 0 {
		f.serverPort = s.ServerPort
	}
	if p.at[table.HTTPMethod] != absent {
		p.httpFacts(row, f)
	}
}

// parent fills in the parent: what Span says, else the columns that hold the ids.
func (p *plan) parent(row *table.Row, f *facts) {
	s := &row.Span
	f.hasParent, f.traceID, f.parentID = s.HasParent(), s.TraceID, s.ParentID
	if f.hasParent {
		return
	}
	trace, span := p.str(row, table.SpanTraceID), p.str(row, table.SpanParentID)
	if len(trace) == 2*len(f.traceID) && len(span) == 2*len(f.parentID) {
		ok := parseHex(trace, f.traceID[:]) && parseHex(span, f.parentID[:])
		f.hasParent = ok && f.traceID != [16]byte{} && f.parentID != [8]byte{}
	}
}

// httpFacts fills in what Span leaves open and an HTTP exchange implies.
func (p *plan) httpFacts(row *table.Row, f *facts) {
	f.knownMethod = p.knownMethod(p.str(row, table.HTTPMethod))
	if f.protocol == "" {
		f.protocol = "http"
	}
	if f.transport == table.UnknownTransport {
		f.transport = table.TCP
		if p.str(row, table.RemoteAddr) == "" && p.str(row, table.LocalAddr) == "" {
			f.transport = table.Unix
		}
	}
	if f.scheme == "" {
		f.scheme = "http"
		if p.tls != absent && row.Values[p.tls].Num != 0 {
			f.scheme = "https"
		}
	}
}

// name returns the two parts of the span's name. An HTTP span that has none of
// its own is named by method and route, as the semantic conventions say.
func (p *plan) name(row *table.Row, f *facts) (name, target string) {
	s := &row.Span
	if s.Name != "" {
		return s.Name, s.Target
	}
	if p.at[table.HTTPMethod] == absent {
		return s.Protocol, s.Target
	}
	name = p.str(row, table.HTTPMethod)
	if !f.knownMethod {
		name = "HTTP"
	}
	return name, p.str(row, table.HTTPRoute)
}

// times fills in when the span began and ended: as Span says, else by the
// columns.
func (p *plan) times(row *table.Row, f *facts) {
	f.start, f.end = row.Span.Start, row.Span.End
	if f.start == 0 {
		f.start = p.num(row, table.SpanStart)
	}
	if f.end == 0 {
		f.end = p.num(row, table.SpanEnd)
	}
	latency := p.num(row, table.SpanDuration)
	switch {
	case f.start == 0:
		f.start = f.end - latency
	case f.end == 0:
		f.end = f.start + latency
	}
	if f.end < f.start {
		f.start = f.end
	}
}

// failure returns whether the span failed, and its error.type. For HTTP the
// semantic conventions know: a status of 4xx is an error to the client alone.
func (w *SpanWriter) failure(p *plan, row *table.Row, f *facts) (bool, string) {
	failed, errorType := row.Span.Failed, row.Span.ErrorType
	if p.at[table.HTTPStatus] == absent {
		return failed, errorType
	}
	least := int64(http.StatusBadRequest)
	if f.kind == table.KindServer {
		least = http.StatusInternalServerError
	}
	if f.status >= least && f.status < 600 {
		failed = true
		if errorType == "" {
			errorType = w.codes[f.status-400]
		}
	}
	return failed, errorType
}

// identify sets the span's ids: its own span id always, and the trace of the
// parent, or a new one.
func (w *SpanWriter) identify(s *table.Span, f *facts, dst ptrace.Span) {
	var id pcommon.SpanID
	binary.LittleEndian.PutUint64(id[:], w.ids.Uint64()|1) // never all zeros
	dst.SetSpanID(id)
	if f.hasParent {
		dst.SetTraceID(f.traceID)
		dst.SetParentSpanID(f.parentID)
		flags := uint32(flagHasIsRemote | flagIsRemote)
		if s.Sampled || !s.HasParent() {
			flags |= flagSampled
		}
		dst.SetFlags(flags)
		if s.TraceState != "" {
			dst.TraceState().FromRaw(valid(s.TraceState))
		}
		return
	}
	var trace pcommon.TraceID
	binary.LittleEndian.PutUint64(trace[:8], w.ids.Uint64()|1)
	binary.LittleEndian.PutUint64(trace[8:], w.ids.Uint64())
	dst.SetTraceID(trace)
	dst.SetFlags(flagSampled | flagHasIsRemote)
}

// put carries a column that has no field. Zero values are left out.
func put(a pcommon.Map, st *step, v *table.Value) {
	switch st.typ {
	case table.String:
		if st.list {
			putList(a, st.key, v.Str)
		} else {
			putStr(a, st.key, v.Str)
		}
	case table.Int64, table.Time64NS:
		if v.Num != 0 {
			a.PutInt(st.key, v.Num)
		}
	case table.Bool:
		if v.Num != 0 {
			a.PutBool(st.key, true)
		}
	case table.Float64:
		if v.Num != 0 {
			a.PutDouble(st.key, math.Float64frombits(uint64(v.Num)))
		}
	case table.UInt128:
		if v.ID != (table.ID{}) {
			a.PutStr(st.key, FormatUPID(v.ID))
		}
	}
}

// putStr carries text that is not empty.
func putStr(a pcommon.Map, key, s string) {
	if s == "" {
		return
	}
	if !utf8.ValidString(s) {
		s = valid(s)
	}
	a.PutStr(key, s)
}

// putList carries a list that is not empty.
func putList(a pcommon.Map, key, list string) {
	if list == "" {
		return
	}
	elements := a.PutEmptySlice(key)
	elements.EnsureCapacity(strings.Count(list, ",") + 1)
	for e := range strings.SplitSeq(list, ",") {
		elements.AppendEmpty().SetStr(valid(e))
	}
}

// putField carries a column that the span itself may say. Where it does not say
// the same, the column's own attribute does, even if it is zero.
func putField(a pcommon.Map, st *step, v *table.Value, f *facts, upid table.ID) {
	switch st.field {
	case table.RemoteAddr, table.RemotePort, table.HTTPStatus:
		put(a, st, v)
	case table.HTTPMethod:
		putMethod(a, st.key, v.Str, f.knownMethod)
	case table.HTTPTarget:
		putTarget(a, st.key, v.Str)
	case table.HTTPRoute:
		// The template that a client's path was made of is not what routes it.
		if f.kind == table.KindClient {
			putStr(a, KeyURLTemplate, v.Str)
		} else {
			putStr(a, st.key, v.Str)
		}
	case table.ResourceUPID:
		if v.ID != upid {
			a.PutStr(st.key, FormatUPID(v.ID))
		}
	case table.SpanScheme:
		if v.Num != f.number(st.field) {
			a.PutBool(st.key, v.Num != 0)
		}
	case table.SpanTraceID, table.SpanParentID, table.LocalAddr, table.HTTPReason, table.HTTPHost:
		if !f.saysText(st.field, v.Str) {
			a.PutStr(st.key, valid(v.Str))
		}
	default:
		if v.Num != f.number(st.field) {
			a.PutInt(st.key, v.Num)
		}
	}
}

// putMethod carries a request's method.
func putMethod(a pcommon.Map, key, method string, known bool) {
	if method == "" || known {
		putStr(a, key, method)
		return
	}
	a.PutStr(key, otherMethod)
	a.PutStr(KeyMethodOriginal, valid(method))
}

const otherMethod = "_OTHER"

// putTarget carries a request's target, parted at the first question mark. An
// empty query is carried too, so that both make the target again.
func putTarget(a pcommon.Map, key, target string) {
	path, query, found := strings.Cut(target, "?")
	putStr(a, key, path)
	if found {
		a.PutStr(KeyURLQuery, valid(query))
	}
}

// putEnds carries the addresses by who is the server.
func (p *plan) putEnds(a pcommon.Map, f *facts) {
	if !p.ownServer {
		putStr(a, KeyServerAddress, f.serverAddr)
		if f.serverPort != 0 {
			a.PutInt(KeyServerPort, f.serverPort)
		}
	}
	if !p.ownClient {
		putStr(a, KeyClientAddress, f.clientAddr)
		if f.clientPort != 0 {
			a.PutInt(KeyClientPort, f.clientPort)
		}
	}
}

// nameCache joins the two parts of a span's name, remembering the last results:
// names are few, so that a place by hash is enough.
type nameCache struct {
	seed    maphash.Seed
	entries *[256]struct{ name, target, joined string }
}

func newNameCache() nameCache {
	return nameCache{seed: maphash.MakeSeed(), entries: new([256]struct{ name, target, joined string })}
}

// join returns name and target with a space between them, in valid UTF-8.
func (c *nameCache) join(name, target string) string {
	if target == "" && utf8.ValidString(name) {
		return name
	}
	h := maphash.String(c.seed, target) + uint64(len(name))
	e := &c.entries[h%uint64(len(c.entries))]
	if e.name != name || e.target != target || e.joined == "" {
		e.name, e.target = strings.Clone(name), strings.Clone(target)
		e.joined = valid(strings.TrimSuffix(name+" "+target, " "))
	}
	return e.joined
}
