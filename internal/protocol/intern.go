// SPDX-License-Identifier: Apache-2.0

package protocol

import "hash/maphash"

const (
	internSlots = 1 << 12
	// internLen bounds the strings kept: with internSlots it bounds the memory that
	// an engine's cache can hold to 1 MiB.
	internLen = 256
)

// Intern gives out one string for equal bytes, most of the time. It remembers
// the last string of each slot, so it needs no eviction and cannot grow.
type Intern struct {
	seed  maphash.Seed
	slots [internSlots]string
}

func newIntern() *Intern { return &Intern{seed: maphash.MakeSeed()} }

// String returns b as a string.
func (in *Intern) String(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	if len(b) > internLen {
		return string(b)
	}
	slot := &in.slots[maphash.Bytes(in.seed, b)%internSlots]
	if *slot != string(b) {
		*slot = string(b)
	}
	return *slot
}
