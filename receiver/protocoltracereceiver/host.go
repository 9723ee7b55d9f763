// SPDX-License-Identifier: Apache-2.0

package protocoltracereceiver

import (
	"bytes"
	"hash/fnv"
	"os"
)

// agentID names the agent in upids: by the machine's id, so that it stays the
// same after a restart.
func (r *protocolTrace) agentID() uint32 {
	if r.config.AgentID != 0 {
		return uint32(r.config.AgentID)
	}
	id, _ := os.ReadFile("/etc/machine-id") // the name is enough where there is none
	return agentIDOf(id, r.host)
}

// agentIDOf hashes the machine's id and the node's name. Either may say nothing: the
// images of distributions have an empty id or one that all containers share.
func agentIDOf(machineID []byte, host string) uint32 {
	h := fnv.New32a()
	h.Write(bytes.TrimSpace(machineID))
	h.Write([]byte{0})
	h.Write([]byte(host))
	return h.Sum32()
}

// hostName is the node's name as Kubernetes has it, where it is given.
func hostName() string {
	for _, key := range []string{"K8S_NODE_NAME", "KUBE_NODE_NAME"} {
		if name := os.Getenv(key); name != "" {
			return name
		}
	}
	name, err := os.Hostname()
	if err != nil {
		return ""
	}
	return name
}
