// SPDX-License-Identifier: Apache-2.0

package protocoltracereceiver

import (
	"container/list"
	"sync"

	"github.com/puck-otel/puck/internal/protocol"
	"github.com/puck-otel/puck/internal/route"
)

// routeOf names the route of a path by the service that the connection belongs to.
func routeOf(c *protocol.Conn, path []byte) string {
	return c.Owner.(*connection).owner.service.router.Route(path)
}

// routes holds the router of each service, for all workers. What a service has been
// asked for is remembered while it has an owner, and then until its room is needed.
type routes struct {
	mu       sync.Mutex
	services map[string]*service
	idle     *list.List // of *service without owners, the first to become so in front
	others   *service   // the services beyond maxServices that have owners
}

// service is the router of all processes with one name.
type service struct {
	name    string
	router  *route.Router
	owners  int
	element *list.Element // in idle, nil while it has owners
}

const (
	maxServices = 1024
	maxRoutes   = 100 // of one service
)

func newRoutes() *routes {
	return &routes{
		services: map[string]*service{}, idle: list.New(), others: &service{router: route.New(maxRoutes)},
	}
}

// acquire returns the service of an owner, which releases it in the end.
func (r *routes) acquire(name string) *service {
	r.mu.Lock()
	defer r.mu.Unlock()
	s, ok := r.services[name]
	if !ok {
		if len(r.services) >= maxServices && !r.evict() {
			return r.others
		}
		s = &service{name: name, router: route.New(maxRoutes)}
		r.services[name] = s
	}
	if s.element != nil {
		r.idle.Remove(s.element)
		s.element = nil
	}
	s.owners++
	return s
}

// release takes an owner from the service.
func (r *routes) release(s *service) {
	if s == r.others {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if s.owners--; s.owners == 0 {
		s.element = r.idle.PushBack(s)
	}
}

// evict forgets the service that has had no owner for longest. The caller holds mu.
func (r *routes) evict() bool {
	oldest := r.idle.Front()
	if oldest == nil {
		return false
	}
	r.idle.Remove(oldest)
	delete(r.services, oldest.Value.(*service).name)
	return true
}
