// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// TestDescriptors has servers whose connections change their descriptor or their
// process. Every request must have both spans, the server's with the process that
// answered.
func TestDescriptors(t *testing.T) {
	for _, mode := range []string{"dup", "dup2", "fork", "pass", "reuse"} {
		t.Run(mode, func(t *testing.T) {
			port := freePort(t)
			cmd := exec.Command(program(t, "python3", "python3"), testdata(t, "descriptors.py"), strconv.Itoa(port), mode)
			s := start(t, cmd)
			s.awaitLine("listening", startTimeout)
			c := trace(t, ports(port))
			// Two requests on each of four connections, one after another.
			var paths []string
			for i := range 4 {
				url := fmt.Sprintf("http://127.0.0.1:%d/d/%d", port, i)
				curl(t, url+"/a", "-o", "/dev/null", url+"/b")
				paths = append(paths, fmt.Sprintf("/d/%d/a", i), fmt.Sprintf("/d/%d/b", i))
			}
			answered := strings.Fields(strings.NewReplacer("answers", "", "listening", "").Replace(s.output()))
			if len(answered) != len(paths) {
				t.Fatalf("%d requests were answered, want %d: %s", len(answered), len(paths), s.output())
			}
			for i, p := range paths {
				_, server := c.pair(t, p, attrs{method: "GET", status: 200, received: 2000, "server.port": port})
				if want := answered[i]; strconv.FormatInt(server.PID, 10) != want {
					t.Errorf("%s was answered by %d, want %s", p, server.PID, want)
				}
			}
		})
	}
}
