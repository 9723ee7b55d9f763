// SPDX-License-Identifier: Apache-2.0

package protocol

import (
	"hash/maphash"
	"net/netip"
)

// addresses remembers the text forms of the addresses seen last, each in a place by
// hash, since the peers of a server's socket come again and again.
type addresses struct {
	seed  maphash.Seed
	slots [1024]struct {
		addr netip.Addr
		text string
	}
}

// peer returns the peer of a datagram.
func (e *Engine) peer(a netip.AddrPort) Peer {
	if a.Port() == 0 {
		return Peer{}
	}
	addr := a.Addr()
	bytes := addr.As16()
	slot := &e.addresses.slots[maphash.Bytes(e.addresses.seed, bytes[:])%uint64(len(e.addresses.slots))]
	if slot.addr != addr {
		slot.addr, slot.text = addr, addr.String()
	}
	return Peer{Addr: slot.text, Port: a.Port()}
}
