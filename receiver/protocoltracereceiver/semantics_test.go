// SPDX-License-Identifier: Apache-2.0

package protocoltracereceiver

import (
	"net/netip"
	"testing"

	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/puck-otel/puck/internal/protocol"
	"github.com/puck-otel/puck/internal/protocol/http1"
	"github.com/puck-otel/puck/internal/table"
	"github.com/puck-otel/puck/internal/table/otlp"
)

// exported plays one exchange of a connection and returns the span that leaves by
// default. The route of a path is the path.
func exported(t *testing.T, c protocol.Conn, local, remote, request string) ptrace.Span {
	t.Helper()
	span := ptrace.NewSpan()
	w := otlp.NewSpanWriter(otlp.Options{}, [32]byte{1})
	e := protocol.NewEngine(protocol.Config{}, []protocol.Protocol{http1.New(http1.Config{
		Route: func(_ *protocol.Conn, path []byte) string { return string(path) },
	})}, func(_ *protocol.Conn, r *table.Row) { w.Write(r, table.ID{}, span) })
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
	play(1-side, 200, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
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
