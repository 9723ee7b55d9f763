// SPDX-License-Identifier: Apache-2.0

package route

// A place that has folded goes on counting what it folds, so that a literal which
// comes back gets its place again: a place folds because of names, or because of a
// scan, and what the service has beside them comes back.
const (
	// maxSeen bounds the literals that one place counts, and maxCounted those that all
	// places of a router do. A place that counts too many begins anew: names, most of
	// which come once, make room.
	maxSeen    = 256
	maxCounted = 8 * maxSeen
	// recurShare is the share of what a place folds that a literal must have. Where
	// so many names come that the place began anew, those that are asked for often
	// must not use up the routes: recurVisits is what one must have there at least.
	recurShare  = 64
	recurVisits = 8
)

// recurring is what a folded place counts.
type recurring struct {
	seen  map[string]int // visits of a literal
	all   int            // visits of all of them
	again bool           // there were too many, once
}

// recurs counts a literal that n shows as the wildcard, and reports whether it is to
// have its place again.
func (r *Router) recurs(n *node, segment string) bool {
	c := &n.recurring
	visits := r.count(n, segment, 1)
	least := keptVisits
	if c.again {
		least = recurVisits
	}
	if visits < max(least, c.all/recurShare) {
		return false
	}
	delete(c.seen, segment)
	r.counted--
	return true
}

// count adds visits of a literal below n, and returns all of them.
func (r *Router) count(n *node, segment string, visits int) int {
	c := &n.recurring
	before, known := c.seen[segment]
	if !known {
		if len(c.seen) >= maxSeen || r.counted >= maxCounted {
			r.uncount(n)
			c.again = true
		}
		if r.counted >= maxCounted {
			return 0
		}
		r.counted++
	}
	if c.seen == nil {
		c.seen = map[string]int{}
	}
	c.seen[segment] = before + visits
	c.all += visits
	return before + visits
}

// uncount forgets what n has counted.
func (r *Router) uncount(n *node) {
	r.counted -= len(n.recurring.seen)
	clear(n.recurring.seen)
	n.recurring.all = 0
}
