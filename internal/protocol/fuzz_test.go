// SPDX-License-Identifier: Apache-2.0

package protocol_test

import (
	"fmt"
	"testing"

	"github.com/puck-otel/puck/internal/protocol"
	"github.com/puck-otel/puck/internal/protocol/prototest"
)

// FuzzEngine plays any sequence of events to two of the tests' protocols, which
// hand connections over to each other, give them back and end them.
func FuzzEngine(f *testing.F) {
	event := func(op byte, data string) string { return string([]byte{op, 0, byte(len(data))}) + data }
	for how := range byte(6) {
		f.Add(how, []byte(event(0, "#q1 a\n#q2 b\n")+event(1, "#r2 B\n#p push\n#r1 A\n")))
		f.Add(how, []byte(event(0, "#q1 a\n#k200 \n")+event(2, "xyz")+event(1, "#s \n%q1 b\n")+event(0, "%q2 c\n")))
		f.Add(how, []byte(event(0, "%q1 a\ngarbage")+string([]byte{4, 0, 9})+event(0, "%q1 a\n%x \n%q3\n")+string([]byte{12, 0, 90})))
	}
	prototest.Fuzz(f, []protocol.Protocol{newLines("lines", '#'), newLines("other", '%')}, func(c protocol.Counters) error {
		if rows := c.Rows[protocol.Complete]; rows != c.Frames[protocol.Response] {
			return fmt.Errorf("%d rows of %d responses", rows, c.Frames[protocol.Response])
		}
		if c.Rows[protocol.Unanswered] > c.Frames[protocol.Request] {
			return fmt.Errorf("%d rows of %d requests", c.Rows[protocol.Unanswered], c.Frames[protocol.Request])
		}
		return nil
	})
}
