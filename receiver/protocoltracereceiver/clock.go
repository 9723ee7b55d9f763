// SPDX-License-Identifier: Apache-2.0

package protocoltracereceiver

import (
	"math"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// clock turns CLOCK_MONOTONIC, the kernel side's clock, into wall-clock time. All
// workers share it, so that the two ends of one request are on one time line.
type clock struct {
	offset atomic.Int64 // wall clock less CLOCK_MONOTONIC, in nanoseconds
}

// tolerance is by how much the offset may be wrong before it is replaced: less
// would shift spans against one another, and the two readings are not that exact.
const tolerance = int64(time.Millisecond)

// refresh follows the wall clock when it has been set.
func (c *clock) refresh() {
	if now, ok := measure(); ok {
		if old := c.offset.Load(); max(now-old, old-now) > tolerance {
			c.offset.Store(now)
		}
	}
}

// measure reads both clocks as close together as it can: of several readings the
// one that was disturbed least counts.
func measure() (offset int64, ok bool) {
	least := int64(math.MaxInt64)
	for range 5 {
		var before, wall, after unix.Timespec
		if unix.ClockGettime(unix.CLOCK_MONOTONIC, &before) != nil ||
			unix.ClockGettime(unix.CLOCK_REALTIME, &wall) != nil ||
			unix.ClockGettime(unix.CLOCK_MONOTONIC, &after) != nil {
			return 0, false
		}
		if took := after.Nano() - before.Nano(); took < least {
			least, offset = took, wall.Nano()-before.Nano()-took/2
		}
	}
	return offset, true
}

// wall returns the nanoseconds since the UNIX epoch of an event's time.
func (c *clock) wall(ts uint64) int64 { return int64(ts) + c.offset.Load() }
