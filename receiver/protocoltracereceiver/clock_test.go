// SPDX-License-Identifier: Apache-2.0

package protocoltracereceiver

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestClock(t *testing.T) {
	var c clock
	c.refresh()
	var mono unix.Timespec
	require.NoError(t, unix.ClockGettime(unix.CLOCK_MONOTONIC, &mono))
	require.WithinDuration(t, time.Now(), time.Unix(0, c.wall(uint64(mono.Nano()))), time.Second)
	first := c.offset.Load()
	c.offset.Add(1000)
	c.refresh()
	require.Equal(t, first+1000, c.offset.Load(), "noise does not move spans")
	c.offset.Add(int64(time.Hour))
	c.refresh()
	require.InDelta(t, first, c.offset.Load(), float64(time.Second), "a clock that was set is followed")
}
