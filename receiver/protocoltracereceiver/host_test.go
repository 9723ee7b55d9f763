// SPDX-License-Identifier: Apache-2.0

package protocoltracereceiver

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Agents on two nodes have two ids, also where images ship an empty /etc/machine-id
// or one for all.
func TestAgentIDOfNodes(t *testing.T) {
	const id = "b08dfa6083e7567a1921a715000001fb"
	ids := map[uint32]bool{}
	for _, machine := range []string{"", id} {
		for _, host := range []string{"node-a", "node-b", ""} {
			ids[agentIDOf([]byte(machine), host)] = true
		}
	}
	require.Len(t, ids, 6)
	require.Equal(t, agentIDOf([]byte(id), "node-a"), agentIDOf([]byte(id+"\n"), "node-a"), "as a file has it")
}
