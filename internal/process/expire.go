// SPDX-License-Identifier: Apache-2.0

package process

import "time"

// checkBatch bounds how many processes one Expire looks at in /proc.
const checkBatch = 512

// Expire forgets the processes that have been dead for Config.Keep. It also looks
// after some whose death nobody reported, so that they do not stay for good. It is
// to be called every few seconds.
func (c *Cache) Expire(now time.Time) {
	c.mu.Lock()
	for {
		element := c.dead.Front()
		if element == nil || now.Sub(element.Value.(*entry).died) < c.keep {
			break
		}
		c.remove(element.Value.(*entry))
	}
	suspects := c.suspects(now)
	c.mu.Unlock()

	buf := c.buffers.Get().(*[maxArgs]byte)
	defer c.buffers.Put(buf)
	for _, k := range suspects {
		if alive(c.proc, k.pid, k.start, buf[:]) {
			continue
		}
		c.mu.Lock()
		if e := c.byKey[k]; e != nil {
			c.bury(e, now)
		}
		c.mu.Unlock()
	}
}

// suspects returns some living entries that have not been checked for as long as
// a dead one would be kept. The caller holds mu.
func (c *Cache) suspects(now time.Time) []key {
	var keys []key
	for element := c.live.Front(); element != nil && len(keys) < checkBatch; element = element.Next() {
		if e := element.Value.(*entry); now.Sub(e.checked) >= c.keep {
			e.checked = now
			keys = append(keys, e.key)
		}
	}
	return keys
}
