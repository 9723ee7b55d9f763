// SPDX-License-Identifier: Apache-2.0

package process

import (
	"path"
	"strings"
)

// Announced returns the process that the kernel's hint is about, as [Cache.Seen],
// and whether it was known as another program: then what was known of it has been
// replaced. It is for hints that are sent at the first connection of a process and
// again at the first after an exec, of which nothing else tells.
func (c *Cache) Announced(h Hint) (p *Process, changed bool) {
	if p := c.known(h.PID, Ticks(h.StartNS)); p != nil && !p.runs(h) {
		return c.Exec(h), true
	}
	return c.Seen(h), false
}

// runs says whether the hint may be about this image of the process. Fields that the
// hint leaves empty or cuts short do not speak against it.
func (p *Process) runs(h Hint) bool {
	comm, exe := cString(h.Comm), cString(h.Exe)
	if comm != "" && clean(comm, maxName) != p.Name {
		return false
	}
	if exe != "" && !strings.HasPrefix(path.Base(p.Exe), clean(path.Base(exe), maxName)) {
		return false
	}
	args := clean(strings.TrimRight(string(h.Args), "\x00 "), maxSmall)
	return strings.HasPrefix(p.Cmdline, args)
}

// Exec is called when a process runs a new executable: it keeps its UPID, and
// what is returned replaces what was known of it.
func (c *Cache) Exec(h Hint) *Process {
	c.mu.Lock()
	var before *Process
	if e := c.find(h.PID, Ticks(h.StartNS)); e != nil {
		before = e.process
	}
	c.mu.Unlock()
	p, gone := c.make(h, before)
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.byKey[keyOf(p)]; e != nil {
		e.process = p
		c.touch(e)
		return p
	}
	c.add(p, gone)
	return p
}
