// SPDX-License-Identifier: Apache-2.0

package process

import (
	"container/list"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/puck-otel/puck/internal/table"
)

// Defaults of a [Config].
const (
	DefaultKeep = 5 * time.Minute
	DefaultMax  = 32768
)

// Config says how a [Cache] works. The zero value is good for an agent that runs
// in the host's pid namespace.
type Config struct {
	// Proc is where the host's proc is mounted; by default the environment variable
	// HOST_PROC, else /proc.
	Proc string
	// AgentID is the high part of every UPID.
	AgentID uint32
	// Keep is how long a process is known after its death.
	Keep time.Duration
	// Max bounds the number of processes known, dead ones included.
	Max int
}

// Cache holds what is known of processes. It is safe for concurrent use.
type Cache struct {
	proc    string
	agent   uint32
	keep    time.Duration
	max     int
	boot    time.Time
	now     func() time.Time
	buffers sync.Pool

	mu      sync.Mutex
	byKey   map[key]*entry
	current map[uint32]*entry // who has, or had last, a pid
	live    *list.List        // of *entry, least recently used first
	dead    *list.List        // of *entry, first to die first
	evicted uint64
}

// key tells processes that had the same pid one after the other apart.
type key struct {
	pid   uint32
	start uint64
}

// entry is a process in the cache. It is in one of the two lists, at element.
type entry struct {
	key     key
	process *Process
	element *list.Element
	died    time.Time // zero for a living process
	checked time.Time // when it was last known to live
}

// Stats counts what a cache holds.
type Stats struct {
	Live, Dead int
	// Evicted is how many entries had to go before their time because the cache was
	// full.
	Evicted uint64
}

// New returns an empty cache.
func New(cfg Config) (*Cache, error) {
	if cfg.Proc == "" {
		cfg.Proc = os.Getenv("HOST_PROC")
	}
	if cfg.Proc == "" {
		cfg.Proc = "/proc"
	}
	if cfg.Keep == 0 {
		cfg.Keep = DefaultKeep
	}
	if cfg.Max == 0 {
		cfg.Max = DefaultMax
	}
	if cfg.Keep < 0 || cfg.Max < 0 {
		return nil, fmt.Errorf("process cache: keep %s and max %d must not be negative", cfg.Keep, cfg.Max)
	}
	if _, err := os.Stat(cfg.Proc + "/stat"); err != nil {
		return nil, fmt.Errorf("process cache: %s is no proc filesystem: %w", cfg.Proc, err)
	}
	return &Cache{
		proc: cfg.Proc, agent: cfg.AgentID, keep: cfg.Keep, max: cfg.Max,
		boot: bootTime(), now: time.Now,
		buffers: sync.Pool{New: func() any { return new([maxArgs]byte) }},
		byKey:   map[key]*entry{}, current: map[uint32]*entry{},
		live: list.New(), dead: list.New(),
	}, nil
}

// Seen returns the process that the hint is about, which every caller shares. The
// first call reads /proc, or falls back on the hint if the process is gone.
func (c *Cache) Seen(h Hint) *Process {
	if p := c.known(h.PID, Ticks(h.StartNS)); p != nil {
		return p
	}
	p, gone := c.make(h, nil)
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.byKey[keyOf(p)]; e != nil { // another caller was faster
		return c.touch(e)
	}
	if e := c.current[h.PID]; gone && h.StartNS == 0 && e != nil { // it died meanwhile
		return c.touch(e)
	}
	c.add(p, gone)
	return p
}

// Lookup returns the process that has pid or had it last, nil if it is not known.
func (c *Cache) Lookup(pid uint32) *Process {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.touch(c.current[pid])
}

// Find returns the process with this UPID, nil if it is not known.
func (c *Cache) Find(upid table.ID) *Process {
	if uint32(upid.High>>32) != c.agent {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.touch(c.byKey[key{uint32(upid.High), upid.Low}])
}

// Exited tells the cache that the process which began startNS nanoseconds after
// boot has died; with 0, the one that has pid. It stays known for Config.Keep.
func (c *Cache) Exited(pid uint32, startNS uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.find(pid, Ticks(startNS)); e != nil {
		c.bury(e, c.now())
	}
}

// Stats returns the cache's counts.
func (c *Cache) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Stats{Live: c.live.Len(), Dead: c.dead.Len(), Evicted: c.evicted}
}

// known returns a process that needs no look at /proc. Without a start time it
// has to be one that is not known to be dead.
func (c *Cache) known(pid uint32, start uint64) *Process {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.find(pid, start)
	if e == nil || start == 0 && !e.died.IsZero() {
		return nil
	}
	return c.touch(e)
}

// find returns the entry of a process, that of the pid's current owner if start
// is 0. The caller holds mu.
func (c *Cache) find(pid uint32, start uint64) *entry {
	if start == 0 {
		return c.current[pid]
	}
	return c.byKey[key{pid, start}]
}

// touch marks e as used and returns its process. The caller holds mu.
func (c *Cache) touch(e *entry) *Process {
	if e == nil {
		return nil
	}
	if e.died.IsZero() {
		c.live.MoveToBack(e.element)
	}
	return e.process
}

// add makes room for p and enters it. The caller holds mu.
func (c *Cache) add(p *Process, gone bool) {
	for len(c.byKey) >= c.max && c.evict() {
	}
	now := c.now()
	e := &entry{key: keyOf(p), process: p, checked: now}
	e.element = c.live.PushBack(e)
	c.byKey[e.key] = e
	before := c.current[p.PID]
	switch {
	case before == nil:
		c.current[p.PID] = e
	case before.key.start <= e.key.start: // the pid has been given to a new process
		c.bury(before, now)
		c.current[p.PID] = e
	default: // a late word of a former owner
		gone = true
	}
	if gone {
		c.bury(e, now)
	}
}

// bury moves a living entry to the dead. The caller holds mu.
func (c *Cache) bury(e *entry, now time.Time) {
	if e.died.IsZero() {
		e.died = now
		c.live.Remove(e.element)
		e.element = c.dead.PushBack(e)
	}
}

// evict removes the entry that is missed least, a living one only if there is no
// dead one. The caller holds mu.
func (c *Cache) evict() bool {
	element := c.dead.Front()
	if element == nil {
		element = c.live.Front()
	}
	if element == nil {
		return false
	}
	c.evicted++
	c.remove(element.Value.(*entry))
	return true
}

// remove forgets e. The caller holds mu.
func (c *Cache) remove(e *entry) {
	if e.died.IsZero() {
		c.live.Remove(e.element)
	} else {
		c.dead.Remove(e.element)
	}
	delete(c.byKey, e.key)
	if c.current[e.key.pid] == e {
		delete(c.current, e.key.pid)
	}
}

func keyOf(p *Process) key { return key{p.PID, p.StartTicks} }
