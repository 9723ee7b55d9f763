// SPDX-License-Identifier: Apache-2.0

package protocol

import "unicode/utf8"

// AppendText appends s as the inside of a JSON string. Bytes that are no
// UTF-8 become U+FFFD.
func AppendText(b, s []byte) []byte {
	const digits = "0123456789abcdef"
	for len(s) > 0 {
		c := s[0]
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < ' ':
			b = append(b, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		case c < utf8.RuneSelf:
			b = append(b, c)
		default:
			r, n := utf8.DecodeRune(s)
			b = utf8.AppendRune(b, r)
			s = s[n:]
			continue
		}
		s = s[1:]
	}
	return b
}
