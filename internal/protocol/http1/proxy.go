// SPDX-License-Identifier: Apache-2.0

package http1

import (
	"bytes"
	"encoding/binary"

	"github.com/puck-otel/puck/internal/protocol"
)

// A load balancer may say before the first request whose connection it forwards:
// https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt.
const (
	proxyText   = "PROXY "
	proxyBinary = "\r\n\r\n\x00\r\nQUIT\n"
	// maxProxyText is the longest header in text, its line end included.
	maxProxyText = 107
	// maxProxyBinary is far above the addresses and the extensions that are in use.
	maxProxyBinary = 4 << 10
)

// proxyHeader returns the length of the PROXY header that data begins with, 0 if
// there is none, and whether there may be one once more bytes are there.
func proxyHeader(data []byte) (n int, maybe bool) {
	if len(data) == 0 || data[0] != proxyText[0] && data[0] != proxyBinary[0] {
		return 0, false
	}
	if hasStart(data, proxyText) {
		end := bytes.IndexByte(data[:min(len(data), maxProxyText)], '\n')
		switch {
		case end < 0:
			return 0, len(data) < maxProxyText
		case hasStart(data, "PROXY TCP4 "), hasStart(data, "PROXY TCP6 "), hasStart(data, "PROXY UNKNOWN"):
			return end + 1, false
		}
		return 0, false
	}
	if !hasStart(data, proxyBinary) {
		return 0, false
	}
	const fixed = len(proxyBinary) + 4 // version and command, family, length
	if len(data) < fixed {
		return 0, true
	}
	n = fixed + int(binary.BigEndian.Uint16(data[fixed-2:]))
	switch {
	case data[len(proxyBinary)]>>4 != 2 || n > maxProxyBinary:
		return 0, false
	case len(data) < n:
		return 0, true
	}
	return n, false
}

// hasStart reports whether data begins with start, as far as there is of it.
func hasStart(data []byte, start string) bool {
	n := min(len(data), len(start))
	return string(data[:n]) == start[:n]
}

// proxied passes over a PROXY header before the first request.
func proxied(in *input, data []byte, gap int) (int, protocol.Status) {
	if in.Requests.Open().Seq != 0 {
		return 0, proceed
	}
	switch n, maybe := proxyHeader(data); {
	case n > 0:
		return n, protocol.Skip
	case maybe && gap == 0 && !in.EOF && (len(data) > len(proxyText) || len(data) > 2 && data[0] == '\r'):
		return 0, protocol.More
	}
	return 0, proceed
}
