// SPDX-License-Identifier: Apache-2.0

package protocoltracereceiver

import (
	"maps"
	"net/netip"
	"testing"

	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/puck-otel/puck/internal/protocol"
	"github.com/puck-otel/puck/internal/protocol/all"
	"github.com/puck-otel/puck/internal/protocol/http1"
	"github.com/puck-otel/puck/internal/protocol/redis"
	"github.com/puck-otel/puck/internal/table"
	"github.com/puck-otel/puck/internal/table/otlp"
)

// exported plays one exchange of a connection and returns the span that leaves by
// default. The route of a path is the path.
func exported(t *testing.T, c protocol.Conn, local, remote, request string) ptrace.Span {
	t.Helper()
	return answered(c, local, remote, request, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
}

// answered is exported for a protocol and a response of any kind.
func answered(c protocol.Conn, local, remote, request, response string) ptrace.Span {
	var span ptrace.Span
	w := otlp.NewSpanWriter(otlp.Options{}, [32]byte{1})
	e := protocol.NewEngine(protocol.Config{}, all.Protocols(all.Config{
		HTTP1: http1.Config{Route: func(_ *protocol.Conn, path []byte) string { return string(path) }},
		Redis: redis.Config{ValueBytes: 1024},
	}), func(_ *protocol.Conn, r *table.Row) {
		span = ptrace.NewSpan()
		w.Write(r, table.ID{}, span)
	})
	c.Transport = protocol.TCP
	c.Local, c.Remote = netip.MustParseAddrPort(local), netip.MustParseAddrPort(remote)
	c.LocalAddr, c.RemoteAddr = c.Local.Addr().String(), c.Remote.Addr().String()
	s := e.Open(&c)
	side := protocol.Send
	if c.Role == protocol.Server {
		side = protocol.Recv
	}
	play := func(side protocol.Side, at int64, data string) {
		s.Data(side, protocol.Segment{Len: uint32(len(data)), Time: at, Data: []byte(data)})
	}
	play(side, 100, request)
	play(1-side, 200, response)
	s.Close([2]protocol.End{}, 300)
	return span
}

// has compares some of the span's attributes with want, where nil is none.
func has(t *testing.T, span ptrace.Span, want map[string]any) {
	t.Helper()
	got := span.Attributes().AsRaw()
	for key, v := range want {
		if got[key] != v {
			t.Errorf("%s is %v, want %v", key, got[key], v)
		}
	}
}

// TestServerPortIsTheHosts holds for client and server alike:
// https://opentelemetry.io/docs/specs/semconv/http/http-spans/#setting-serveraddress-and-serverport-attributes
func TestServerPortIsTheHosts(t *testing.T) {
	for _, test := range []struct {
		name          string
		conn          protocol.Conn
		local, remote string
		host          string
		want          map[string]any
	}{
		{"client through a proxy", protocol.Conn{Role: protocol.Client}, "10.0.0.1:40000", "10.0.0.9:15001", "shop.example:8080",
			map[string]any{"server.address": "shop.example", "server.port": int64(8080), "network.peer.port": int64(15001), "client.port": int64(40000)}},
		{"server behind a mapped port", protocol.Conn{Role: protocol.Server}, "172.17.0.2:8080", "10.0.0.1:40000", "shop.example",
			map[string]any{"server.address": "shop.example", "server.port": int64(80), "network.local.port": int64(8080), "client.port": int64(40000)}},
		{"TLS", protocol.Conn{Role: protocol.Server, Encrypted: true}, "172.17.0.2:8443", "10.0.0.1:40000", "shop.example",
			map[string]any{"server.address": "shop.example", "server.port": int64(443)}},
		{"no host", protocol.Conn{Role: protocol.Server}, "172.17.0.2:8080", "10.0.0.1:40000", "",
			map[string]any{"server.address": "172.17.0.2", "server.port": int64(8080), "network.local.port": nil}},
	} {
		t.Run(test.name, func(t *testing.T) {
			has(t, exported(t, test.conn, test.local, test.remote, "GET / HTTP/1.1\r\nHost: "+test.host+"\r\n\r\n"), test.want)
		})
	}
}

// TestClientHasTheFullURL, without the values of its query.
func TestClientHasTheFullURL(t *testing.T) {
	const request = "GET /a?token=x HTTP/1.1\r\nHost: shop.example\r\n\r\n"
	has(t, exported(t, protocol.Conn{Role: protocol.Client}, "10.0.0.1:40000", "10.0.0.9:80", request),
		map[string]any{"url.full": "http://shop.example/a?token=REDACTED"})
	has(t, exported(t, protocol.Conn{Role: protocol.Server}, "10.0.0.9:80", "10.0.0.1:40000", request),
		map[string]any{"url.full": nil})
}

// TestRouteIsTheServers has a client, to which the same is a template of its URLs.
func TestRouteIsTheServers(t *testing.T) {
	const request = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
	has(t, exported(t, protocol.Conn{Role: protocol.Client}, "10.0.0.1:40000", "10.0.0.9:80", request),
		map[string]any{"url.template": "/a", "http.route": nil})
	has(t, exported(t, protocol.Conn{Role: protocol.Server}, "10.0.0.9:80", "10.0.0.1:40000", request),
		map[string]any{"url.template": nil, "http.route": "/a"})
}

// TestNameFollowsTheMethod: the name's method is http.request.method, and HTTP where
// that is _OTHER.
func TestNameFollowsTheMethod(t *testing.T) {
	for method, want := range map[string][2]string{
		"GET": {"GET", "GET /a"}, "QUERY": {"QUERY", "QUERY /a"}, "PROPFIND": {"_OTHER", "HTTP /a"}, "FROB": {"_OTHER", "HTTP /a"},
	} {
		span := exported(t, protocol.Conn{Role: protocol.Server}, "10.0.0.1:80", "10.0.0.9:40000", method+" /a HTTP/1.1\r\nHost: x\r\n\r\n")
		has(t, span, map[string]any{"http.request.method": want[0]})
		if span.Name() != want[1] {
			t.Errorf("%s: the name is %q, want %q", method, span.Name(), want[1])
		}
	}
}

// TestRedisSpan has all attributes that leave by default:
// https://opentelemetry.io/docs/specs/semconv/db/redis/
func TestRedisSpan(t *testing.T) {
	const set = "*3\r\n$3\r\nset\r\n$4\r\nuser\r\n$6\r\nsecret\r\n"
	for _, test := range []struct {
		name, reply string
		status      ptrace.StatusCode
		code        any
	}{
		{"answered", "+OK\r\n", ptrace.StatusCodeUnset, nil},
		{"refused", "-WRONGTYPE secret\r\n", ptrace.StatusCodeError, "WRONGTYPE"},
	} {
		t.Run(test.name, func(t *testing.T) {
			span := answered(protocol.Conn{Role: protocol.Client}, "10.0.0.1:40000", "10.0.0.9:6379", set, test.reply)
			want := map[string]any{
				"db.system.name": "redis", "db.operation.name": "SET", "db.query.text": "SET ? ?",
				"server.address": "10.0.0.9", "server.port": int64(6379), "client.address": "10.0.0.1", "client.port": int64(40000),
				"network.peer.address": "10.0.0.9", "network.peer.port": int64(6379), "network.protocol.name": "redis", "network.transport": "tcp",
			}
			if test.code != nil {
				want["db.response.status_code"], want["error.type"] = test.code, test.code
			}
			if got := span.Attributes().AsRaw(); !maps.Equal(got, want) {
				t.Errorf("attributes %v, want %v", got, want)
			}
			if span.Name() != "SET" || span.Kind() != ptrace.SpanKindClient || span.Status().Code() != test.status || span.Status().Message() != "" ||
				span.StartTimestamp() != 100 || span.EndTimestamp() != 200 {
				t.Errorf("%q %v %v %q from %d to %d", span.Name(), span.Kind(), span.Status().Code(), span.Status().Message(), span.StartTimestamp(), span.EndTimestamp())
			}
		})
	}
}

// TestRedisWithoutReply is an error: the connection ended first.
func TestRedisWithoutReply(t *testing.T) {
	span := answered(protocol.Conn{Role: protocol.Server}, "10.0.0.9:6379", "10.0.0.1:40000", "*2\r\n$5\r\nBLPOP\r\n$1\r\nq\r\n", "")
	has(t, span, map[string]any{"error.type": "no_response", "db.response.status_code": nil, "client.address": "10.0.0.1"})
	if span.Kind() != ptrace.SpanKindServer || span.Status().Code() != ptrace.StatusCodeError {
		t.Errorf("%v %v", span.Kind(), span.Status().Code())
	}
}
