// SPDX-License-Identifier: Apache-2.0

package otlp

import (
	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/puck-otel/puck/internal/table"
)

// template holds the attributes that all spans of a connection have in common,
// which are more than half of those of an HTTP span. Copying a map costs three
// quarters of putting its attributes one by one.
type template struct {
	key        templateKey
	plan       *plan
	attributes pcommon.Map
	ready      bool // attributes are those of key
}

// templateKey is what the attributes of a template are made of.
type templateKey struct {
	remoteAddr, serverAddr, clientAddr string
	remotePort, serverPort, clientPort int64
	protocol, version, scheme, system  string
	transport                          table.Transport
}

// templates are the templates of the connections seen last, each in a place by
// its ports. The two ends of a connection have the same ports and other peers.
type templates [1024]template

// at returns the place of the key.
func (t *templates) at(k *templateKey) *template {
	h := uint64(k.serverPort)<<32 ^ uint64(k.clientPort)<<16 ^ uint64(k.remotePort)
	return &t[h*0x9e3779b97f4a7c15>>54]
}

// putConnection carries what the row has in common with the others of its
// connection, into attributes that are empty yet. A template is made when a
// connection is seen again, so that those of one request cost none.
func (w *SpanWriter) putConnection(p *plan, row *table.Row, f *facts, a pcommon.Map) {
	k := templateKey{
		remoteAddr: p.str(row, table.RemoteAddr), remotePort: p.num(row, table.RemotePort),
		serverAddr: f.serverAddr, serverPort: f.serverPort, clientAddr: f.clientAddr, clientPort: f.clientPort,
		protocol: f.protocol, version: f.version, scheme: f.scheme, system: row.Span.DBSystem, transport: f.transport,
	}
	t := w.templates.at(&k)
	known := t.plan == p && t.key == k
	if known && t.ready {
		t.attributes.CopyTo(a)
		return
	}
	p.putCommon(row, f, a)
	if !known {
		*t = template{key: k, plan: p}
		return
	}
	t.attributes, t.ready = pcommon.NewMap(), true
	a.CopyTo(t.attributes)
}

// putCommon puts those attributes one by one.
func (p *plan) putCommon(row *table.Row, f *facts, a pcommon.Map) {
	for i := range p.connection {
		st := &p.connection[i]
		put(a, st, &row.Values[st.column])
	}
	p.putEnds(a, f)
	putStr(a, KeyProtocol, f.protocol)
	putStr(a, KeyProtocolVersion, f.version)
	putStr(a, KeyTransport, f.transport.String())
	putStr(a, KeyDBSystem, row.Span.DBSystem)
	if !p.ownScheme {
		putStr(a, KeyURLScheme, f.scheme)
	}
}
