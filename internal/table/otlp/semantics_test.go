// SPDX-License-Identifier: Apache-2.0

package otlp_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/puck-otel/puck/internal/table"
	"github.com/puck-otel/puck/internal/table/otlp"
)

// spanOf returns the span of a record, with what leaves by default.
func spanOf(record exchange) ptrace.Span {
	var row table.Row
	newTable().Fill(&record, &row)
	span := ptrace.NewSpan()
	otlp.NewSpanWriter(otlp.Options{}, [32]byte{1}).Write(&row, record.upid, span)
	return span
}

// check compares the span's attributes with want, all of them.
func check(t *testing.T, span ptrace.Span, want map[string]any) {
	t.Helper()
	got := span.Attributes().AsRaw()
	for key, v := range want {
		if got[key] != v {
			t.Errorf("%s is %v, want %v", key, got[key], v)
		}
		delete(got, key)
	}
	for key, v := range got {
		t.Errorf("%s=%v is there, and should not", key, v)
	}
}

func TestServerSpan(t *testing.T) {
	span := spanOf(typical(2))
	if span.Name() != "GET /api/users/{id}" || span.Kind() != ptrace.SpanKindServer {
		t.Errorf("%q %v", span.Name(), span.Kind())
	}
	if span.StartTimestamp() != 1_700_000_000_123_000_000 || span.EndTimestamp() != 1_700_000_000_123_456_789 {
		t.Errorf("from %d to %d", span.StartTimestamp(), span.EndTimestamp())
	}
	if span.TraceID().IsEmpty() || span.SpanID().IsEmpty() || !span.ParentSpanID().IsEmpty() || span.Flags()&1 == 0 {
		t.Errorf("trace %v span %v parent %v flags %x", span.TraceID(), span.SpanID(), span.ParentSpanID(), span.Flags())
	}
	check(t, span, map[string]any{
		"server.address": "127.0.0.1", "server.port": int64(80), "client.address": "127.0.0.1", "client.port": int64(51034),
		"network.peer.address": "127.0.0.1", "network.peer.port": int64(51034),
		"network.protocol.name": "http", "network.protocol.version": "1.1", "network.transport": "tcp",
		"http.request.method": "GET", "url.scheme": "http", "url.path": "/api/users/123", "url.query": "full=1",
		"http.route": "/api/users/{id}", "http.response.status_code": int64(200), "http.response.body.size": int64(612),
		"user_agent.original": "curl/8.14.1",
	})
}

// TestClientSpan has the attributes that only a client has, url.full and
// url.template, and not the server's http.route.
func TestClientSpan(t *testing.T) {
	record := typical(1)
	record.remotePort, record.localPort = 80, 51034
	record.span.ServerName, record.host = "shop.example", "shop.example"
	span := spanOf(record)
	if span.Name() != "GET /api/users/{id}" || span.Kind() != ptrace.SpanKindClient {
		t.Errorf("%q %v", span.Name(), span.Kind())
	}
	check(t, span, map[string]any{
		"server.address": "shop.example", "server.port": int64(80), "client.address": "127.0.0.1", "client.port": int64(51034),
		"network.peer.address": "127.0.0.1", "network.peer.port": int64(80),
		"network.protocol.name": "http", "network.protocol.version": "1.1", "network.transport": "tcp",
		"http.request.method": "GET", "url.scheme": "http", "url.path": "/api/users/123", "url.query": "full=1",
		"url.full": "http://shop.example/api/users/123?full=1", "url.template": "/api/users/{id}",
		"http.response.status_code": int64(200), "http.response.body.size": int64(612), "user_agent.original": "curl/8.14.1",
	})
}

// TestURLFull asks a server for targets in each form of RFC 9112 section 3.2.
func TestURLFull(t *testing.T) {
	long := "/" + strings.Repeat("long", 1000)
	for _, c := range []struct {
		scheme, server string
		port           int64
		method, target string
		want           any
	}{
		{"http", "shop", 80, "GET", "/a?b=1", "http://shop/a?b=1"},
		{"https", "shop", 443, "GET", "/", "https://shop/"},
		{"https", "shop", 80, "GET", "/", "https://shop:80/"},
		{"http", "::1", 8080, "GET", "/", "http://[::1]:8080/"},
		{"http", "proxy", 3128, "GET", "http://shop:8080/a?b", "http://shop:8080/a?b"},
		{"http", "proxy", 3128, "GET", "/to?url=http://shop/", "http://proxy:3128/to?url=http://shop/"},
		{"http", "proxy", 3128, "CONNECT", "shop:443", "http://shop:443"},
		{"http", "shop", 80, "OPTIONS", "*", "http://shop"},
		{"http", "shop", 80, "GET", long, "http://shop" + long},
		{"http", "shop", 80, "GET", "/\xff", "http://shop/\uFFFD"},
		{"http", "shop", 80, "GET", "", nil},
		{"http", "shop", 80, "GET", "a", nil},
	} {
		record := typical(1)
		record.span.Scheme, record.span.ServerName, record.span.ServerPort = c.scheme, c.server, c.port
		record.method, record.path = c.method, c.target
		if got := spanOf(record).Attributes().AsRaw()["url.full"]; got != c.want {
			t.Errorf("%s %s of %s:%d by %s is %v, want %v", c.method, c.target, c.server, c.port, c.scheme, got, c.want)
		}
	}
	record := typical(1)
	record.span.Transport, record.remote, record.remotePort = table.Unix, "/run/docker.sock", 0
	if got := spanOf(record).Attributes().AsRaw()["url.full"]; got != nil {
		t.Errorf("the URL of a server that is a file is %v", got)
	}
}

// TestServerPort has a server whose name and port are others than the connection's.
func TestServerPort(t *testing.T) {
	for role, own := range map[int64]string{1: "client.port", 2: "network.local.port"} {
		record := typical(role)
		record.span.ServerName, record.span.ServerPort, record.host = "shop.example", 8080, "shop.example:8080"
		a := spanOf(record).Attributes().AsRaw()
		if a["server.address"] != "shop.example" || a["server.port"] != int64(8080) || a["network.peer.port"] != int64(51034) ||
			a[own] != int64(80) || a["http_events.host"] != nil {
			t.Errorf("role %d: %v", role, a)
		}
	}
}

func TestStatus(t *testing.T) {
	for _, c := range []struct {
		role, status int64
		code         ptrace.StatusCode
		errorType    any
	}{
		{2, 200, ptrace.StatusCodeUnset, nil}, {1, 302, ptrace.StatusCodeUnset, nil},
		{2, 404, ptrace.StatusCodeUnset, nil}, {1, 404, ptrace.StatusCodeError, "404"},
		{2, 500, ptrace.StatusCodeError, "500"}, {1, 599, ptrace.StatusCodeError, "599"},
		{1, 600, ptrace.StatusCodeUnset, nil}, {1, -1, ptrace.StatusCodeUnset, nil},
	} {
		record := typical(c.role)
		record.status = c.status
		span := spanOf(record)
		if got, _ := span.Attributes().AsRaw()["error.type"]; span.Status().Code() != c.code || got != c.errorType {
			t.Errorf("role %d, status %d: %v, error.type %v", c.role, c.status, span.Status().Code(), got)
		}
	}
	record := typical(2)
	record.span.Failed, record.span.ErrorType, record.span.StatusMessage = true, "no_response", "closed before a response"
	span := spanOf(record)
	if span.Status().Code() != ptrace.StatusCodeError || span.Status().Message() != "closed before a response" ||
		span.Attributes().AsRaw()["error.type"] != "no_response" {
		t.Errorf("%v %q", span.Status().Code(), span.Status().Message())
	}
}

func TestMethodOutsideTheConventions(t *testing.T) {
	record := typical(2)
	record.method = "PURGE"
	a := spanOf(record).Attributes().AsRaw()
	if a["http.request.method"] != "_OTHER" || a["http.request.method_original"] != "PURGE" {
		t.Errorf("%v %v", a["http.request.method"], a["http.request.method_original"])
	}
}

// TestKnownMethods has a list of the user's, which replaces that of the conventions.
func TestKnownMethods(t *testing.T) {
	w := otlp.NewSpanWriter(otlp.Options{KnownMethods: otlp.ParseMethods(" PURGE, get,,")}, [32]byte{1})
	for method, want := range map[string]string{"PURGE": "PURGE /api/users/{id}", "GET": "HTTP /api/users/{id}", "get": "get /api/users/{id}"} {
		record := typical(2)
		record.method, record.unnamed = method, true
		var row, back table.Row
		newTable().Fill(&record, &row)
		span := ptrace.NewSpan()
		w.Write(&row, record.upid, span)
		otlp.NewSpanReader([]*table.Schema{row.Schema}).Read(span, row.Schema, record.upid, &back)
		if got := back.Values[row.Schema.Index("req_method")].Str; got != method || span.Name() != want {
			t.Errorf("%s became %s, in a span %q, want %q", method, got, span.Name(), want)
		}
	}
	if got := otlp.ParseMethods(" , "); got != nil {
		t.Errorf("an empty list is %v", got)
	}
}

func TestParent(t *testing.T) {
	record := typical(2)
	record.span.TraceID, record.span.ParentID = [16]byte{15: 0xab}, [8]byte{7: 0xcd}
	record.traceID, record.parentID = "000000000000000000000000000000ab", "00000000000000cd"
	record.span.Sampled, record.span.TraceState = true, "a=b"
	span := spanOf(record)
	if span.TraceID().String() != record.traceID || span.ParentSpanID().String() != record.parentID ||
		span.Flags() != 0x301 || span.TraceState().AsRaw() != "a=b" {
		t.Errorf("%v %v %x %v", span.TraceID(), span.ParentSpanID(), span.Flags(), span.TraceState().AsRaw())
	}
	if a := span.Attributes().AsRaw(); a["http_events.trace_id"] != nil || a["http_events.parent_span_id"] != nil {
		t.Errorf("the ids are there twice: %v", a)
	}
}

func TestIDsDiffer(t *testing.T) {
	var row table.Row
	record := typical(2)
	newTable().Fill(&record, &row)
	w := otlp.NewSpanWriter(otlp.Options{}, [32]byte{1})
	spans, traces := map[pcommon.SpanID]bool{}, map[pcommon.TraceID]bool{}
	for range 10_000 {
		span := ptrace.NewSpan()
		w.Write(&row, record.upid, span)
		spans[span.SpanID()], traces[span.TraceID()] = true, true
	}
	if len(spans) != 10_000 || len(traces) != 10_000 {
		t.Errorf("10000 spans have %d ids in %d traces", len(spans), len(traces))
	}
}

func TestSensitiveStays(t *testing.T) {
	record := typical(2)
	record.header = `{"Authorization":"secret"}`
	if v, ok := spanOf(record).Attributes().Get("http_events.req_headers"); ok {
		t.Errorf("%s leaves", v.Str())
	}
}

func TestInvalidUTF8IsReplaced(t *testing.T) {
	record := typical(2)
	record.method, record.path, record.agent, record.route = "G\xff", "/\xfe?\xfd", "\xfc", "/\xfb"
	record.span.ServerName, record.span.StatusMessage, record.span.Failed = "\xfa", "\xf9", true
	record.local, record.remote, record.message = "\xf8", "\xf7", "\xf6"
	span := spanOf(record)
	for key, v := range span.Attributes().AsRaw() {
		if s, ok := v.(string); ok && !utf8.ValidString(s) {
			t.Errorf("%s is %q", key, s)
		}
	}
	if !utf8.ValidString(span.Name()) || !utf8.ValidString(span.Status().Message()) {
		t.Errorf("%q %q", span.Name(), span.Status().Message())
	}
}

// TestForeignSpan reads a span whose attributes have the keys of columns and
// other types.
func TestForeignSpan(t *testing.T) {
	span := ptrace.NewSpan()
	span.SetKind(ptrace.SpanKind(99))
	a := span.Attributes()
	a.PutStr("http.response.status_code", "200")
	a.PutInt("url.path", 3)
	a.PutBool("network.peer.address", true)
	a.PutEmptyMap("server.port")
	a.PutEmpty("http.route")
	a.PutInt("url.template", 3)
	a.PutStr("url.full", "http://shop/")
	a.PutStr("http_events.upid", "none")
	a.PutStr("http_events.req_body", "unknown column")
	s := &newTable().Schema
	var row table.Row
	otlp.NewSpanReader([]*table.Schema{s}).Read(span, s, table.ID{}, &row)
	for i, v := range row.Values {
		if v != (table.Value{}) {
			t.Errorf("%s is %+v", s.Columns[i].Name, v)
		}
	}
}

func TestBatchGroups(t *testing.T) {
	table1 := newTable()
	var row table.Row
	record := typical(2)
	table1.Fill(&record, &row)
	a, b := &otlp.Process{UPID: record.upid, Service: "a"}, &otlp.Process{Service: "b"}
	batch := otlp.NewSpanBatch(otlp.NewSpanWriter(otlp.Options{}, [32]byte{1}), "1.2.3")
	for range 3 {
		batch.Add(&row, a)
		batch.Add(&row, b)
	}
	if batch.Len() != 6 {
		t.Errorf("Len is %d", batch.Len())
	}
	traces := batch.Take()
	if traces.ResourceSpans().Len() != 2 || traces.SpanCount() != 6 || batch.Len() != 0 {
		t.Errorf("%d resources, %d spans", traces.ResourceSpans().Len(), traces.SpanCount())
	}
	rs := traces.ResourceSpans().At(0)
	scope := rs.ScopeSpans().At(0)
	if rs.SchemaUrl() != otlp.SchemaURL || scope.Scope().Name() != otlp.ScopePrefix+"http_events" || scope.Scope().Version() != "1.2.3" {
		t.Errorf("%q %q %q", rs.SchemaUrl(), scope.Scope().Name(), scope.Scope().Version())
	}
	batch.Add(&row, a)
	if again := batch.Take(); again.SpanCount() != 1 || traces.SpanCount() != 6 {
		t.Errorf("after Take: %d and %d spans", again.SpanCount(), traces.SpanCount())
	}
}
