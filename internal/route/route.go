// SPDX-License-Identifier: Apache-2.0

// Package route makes http.route of the paths that a service is asked for:
// /users/123/orders becomes /users/{id}/orders. What looks like an id is told by
// its form; what does not, such as a name, by how many of it there are in one
// place. The number of routes of a service is bounded whatever it is asked.
package route

import (
	"bytes"
	"encoding/binary"
	"maps"
	"math/bits"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// The bounds on a path: what lies behind them is the wildcard.
const (
	maxLen   = 1024 // bytes
	maxDepth = 12   // segments
)

// The cache of answers: its places, and the longest path it keeps.
const (
	cacheSize = 1024
	cachePath = 256
)

// What is learnt. A place in the tree may have one in routeShare of all routes as
// its literals, the root twice that, before the rare ones fold; a literal asked
// for keptVisits times is no longer rare. A place may have one in keptShare of all
// routes as literals that are not rare. One in coarseShare of the routes is kept for
// paths that the tree has no room for.
const (
	routeShare  = 10
	keptShare   = 2
	coarseShare = 4
	keptVisits  = 4
	minFanout   = 4
	maxFanout   = 64
	minLimit    = 8
)

const (
	wildcard = "{*}"
	anyRoute = "/" + wildcard
)

// Router makes the routes of one service. It is safe for concurrent use: a path
// seen lately takes no lock.
type Router struct {
	cache   [cacheSize]atomic.Pointer[answer]
	changes atomic.Int64 // how often a path's route became another

	mu      sync.Mutex
	root    node
	issued  map[string]string // each route by itself
	limit   int
	folds   int
	counted int // literals that all places count
}

// answer is a path and its route, right while routes have changed as often as it
// says.
type answer struct {
	path, route string
	changes     int64
}

// node is a place in the tree of routes. Its children are literals, placeholders
// and wildcards by the text that the route shows.
type node struct {
	children   map[string]*node
	visits     int
	kept       bool // a literal that is not rare
	rare, keep int  // literals among the children, by kept
	folded     bool // new literals go to the wildcard
	recurring  recurring
}

// New returns a router that makes at most limit different routes, at least 8,
// over all its life.
func New(limit int) *Router {
	return &Router{limit: max(limit, minLimit), issued: map[string]string{}}
}

// Route returns the route of a request's target: of its path, without the query.
// It is empty for targets that have no path, as CONNECT's. For the same targets
// in the same order the routes are the same. It does not keep path.
func (r *Router) Route(path []byte) string {
	if i := bytes.IndexByte(path, '?'); i >= 0 {
		path = path[:i]
	}
	if len(path) > cachePath {
		route, _ := r.make(path)
		return route
	}
	place := &r.cache[hash(path)%cacheSize]
	changes := r.changes.Load()
	if a := place.Load(); a != nil && a.changes == changes && a.path == string(path) {
		return a.route
	}
	route, settled := r.make(path)
	if settled {
		place.Store(&answer{path: string(path), route: route, changes: changes})
	}
	return route
}

// hash spreads paths over the cache. It is the same in every process, so that
// what a router learns depends on the paths alone; who makes paths collide on
// purpose gets answers from the tree.
func hash(b []byte) uint64 {
	const k = 0x9e3779b97f4a7c15
	h := uint64(len(b)) * k
	for len(b) >= 8 {
		h = (bits.RotateLeft64(h, 29) ^ binary.LittleEndian.Uint64(b)) * k
		b = b[8:]
	}
	var tail uint64
	for _, c := range b {
		tail = tail<<8 | uint64(c)
	}
	h = (bits.RotateLeft64(h, 29) ^ tail) * k
	return h ^ h>>32
}

// make works out the route of a path without its query, and whether asking again
// would teach nothing.
func (r *Router) make(path []byte) (route string, settled bool) {
	path = withoutAuthority(path)
	if len(path) == 0 || path[0] != '/' {
		if string(path) == "*" {
			return "*", true
		}
		return "", true
	}
	var buf [maxDepth + 1]string
	segments := split(path, buf[:0])
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.place(segments)
}

// withoutAuthority returns the path of a target in absolute form.
func withoutAuthority(target []byte) []byte {
	for _, scheme := range [...]string{"http://", "https://"} {
		if len(target) >= len(scheme) && strings.EqualFold(string(target[:len(scheme)]), scheme) {
			rest := target[len(scheme):]
			if i := bytes.IndexByte(rest, '/'); i >= 0 {
				return rest[i:]
			}
			return []byte("/")
		}
	}
	return target
}

// split appends the segments of the path to dst as the route shows them, each
// told by its form alone. Empty segments are left out.
func split(path []byte, dst []string) []string {
	cut := len(path) > maxLen
	if cut {
		path = path[:maxLen]
		path = path[:bytes.LastIndexByte(path, '/')]
	}
	for len(path) > 0 {
		segment, rest, _ := bytes.Cut(path, []byte{'/'})
		path = rest
		if len(segment) == 0 {
			continue
		}
		if len(dst) == maxDepth {
			cut = true
			break
		}
		dst = append(dst, classify(segment, len(dst) == 0, len(bytes.Trim(rest, "/")) == 0))
	}
	if cut {
		dst = append(dst, wildcard)
	}
	return dst
}

// place returns the route of the segments, and keeps it if there is room: in
// full, else as far as the tree knows it, else as one that fits all.
func (r *Router) place(segments []string) (route string, settled bool) {
	if len(segments) == 0 {
		return "/", true
	}
	room := r.limit - 2 - len(r.issued) // two are anyRoute and that of no segments
	settled = true
	if room > r.limit/coarseShare {
		settled = r.grow(segments)
	}
	full, known := r.walk(segments)
	if route, ok := r.issued[full]; ok {
		return route, settled
	}
	if known && room > 0 {
		r.issued[full] = full
		return full, settled
	}
	coarse := r.coarse(segments)
	if route, ok := r.issued[coarse]; ok {
		return route, settled
	}
	if room > 0 {
		r.issued[coarse] = coarse
		return coarse, settled
	}
	return anyRoute, settled
}

// grow adds the segments to the tree, and folds the places where that makes too
// many rare literals. It reports whether the tree has seen enough of them.
func (r *Router) grow(segments []string) bool {
	n := &r.root
	fanout, keep, settled := 2*r.fanout(), max(r.limit/keptShare, minFanout), true
	for _, s := range segments {
		if n.folded && n.keep < keep && n.children[s] == nil && !isPlaceholder(s) {
			settled = false
			if r.recurs(n, s) {
				n.add(s).visits = keptVisits - 1
				r.changes.Add(1)
			}
		}
		s = n.shown(s)
		child := n.children[s]
		if child == nil {
			child = n.add(s)
			if n.rare > fanout {
				r.fold(n)
				r.folds++
				r.changes.Add(1)
				child = n.children[n.shown(s)]
			}
		}
		child.visits++
		if !child.kept && child.visits >= keptVisits && n.keep < keep && !isPlaceholder(s) && n.children[s] == child {
			child.kept = true
			n.rare--
			n.keep++
		}
		n, fanout = child, r.fanout()
	}
	return settled && n.visits >= keptVisits
}

// fanout returns how many literals of each sort a place may have. A service that
// showed to have names in its paths may have fewer in the next place.
func (r *Router) fanout() int {
	most := min(max(r.limit/routeShare, minFanout), maxFanout)
	return max(most-2*r.folds, minFanout)
}

// walk returns the route of the segments, and whether the tree has all of it.
func (r *Router) walk(segments []string) (string, bool) {
	var b strings.Builder
	n, known := &r.root, true
	for _, s := range segments {
		if n != nil {
			s = n.shown(s)
			n = n.children[s]
		}
		known = known && n != nil
		b.WriteByte('/')
		b.WriteString(s)
	}
	return b.String(), known
}

// coarse returns the first segment if the tree knows it, and the wildcard.
func (r *Router) coarse(segments []string) string {
	first := r.root.shown(segments[0])
	if len(segments) < 2 || r.root.children[first] == nil || first == wildcard {
		return anyRoute
	}
	return "/" + first + anyRoute
}

// shown returns what the route shows of a segment that is below n.
func (n *node) shown(segment string) string {
	if !n.folded || n.children[segment] != nil || isPlaceholder(segment) {
		return segment
	}
	return folded(segment)
}

// add gives n a child.
func (n *node) add(segment string) *node {
	if n.children == nil {
		n.children = map[string]*node{}
	}
	child := &node{}
	n.children[segment] = child
	if !isPlaceholder(segment) {
		n.rare++
	}
	return child
}

// fold makes one child of the rare literals below n: what they had below them is
// below the wildcard.
func (r *Router) fold(n *node) {
	n.folded, n.rare = true, 0
	for _, segment := range slices.Sorted(maps.Keys(n.children)) {
		child := n.children[segment]
		if child.kept || isPlaceholder(segment) {
			continue
		}
		delete(n.children, segment)
		r.count(n, segment, child.visits)
		to := n.children[folded(segment)]
		if to == nil {
			n.children[folded(segment)] = child
			continue
		}
		to.visits += child.visits
		r.merge(to, child)
	}
}

// merge adds what is below other to what is below n.
func (r *Router) merge(n, other *node) {
	r.uncount(other)
	if other.folded && !n.folded {
		r.fold(n)
	}
	for _, segment := range slices.Sorted(maps.Keys(other.children)) {
		child := other.children[segment]
		segment = n.shown(segment)
		to := n.children[segment]
		if to == nil {
			to = n.add(segment)
		}
		r.merge(to, child)
	}
}

// isPlaceholder reports whether the route shows a kind instead of a text. Kinds
// are few; verbs behind them are not.
func isPlaceholder(segment string) bool {
	return segment[0] == '{' && strings.IndexByte(segment, ':') < 0
}

// folded returns the wildcard that stands for a literal: files keep their
// extension.
func folded(segment string) string {
	if ext := extension(segment); ext != "" {
		return wildcard + ext
	}
	return wildcard
}
