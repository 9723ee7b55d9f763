// SPDX-License-Identifier: Apache-2.0

package otlp

import (
	"hash/maphash"
	"net/http"
	"strings"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/puck-otel/puck/internal/table"
)

// putURL carries the url.full that the semantic conventions require of HTTP's
// clients. It follows from other attributes, so that readers pass over it.
func (w *SpanWriter) putURL(p *plan, row *table.Row, f *facts, a pcommon.Map) {
	if f.kind != table.KindClient || !p.hasTarget {
		return
	}
	if row.Span.ServerName == "" && f.transport == table.Unix {
		return // the address is that of a file
	}
	w.urls.room = f.appendURL(w.urls.room[:0], p.str(row, table.HTTPMethod), p.str(row, table.HTTPTarget))
	if len(w.urls.room) > 0 {
		a.PutStr(KeyURLFull, w.urls.text())
	}
}

// appendURL appends the URL that is asked for, by RFC 9112 section 3.3: that of a
// target in asterisk or authority form has no path. It appends nothing where the
// server or the target is not known.
func (f *facts) appendURL(b []byte, method, target string) []byte {
	switch {
	case target == "" || f.scheme == "":
		return b
	case isAbsolute(target):
		return append(b, target...)
	case method == http.MethodConnect:
		return append(append(append(b, f.scheme...), "://"...), target...)
	case f.serverAddr == "" || target[0] != '/' && target != "*":
		return b
	}
	b = f.appendHost(append(append(b, f.scheme...), "://"...))
	if target == "*" {
		return b
	}
	return append(b, target...)
}

// isAbsolute reports whether the target is in absolute form, and so begins with a
// scheme and its authority.
func isAbsolute(target string) bool {
	scheme, _, found := strings.Cut(target, "://")
	return found && scheme != "" && !strings.ContainsAny(scheme, "/?#")
}

// urlCache makes text of URLs without an allocation for those seen last, each in a
// place by hash: clients ask for the same ones again and again.
type urlCache struct {
	seed    maphash.Seed
	entries *[256]string
	room    []byte // the URL that text is asked for
}

// maxURL bounds the URLs that are kept.
const maxURL = 1024

func newURLCache() urlCache {
	return urlCache{seed: maphash.MakeSeed(), entries: new([256]string)}
}

// text returns the URL in room, in valid UTF-8.
func (c *urlCache) text() string {
	if len(c.room) > maxURL {
		return valid(string(c.room))
	}
	e := &c.entries[maphash.Bytes(c.seed, c.room)%uint64(len(c.entries))]
	if *e != string(c.room) {
		*e = valid(string(c.room))
	}
	return *e
}
