// SPDX-License-Identifier: Apache-2.0

package protocoltracereceiver

import (
	"sync"

	"github.com/puck-otel/puck/internal/process"
	"github.com/puck-otel/puck/internal/protocol"
	"github.com/puck-otel/puck/internal/route"
	"github.com/puck-otel/puck/internal/table/otlp"
)

// owner is what a worker keeps of a process that has connections.
type owner struct {
	process  *process.Process
	resource *otlp.Process
	router   *route.Router
	ratio    float64 // of spans that are kept
	ignored  bool    // by the configuration
	since    int64   // when it was made: a process that executes another program has a newer one
	conns    int     // connections that refer to it
	idle     int64   // since when it has none
}

// routeOf names the route of a path by the service that the connection belongs to.
func routeOf(c *protocol.Conn, path []byte) string {
	return c.Owner.(*connection).owner.router.Route(path)
}

// routes holds the router of each service, for all workers.
type routes struct {
	mu       sync.Mutex
	services map[string]*route.Router
	others   *route.Router // of the services beyond maxServices
}

const (
	maxServices  = 1024
	maxRoutes    = 100 // of one service
	ownerKeepNS  = int64(60e9)
	maxSpanBatch = 2048
)

func newRoutes() *routes {
	return &routes{services: map[string]*route.Router{}, others: route.New(maxRoutes)}
}

func (r *routes) of(service string) *route.Router {
	r.mu.Lock()
	defer r.mu.Unlock()
	router, ok := r.services[service]
	switch {
	case ok:
		return router
	case len(r.services) >= maxServices:
		return r.others
	}
	router = route.New(maxRoutes)
	r.services[service] = router
	return router
}
