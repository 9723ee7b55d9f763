// SPDX-License-Identifier: Apache-2.0

package redis_test

import (
	"flag"
	"testing"

	"github.com/puck-otel/puck/internal/protocol"
	"github.com/puck-otel/puck/internal/protocol/prototest"
	"github.com/puck-otel/puck/internal/protocol/redis"
)

var update = flag.Bool("update", false, "write the rows seen to the captures")

const probe = `> 0ms "*2\r\n$3\r\nGET\r\n$5\r\nprobe\r\n"
< 5ms "$6\r\nprobed\r\n"
`

func TestCaptures(t *testing.T) {
	prototest.Suite{
		Dir: "testdata", Protocols: []protocol.Protocol{redis.New(redis.Config{ValueBytes: 128})},
		Probe: probe, Update: *update,
	}.Run(t)
}

// TestPlainCaptures keeps no values, as the receiver does by default.
func TestPlainCaptures(t *testing.T) {
	prototest.Suite{
		Dir: "testdata/plain", Protocols: []protocol.Protocol{redis.New(redis.Config{})},
		Probe: probe, Update: *update,
	}.Run(t)
}
