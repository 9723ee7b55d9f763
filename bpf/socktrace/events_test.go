// SPDX-License-Identifier: Apache-2.0

package socktrace

import (
	"net/netip"
	"testing"
	"unsafe"
)

func TestTextFields(t *testing.T) {
	if got := Text([]int8{'a', 'b', 0, 'c'}); got != "ab" {
		t.Errorf("got %q", got)
	}
	if got := AddrPort(&Endpoint{Family: afInet6, Addr: netip.MustParseAddr("::ffff:10.0.0.1").As16(), Port: 7}); got.String() != "10.0.0.1:7" {
		t.Errorf("got %v", got)
	}
}

func FuzzDecode(f *testing.F) {
	for kind := range byte(9) {
		raw := make([]byte, 900)
		raw[16], raw[20] = kind, 16
		raw[32] = 16
		f.Add(raw)
		f.Add(raw[:40])
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		aligned := make([]uint64, len(raw)/8+1)
		buf := bytesOf(aligned)[:len(raw)]
		copy(buf, raw)
		var e Event
		if err := Decode(buf, &e); err != nil {
			return
		}
		switch e.Kind {
		case Data, Datagram:
			if len(e.Payload) > int(e.Data.Len) || len(e.Payload) > len(raw) {
				t.Fatalf("payload of %d bytes in %d", len(e.Payload), len(raw))
			}
		case Open:
			_, _, _ = AddrPort(&e.Open.Local), AddrPort(&e.Open.Remote), Path(e.Open)
		case Process:
			_, _ = Args(e.Process), Text(e.Process.Exe[:])
		}
	})
}

func bytesOf(words []uint64) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(words))), len(words)*8)
}
