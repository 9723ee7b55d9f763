// SPDX-License-Identifier: Apache-2.0

package dns_test

import (
	"fmt"
	"testing"

	"github.com/puck-otel/puck/internal/protocol"
	"github.com/puck-otel/puck/internal/protocol/dns"
	"github.com/puck-otel/puck/internal/protocol/prototest"
)

// FuzzEngine plays any sequence of datagrams, and of a stream's events.
func FuzzEngine(f *testing.F) {
	prototest.Fuzz(f, []protocol.Protocol{dns.New(dns.Config{})}, func(c protocol.Counters) error {
		rows := c.Rows[protocol.Complete] + c.Rows[protocol.Truncated] + c.Rows[protocol.Unanswered]
		if rows > c.Frames[protocol.Request] {
			return fmt.Errorf("%d rows of %d queries", rows, c.Frames[protocol.Request])
		}
		if c.Rows[protocol.Complete] > c.Frames[protocol.Response] {
			return fmt.Errorf("%d rows of %d responses", c.Rows[protocol.Complete], c.Frames[protocol.Response])
		}
		return nil
	}, "testdata")
}
