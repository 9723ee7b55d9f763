// SPDX-License-Identifier: Apache-2.0

package socktrace

import "testing"

func TestLoad(t *testing.T) {
	tr, err := Load(Config{CaptureSize: 4096, RingSize: 1 << 20, Rings: 1, MaxConnections: 1024, WakeupBytes: 65536, UDP: true, Unix: true, Clients: true, Servers: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := tr.Attach(); err != nil {
		t.Fatal(err)
	}
	for _, p := range tr.Probes() {
		if p.Err != nil {
			t.Errorf("%s: %+v", p.Hook, p.Err)
		}
	}
	if err := tr.Close(); err != nil {
		t.Fatal(err)
	}
}
