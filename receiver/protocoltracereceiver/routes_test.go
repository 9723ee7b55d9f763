// SPDX-License-Identifier: Apache-2.0

package protocoltracereceiver

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/puck-otel/puck/internal/protocol"
)

// Services that have no process any more make room for others, those gone for longest
// first. Only if all have one, further services share a router.
func TestServicesComeAndGo(t *testing.T) {
	r := newRoutes()
	held := make([]*service, maxServices)
	for i := range held {
		held[i] = r.acquire("service " + strconv.Itoa(i))
	}
	require.Same(t, r.acquire("service 7"), held[7])
	require.Same(t, r.others, r.acquire("checkout"))
	require.Same(t, r.others, r.acquire("payment"))
	r.release(r.others)

	r.release(held[7])
	require.Same(t, r.others, r.acquire("checkout"), "service 7 has an owner left")
	r.release(held[7])
	r.release(held[3])
	require.Same(t, held[7], r.acquire("service 7"), "it is remembered as long as there is room")
	require.NotSame(t, r.others, r.acquire("checkout"), "service 3 is gone")
	require.Same(t, r.others, r.acquire("payment"))

	r.release(held[5])
	r.release(held[4])
	r.acquire("payment")
	require.Same(t, held[4], r.acquire("service 4"))
	require.Same(t, r.others, r.acquire("service 5"), "it went first")
	require.Len(t, r.services, maxServices)
}

// A worker lets a service go when it forgets the last process of it.
func TestWorkersReleaseServices(t *testing.T) {
	r := blindReceiver(t, 2)
	for _, w := range r.workers {
		w.enter(1, process42("shop"), protocol.Client)
	}
	shop := r.routes.services["shop"]
	require.Equal(t, 2, shop.owners)
	for _, w := range r.workers {
		w.forget(1, bytesMoved{}, 1)
		for _, o := range w.owners {
			o.idle -= 2 * ownerKeepNS
		}
		w.expire()
	}
	require.Zero(t, shop.owners)
	require.Equal(t, 1, r.routes.idle.Len())
}
