// SPDX-License-Identifier: Apache-2.0

package terminalexporter

import (
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"

	"go.opentelemetry.io/collector/pdata/pcommon"
)

// The widths of the columns, in characters. The process's grows with what it
// has seen, up to maxProcess.
const (
	kindWidth    = 8
	nameWidth    = 32
	statusWidth  = 4
	numberWidth  = 7
	minProcess   = 20
	maxProcess   = 32
	maxText      = 512 // of any text that comes from outside
	sizesWidth   = 2*numberWidth + 1
	noValue      = "-"
	controlStand = '\u00b7'
)

// style is the parameter of the escape sequence that begins a colour.
type style string

const (
	plain   style = ""
	dim     style = "2"
	bold    style = "1"
	red     style = "31"
	redBold style = "1;31"
	green   style = "32"
	yellow  style = "33"
	magenta style = "35"
	cyan    style = "36"
)

// printer appends lines to buf. It belongs to one goroutine at a time.
type printer struct {
	buf          []byte
	colors       bool
	zone         *time.Location
	minDuration  time.Duration
	processWidth int
	spans        []line
}

// styled appends what fill appends, in a style.
func (p *printer) styled(s style, fill func()) {
	if !p.colors || s == plain {
		fill()
		return
	}
	p.buf = append(p.buf, "\x1b["...)
	p.buf = append(p.buf, s...)
	p.buf = append(p.buf, 'm')
	fill()
	p.buf = append(p.buf, "\x1b[0m"...)
}

// text appends text from outside, which may hold what would take the terminal
// over: control characters are shown as dots, and it is cut at maxText.
func (p *printer) text(s string) {
	n := 0
	for _, c := range s {
		if n++; n > maxText {
			p.buf = append(p.buf, "..."...)
			return
		}
		if !unicode.IsPrint(c) {
			c = controlStand
		}
		p.buf = utf8.AppendRune(p.buf, c)
	}
}

// left appends what fill appends, with spaces behind it up to width.
func (p *printer) left(width int, s style, fill func()) {
	var n int
	p.styled(s, func() {
		from := len(p.buf)
		fill()
		n = utf8.RuneCount(p.buf[from:])
	})
	p.spaces(width - n)
}

// right appends text that is ours, with spaces before it up to width.
func (p *printer) right(width int, s style, text string) {
	p.spaces(width - utf8.RuneCountInString(text))
	p.styled(s, func() { p.buf = append(p.buf, text...) })
}

func (p *printer) spaces(n int) {
	for ; n > 0; n-- {
		p.buf = append(p.buf, ' ')
	}
}

// gap parts two columns.
func (p *printer) gap() { p.buf = append(p.buf, "  "...) }

// end ends a line, without the spaces that stand at its end.
func (p *printer) end() {
	n := len(p.buf)
	for n > 0 && p.buf[n-1] == ' ' {
		n--
	}
	p.buf = append(p.buf[:n], '\n')
}

// time appends the time of day of a timestamp.
func (p *printer) time(ts pcommon.Timestamp) {
	p.styled(dim, func() {
		p.buf = time.Unix(0, int64(ts)).In(p.zone).AppendFormat(p.buf, "15:04:05.000")
	})
}

// duration returns a duration in at most six characters, to two digits at least.
func duration(ns int64) string {
	switch d := float64(ns); {
	case ns < 0:
		return noValue
	case ns < 1e3:
		return strconv.FormatInt(ns, 10) + "ns"
	case ns < 1e6:
		return short(d/1e3) + "µs"
	case ns < 1e9:
		return short(d/1e6) + "ms"
	case ns < 60e9:
		return short(d/1e9) + "s"
	case ns < 3600e9:
		return short(d/60e9) + "m"
	default:
		return short(d/3600e9) + "h"
	}
}

// bytesText returns a number of bytes in at most six characters.
func bytesText(n int64) string {
	switch f := float64(n); {
	case n < 0:
		return noValue
	case n < 1e3:
		return strconv.FormatInt(n, 10) + "B"
	case n < 1e6:
		return short(f/1e3) + "kB"
	case n < 1e9:
		return short(f/1e6) + "MB"
	case n < 1e12:
		return short(f/1e9) + "GB"
	default:
		return short(f/1e12) + "TB"
	}
}

// short returns f with one digit behind the point where it is below 10.
func short(f float64) string {
	if f < 9.95 {
		return strconv.FormatFloat(f, 'f', 1, 64)
	}
	return strconv.FormatFloat(f, 'f', 0, 64)
}
