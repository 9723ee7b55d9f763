// SPDX-License-Identifier: Apache-2.0

package http1_test

import (
	"flag"
	"testing"

	"github.com/puck-otel/puck/internal/protocol"
	"github.com/puck-otel/puck/internal/protocol/http1"
	"github.com/puck-otel/puck/internal/protocol/prototest"
)

var update = flag.Bool("update", false, "write the rows seen to the captures")

const probe = `> 0ms "GET /probe HTTP/1.1\r\nHost: probe\r\n\r\n"
< 5ms "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nprobe"
`

func TestCaptures(t *testing.T) {
	prototest.Suite{
		Dir: "testdata", Protocols: []protocol.Protocol{http1.New(http1.Config{})},
		Probe: probe, Update: *update,
	}.Run(t)
}

func TestKeptCaptures(t *testing.T) {
	prototest.Suite{
		Dir: "testdata/keep", Protocols: []protocol.Protocol{http1.New(http1.Config{
			RequestHeaders: []string{"*"}, ResponseHeaders: []string{"SET-cookie"}, BodyBytes: 32, KeepQuery: true,
		})}, Update: *update,
	}.Run(t)
}
