// SPDX-License-Identifier: Apache-2.0

// Package all lists the protocols.
package all

import (
	"github.com/puck-otel/puck/internal/protocol"
	"github.com/puck-otel/puck/internal/protocol/dns"
	"github.com/puck-otel/puck/internal/protocol/http1"
	"github.com/puck-otel/puck/internal/protocol/redis"
)

// Config is the configuration of each protocol.
type Config struct {
	HTTP1 http1.Config
	Redis redis.Config
	DNS   dns.Config
}

// Protocols returns the protocols in the order in which a connection's first
// bytes are shown to them: what is recognised by the most bytes comes first.
func Protocols(c Config) []protocol.Protocol {
	return []protocol.Protocol{
		http1.New(c.HTTP1),
		redis.New(c.Redis),
		dns.New(c.DNS),
	}
}
