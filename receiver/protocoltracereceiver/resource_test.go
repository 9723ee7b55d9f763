// SPDX-License-Identifier: Apache-2.0

package protocoltracereceiver

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/puck-otel/puck/internal/process"
)

// TestResourceTellsDerivedNames, so that a processor can put a better one in place.
func TestResourceTellsDerivedNames(t *testing.T) {
	r := &protocolTrace{host: "node"}
	require.True(t, r.resource(&process.Process{PID: 1, Exe: "/usr/bin/node", Service: "node"}).Derived)
	require.False(t, r.resource(&process.Process{PID: 1, Exe: "/usr/bin/node", Service: "cart", ServiceSet: true}).Derived)
}
