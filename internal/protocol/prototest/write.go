// SPDX-License-Identifier: Apache-2.0

package prototest

import (
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/puck-otel/puck/internal/protocol"
)

// Read is what one end of a connection sent at a time.
type Read struct {
	Server bool
	At     time.Duration // since the connection's first bytes
	Data   []byte
	Len    int // bytes sent, more than Data where not all of them were captured
	Gap    int // bytes before these that were not seen
}

// Write writes the reads as a capture, with the rows that the protocols make of
// them. Of each read it writes the first most bytes.
func Write(w io.Writer, title string, reads []Read, most int, protocols []protocol.Protocol) error {
	c := &capture{text: "# " + title + "\n"}
	for _, r := range reads {
		side := ">"
		if r.Server {
			side = "<"
		}
		if r.Gap > 0 {
			c.text += fmt.Sprintf("gap %s %d\n", side, r.Gap)
			c.events = append(c.events, event{kind: gap, server: r.Server, len: r.Gap})
		}
		e := event{server: r.Server, at: r.At, data: string(r.Data[:min(len(r.Data), most)]), len: max(r.Len, len(r.Data))}
		c.text += fmt.Sprintf("%s %s %s", side, e.at, strconv.Quote(e.data))
		if e.len > len(e.data) {
			c.text += fmt.Sprintf(" len=%d", e.len)
		}
		c.text += "\n"
		c.events = append(c.events, e)
	}
	s := Suite{Protocols: protocols}
	_, err := io.WriteString(w, s.withRows(c))
	return err
}
