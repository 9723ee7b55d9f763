// SPDX-License-Identifier: Apache-2.0

package terminalexporter

import (
	"cmp"
	"net"
	"slices"
	"strconv"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/puck-otel/puck/internal/table/otlp"
)

// line is a span that will be printed.
type line struct {
	span     ptrace.Span
	resource pcommon.Resource
}

// traces appends a line for each span, by the times at which they began.
func (p *printer) traces(traces ptrace.Traces) {
	p.spans = p.spans[:0]
	for _, rs := range traces.ResourceSpans().All() {
		for _, ss := range rs.ScopeSpans().All() {
			for _, span := range ss.Spans().All() {
				if p.shows(span) {
					p.spans = append(p.spans, line{span, rs.Resource()})
				}
			}
		}
	}
	slices.SortStableFunc(p.spans, func(a, b line) int {
		return cmp.Compare(a.span.StartTimestamp(), b.span.StartTimestamp())
	})
	for _, l := range p.spans {
		p.span(l.span, l.resource)
	}
	clear(p.spans) // what they point into belongs to others
}

// shows reports whether the span is long enough to be printed, or failed.
func (p *printer) shows(span ptrace.Span) bool {
	took := int64(span.EndTimestamp()) - int64(span.StartTimestamp())
	return took >= int64(p.minDuration) || span.Status().Code() == ptrace.StatusCodeError
}

// span appends one line.
func (p *printer) span(span ptrace.Span, resource pcommon.Resource) {
	facts := readFacts(span.Attributes())
	p.time(span.StartTimestamp())
	p.gap()
	kind, kindStyle := kindText(span.Kind())
	p.left(kindWidth, kindStyle, func() { p.buf = append(p.buf, kind...) })
	p.process(resource)
	p.left(nameWidth, bold, func() { p.text(span.Name()) })
	p.gap()
	p.status(span, &facts)
	p.gap()
	p.right(numberWidth, plain, duration(int64(span.EndTimestamp())-int64(span.StartTimestamp())))
	p.gap()
	p.sizes(span.Kind(), &facts)
	p.gap()
	p.styled(dim, func() { p.peer(&facts) })
	if span.Status().Message() != "" {
		p.gap()
		p.styled(red, func() { p.text(span.Status().Message()) })
	}
	p.end()
}

// kindText returns the word for a kind.
func kindText(k ptrace.SpanKind) (string, style) {
	switch k {
	case ptrace.SpanKindServer:
		return "server", cyan
	case ptrace.SpanKindClient:
		return "client", magenta
	case ptrace.SpanKindProducer:
		return "producer", magenta
	case ptrace.SpanKindConsumer:
		return "consumer", cyan
	case ptrace.SpanKindInternal:
		return "internal", plain
	}
	return "span", plain
}

// facts are the attributes that a line shows, of whatever protocol.
type facts struct {
	status            string // as the protocol has it
	http              int64
	errorType         string
	request, response int64 // bytes
	sized             bool
	peer              string
	port              int64
}

// readFacts reads them in one pass.
func readFacts(attributes pcommon.Map) facts {
	var f facts
	for key, v := range attributes.All() {
		switch key {
		case otlp.KeyStatusCode:
			f.http = v.Int()
			f.status = strconv.FormatInt(f.http, 10)
		case otlp.KeyRPCStatusCode, otlp.KeyDBStatusCode:
			f.status = v.AsString()
		case otlp.KeyErrorType:
			f.errorType = v.AsString()
		case otlp.KeyRequestSize:
			f.request, f.sized = v.Int(), true
		case otlp.KeyResponseSize:
			f.response, f.sized = v.Int(), true
		case otlp.KeyPeerAddress:
			f.peer = v.AsString()
		case otlp.KeyPeerPort:
			f.port = v.Int()
		}
	}
	return f
}

// process appends the process that the resource is.
func (p *printer) process(resource pcommon.Resource) {
	name, pid := "", ""
	for key, v := range resource.Attributes().All() {
		switch key {
		case otlp.KeyServiceName:
			name = v.AsString()
		case otlp.KeyProcessExecutable:
			if name == "" {
				name = v.AsString()
			}
		case otlp.KeyProcessPID:
			pid = v.AsString()
		}
	}
	if name == "" {
		name = noValue
	}
	from := len(p.buf)
	p.gap()
	p.text(name)
	if pid != "" {
		p.buf = append(p.buf, '[')
		p.text(pid)
		p.buf = append(p.buf, ']')
	}
	width := len([]rune(string(p.buf[from:])))
	p.processWidth = min(max(p.processWidth, width, minProcess), maxProcess)
	p.spaces(p.processWidth - width)
	p.gap()
}

// status appends how the span ended.
func (p *printer) status(span ptrace.Span, f *facts) {
	text, s := f.status, green
	if text == "" {
		text = "ok"
	}
	switch {
	case f.http >= 500:
		s = redBold
	case f.http >= 400:
		s = yellow
	case f.http >= 300:
		s = cyan
	case span.Status().Code() == ptrace.StatusCodeError:
		s = redBold
		if text = f.errorType; text == "" {
			text = "error"
		}
	}
	p.left(statusWidth, s, func() { p.text(text) })
}

// sizes appends what the process received and sent.
func (p *printer) sizes(kind ptrace.SpanKind, f *facts) {
	if !f.sized {
		p.spaces(sizesWidth)
		return
	}
	received, sent := f.request, f.response
	if kind == ptrace.SpanKindClient || kind == ptrace.SpanKindProducer {
		received, sent = sent, received
	}
	p.right(numberWidth, plain, "↓"+bytesText(received))
	p.buf = append(p.buf, ' ')
	p.right(numberWidth, plain, "↑"+bytesText(sent))
}

// peer appends the other end's address.
func (p *printer) peer(f *facts) {
	switch {
	case f.peer != "" && f.port != 0:
		p.text(net.JoinHostPort(f.peer, strconv.FormatInt(f.port, 10)))
	default:
		p.text(f.peer)
	}
}
