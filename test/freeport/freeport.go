// SPDX-License-Identifier: Apache-2.0

// Package freeport finds ports for the servers that tests and benchmarks start.
package freeport

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync/atomic"
)

// Ports are taken below 32768, where Linux begins to choose the ports of clients:
// above, a connection of the test's own may take a port before its server does.
const (
	first = 16384
	last  = 32767
)

// next counts from a place of the process's own, so that the tests of two packages
// seldom try the same port.
var next atomic.Uint32

// Get returns a TCP port of the loopback interface that nobody listens on, another
// one at each call.
func Get() (int, error) {
	next.CompareAndSwap(0, 1+rand.Uint32N(last-first))
	for range 1000 {
		port := first + int(next.Add(1)%(last-first+1))
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		return port, l.Close()
	}
	return 0, errors.New("no free port on the loopback interface")
}
