// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strconv"
)

// serviceKeys are the names of the parameters of SVCB and HTTPS: RFC 9460 section
// 14.3.2 and RFC 9461.
var serviceKeys = [...]string{"mandatory", "alpn", "no-default-alpn", "port", "ipv4hint", "ech", "ipv6hint", "dohpath"}

const (
	keyMandatory = 0
	keyALPN      = 1
	keyPort      = 3
	keyIPv4      = 4
	keyIPv6      = 6
	keyDoHPath   = 7
)

// appendService appends the data of SVCB and HTTPS: priority, target and parameters
// (RFC 9460 section 2.1).
func appendService(b, msg []byte, r *record) ([]byte, bool) {
	if r.data+2 > r.end {
		return b, false
	}
	b = append(strconv.AppendUint(b, uint64(binary.BigEndian.Uint16(msg[r.data:])), 10), ' ')
	b, off, ok := appendName(b, msg, r.data+2)
	for ok && off < r.end {
		if off+4 > r.end {
			return b, false
		}
		key, size := binary.BigEndian.Uint16(msg[off:]), int(binary.BigEndian.Uint16(msg[off+2:]))
		if off += 4; off+size > r.end {
			return b, false
		}
		b = appendServiceKey(append(b, ' '), key)
		if size > 0 {
			b, ok = appendServiceValue(append(b, '='), key, msg[off:off+size])
		}
		off += size
	}
	return b, ok && off == r.end
}

func appendServiceKey(b []byte, key uint16) []byte {
	if int(key) < len(serviceKeys) {
		return append(b, serviceKeys[key]...)
	}
	return strconv.AppendUint(append(b, "key"...), uint64(key), 10)
}

// appendServiceValue appends a parameter's value. It returns false where it is not of
// the parameter's form.
func appendServiceValue(b []byte, key uint16, v []byte) ([]byte, bool) {
	switch key {
	case keyALPN:
		for first := true; len(v) > 0; first = false {
			n := 1 + int(v[0])
			if n > len(v) {
				return b, false
			}
			if !first {
				b = append(b, ',')
			}
			b = appendString(b, v[1:n])
			v = v[n:]
		}
		return b, true
	case keyPort:
		if len(v) != 2 {
			return b, false
		}
		return strconv.AppendUint(b, uint64(binary.BigEndian.Uint16(v)), 10), true
	case keyMandatory:
		return appendList(b, v, 2, func(b, v []byte) []byte { return appendServiceKey(b, binary.BigEndian.Uint16(v)) })
	case keyIPv4:
		return appendList(b, v, 4, appendIP)
	case keyIPv6:
		return appendList(b, v, 16, appendIP)
	case keyDoHPath:
		return appendString(b, v), true
	}
	return hex.AppendEncode(b, v), true
}

// appendList appends elements of size bytes each.
func appendList(b, v []byte, size int, element func(b, v []byte) []byte) ([]byte, bool) {
	if len(v)%size != 0 {
		return b, false
	}
	first := true
	for e := range slices.Chunk(v, size) {
		if !first {
			b = append(b, ',')
		}
		b, first = element(b, e), false
	}
	return b, true
}
