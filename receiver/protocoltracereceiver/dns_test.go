// SPDX-License-Identifier: Apache-2.0

package protocoltracereceiver

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/puck-otel/puck/internal/protocol"
	"github.com/puck-otel/puck/internal/protocol/dns"
	"github.com/puck-otel/puck/internal/table"
	"github.com/puck-otel/puck/internal/table/otlp"
)

const (
	dnsQuery  = "\x00\x01\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x07example\x00\x00\x01\x00\x01"
	dnsAnswer = "\x00\x01\x81\x80\x00\x01\x00\x02\x00\x00\x00\x00\x01a\x07example\x00\x00\x01\x00\x01" +
		"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xc0\x00\x02\x01\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xc0\x00\x02\x02"
	dnsMissing = "\x00\x01\x81\x83\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x07example\x00\x00\x01\x00\x01"
)

// lookedUp plays a query to a socket without a peer of its own, and returns the span.
func lookedUp(role protocol.Role, answer string) ptrace.Span {
	span := ptrace.NewSpan()
	w := otlp.NewSpanWriter(otlp.Options{}, [32]byte{1})
	e := protocol.NewEngine(protocol.Config{}, []protocol.Protocol{dns.New(dns.Config{})},
		func(_ *protocol.Conn, r *table.Row) { w.Write(r, table.ID{}, span) })
	local, peer := netip.MustParseAddrPort("10.0.0.1:40000"), netip.MustParseAddrPort("10.0.0.53:53")
	ask := protocol.Send
	if role == protocol.Server {
		local, peer, ask = peer, local, protocol.Recv
	}
	s := e.Open(&protocol.Conn{Role: protocol.UnknownRole, Transport: protocol.UDP, Local: local, LocalAddr: local.Addr().String()})
	play := func(side protocol.Side, at int64, data string) {
		s.Data(side, protocol.Segment{Len: uint32(len(data)), Time: at, Data: []byte(data), Peer: peer})
	}
	play(ask, 100, dnsQuery)
	if answer != "" {
		play(1-ask, 200, answer)
	}
	s.Close([2]protocol.End{}, 300)
	return span
}

func TestSpanOfDNS(t *testing.T) {
	client, server := lookedUp(protocol.Client, dnsAnswer), lookedUp(protocol.Server, dnsAnswer)
	for _, span := range []ptrace.Span{client, server} {
		require.Equal(t, "A a.example", span.Name())
		require.Equal(t, ptrace.StatusCodeUnset, span.Status().Code())
		require.EqualValues(t, 100, span.StartTimestamp())
		require.EqualValues(t, 200, span.EndTimestamp())
		require.Equal(t, []any{"192.0.2.1", "192.0.2.2"}, span.Attributes().AsRaw()["dns.answers"])
		has(t, span, map[string]any{
			"dns.question.name": "a.example", "network.protocol.name": "dns", "network.transport": "udp", "url.scheme": nil, "error.type": nil,
			"server.address": "10.0.0.53", "server.port": int64(53), "client.address": "10.0.0.1", "client.port": int64(40000),
		})
	}
	require.Equal(t, ptrace.SpanKindClient, client.Kind())
	require.Equal(t, ptrace.SpanKindServer, server.Kind())
	has(t, client, map[string]any{"network.peer.address": "10.0.0.53", "network.peer.port": int64(53)})
	has(t, server, map[string]any{"network.peer.address": "10.0.0.1", "network.peer.port": int64(40000)})
}

func TestErrorsOfDNS(t *testing.T) {
	for answer, want := range map[string]string{dnsMissing: "NXDOMAIN", "": "no_response"} {
		span := lookedUp(protocol.Client, answer)
		require.Equal(t, ptrace.StatusCodeError, span.Status().Code())
		has(t, span, map[string]any{"error.type": want})
	}
}

// TestUDPIsTracedForThoseThatSpeakIt alone.
func TestUDPIsTracedForThoseThatSpeakIt(t *testing.T) {
	r := &protocolTrace{config: createDefaultConfig().(*Config), traces: consumertest.NewNop()}
	require.True(t, r.kernelConfig().UDP)
	r.config.Protocols = []string{"http"}
	require.False(t, r.kernelConfig().UDP)
	r.config.Protocols = []string{"dns"}
	require.True(t, r.kernelConfig().UDP)
	r.traces = nil
	require.False(t, r.kernelConfig().UDP)
}
