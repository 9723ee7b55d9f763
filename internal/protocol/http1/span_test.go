// SPDX-License-Identifier: Apache-2.0

package http1

import "testing"

func TestServerOfTheHost(t *testing.T) {
	for _, test := range []struct {
		host, scheme, name string
		port               int64
	}{
		{"shop", "http", "shop", 80}, {"shop", "https", "shop", 443}, {"shop:8080", "https", "shop", 8080},
		{"shop:", "http", "shop", 80}, {"[::1]", "http", "::1", 80}, {"[::1]:8080", "http", "::1", 8080},
		{"", "http", "", 0}, {":80", "http", "", 0}, {"shop:http", "http", "shop", 0}, {"shop:70000", "http", "shop", 0},
		{"[::1", "http", "[", 0}, {"]", "http", "", 0},
	} {
		if name, port := server(test.host, test.scheme); name != test.name || port != test.port {
			t.Errorf("%s by %s: %q %d, want %q %d", test.host, test.scheme, name, port, test.name, test.port)
		}
	}
}
