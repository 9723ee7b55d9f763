// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/bits"
	"net/netip"
	"time"
)

// packet is a TCP segment.
type packet struct {
	at       time.Duration // since some epoch
	from, to netip.AddrPort
	seq      uint32
	syn, ack bool
	data     []byte
	len      int // bytes of data that were sent
}

// maxFile bounds the files read: a capture is made from a few exchanges.
const maxFile = 256 << 20

// The block types and link types that are read.
const (
	blockSection   = 0x0a0d0d0a
	blockInterface = 1
	blockPacket    = 6
	linkNull       = 0
	linkEthernet   = 1
	linkRaw        = 101
	linkSLL        = 113
	linkSLL2       = 276
)

var errShort = errors.New("the file ends within a packet")

// readPackets returns the TCP segments of a pcap or pcapng file
// (draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng).
func readPackets(r io.Reader) ([]packet, error) {
	raw, err := io.ReadAll(io.LimitReader(r, maxFile))
	if err != nil {
		return nil, err
	}
	if len(raw) < 24 {
		return nil, errors.New("too short for a pcap file")
	}
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		switch order.Uint32(raw) {
		case 0xa1b2c3d4:
			return readPcap(raw, order, time.Microsecond)
		case 0xa1b23c4d:
			return readPcap(raw, order, time.Nanosecond)
		}
	}
	if binary.LittleEndian.Uint32(raw) == blockSection {
		return readPcapng(raw)
	}
	return nil, errors.New("neither pcap nor pcapng")
}

func readPcap(raw []byte, order binary.ByteOrder, unit time.Duration) ([]packet, error) {
	link := int(order.Uint32(raw[20:]) & 0xffff)
	var packets []packet
	for raw = raw[24:]; len(raw) > 0; {
		if len(raw) < 16 {
			return packets, errShort
		}
		seconds, fraction, n := order.Uint32(raw), order.Uint32(raw[4:]), order.Uint32(raw[8:])
		if raw = raw[16:]; uint64(n) > uint64(len(raw)) {
			return packets, errShort
		}
		at := time.Duration(seconds)*time.Second + time.Duration(fraction)*unit
		packets = appendFrame(packets, at, link, raw[:n])
		raw = raw[n:]
	}
	return packets, nil
}

func readPcapng(raw []byte) ([]packet, error) {
	var packets []packet
	var links []int
	var rates []uint64 // ticks of a second, by interface
	var order binary.ByteOrder = binary.LittleEndian
	for len(raw) >= 12 {
		kind := order.Uint32(raw)
		if kind == blockSection {
			order = binary.LittleEndian
			if binary.BigEndian.Uint32(raw[8:]) == 0x1a2b3c4d {
				order = binary.BigEndian
			}
			links, rates = nil, nil
		}
		n := order.Uint32(raw[4:])
		if n < 12 || n%4 != 0 || uint64(n) > uint64(len(raw)) {
			return packets, errShort
		}
		body := raw[8 : n-4]
		raw = raw[n:]
		switch {
		case kind == blockInterface && len(body) >= 8:
			links = append(links, int(order.Uint16(body)))
			rates = append(rates, resolution(body[8:], order))
		case kind == blockPacket && len(body) >= 20:
			i, captured := order.Uint32(body), order.Uint32(body[12:])
			if uint64(i) >= uint64(len(links)) || uint64(captured) > uint64(len(body)-20) {
				return packets, fmt.Errorf("a packet of interface %d with %d bytes: out of bounds", i, captured)
			}
			ticks := uint64(order.Uint32(body[4:]))<<32 | uint64(order.Uint32(body[8:]))
			packets = appendFrame(packets, duration(ticks, rates[i]), links[i], body[20:20+captured])
		}
	}
	return packets, nil
}

// duration returns the time of a number of ticks.
func duration(ticks, rate uint64) time.Duration {
	high, low := bits.Mul64(ticks%rate, uint64(time.Second))
	fraction, _ := bits.Div64(high, low, rate)
	return time.Duration(ticks/rate)*time.Second + time.Duration(fraction)
}

// resolution returns the ticks of a second, from an interface's options.
func resolution(options []byte, order binary.ByteOrder) uint64 {
	const timeResolution, microseconds = 9, 1_000_000
	for len(options) >= 4 {
		code, n := order.Uint16(options), int(order.Uint16(options[2:]))
		if options = options[4:]; n > len(options) || code == 0 {
			break
		}
		if code == timeResolution && n == 1 {
			power := options[0] & 0x7f
			if options[0]&0x80 != 0 {
				return 1 << min(power, 62)
			}
			return uint64(math.Pow10(int(min(power, 18))))
		}
		options = options[min((n+3)&^3, len(options)):]
	}
	return microseconds
}

// appendFrame appends the frame if it is a TCP segment.
func appendFrame(packets []packet, at time.Duration, link int, frame []byte) []packet {
	header, etherType := map[int]int{linkNull: 4, linkEthernet: 14, linkRaw: 0, linkSLL: 16, linkSLL2: 20}[link], 0
	if len(frame) < header {
		return packets
	}
	switch link {
	case linkEthernet, linkSLL:
		etherType = header - 2
	case linkSLL2:
		etherType = 0
	case linkNull, linkRaw:
	default:
		return packets
	}
	if link == linkEthernet && bytes.Equal(frame[etherType:header], []byte{0x81, 0x00}) && len(frame) >= 18 {
		header += 4 // IEEE 802.1Q
	}
	p, ok := parseIP(frame[header:])
	if !ok {
		return packets
	}
	p.at = at
	return append(packets, p)
}

// parseIP reads an IP packet that holds a TCP segment and is no fragment.
func parseIP(b []byte) (packet, bool) {
	if len(b) < 20 {
		return packet{}, false
	}
	switch b[0] >> 4 {
	case 4:
		header, total := int(b[0]&15)*4, int(binary.BigEndian.Uint16(b[2:]))
		if b[9] != 6 || header < 20 || len(b) < header || binary.BigEndian.Uint16(b[6:])&0x3fff != 0 {
			return packet{}, false
		}
		if total == 0 {
			total = len(b) // segmentation was left to the network card
		}
		from, to := netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20]))
		return parseTCP(b[header:], from, to, total-header)
	case 6:
		if len(b) < 40 || b[6] != 6 {
			return packet{}, false
		}
		from, to := netip.AddrFrom16([16]byte(b[8:24])), netip.AddrFrom16([16]byte(b[24:40]))
		return parseTCP(b[40:], from, to, int(binary.BigEndian.Uint16(b[4:])))
	}
	return packet{}, false
}

// parseTCP reads a segment of which length bytes were sent.
func parseTCP(b []byte, from, to netip.Addr, length int) (packet, bool) {
	if len(b) < 20 {
		return packet{}, false
	}
	header := int(b[12]>>4) * 4
	if header < 20 || header > len(b) || header > length {
		return packet{}, false
	}
	p := packet{
		from: netip.AddrPortFrom(from, binary.BigEndian.Uint16(b)),
		to:   netip.AddrPortFrom(to, binary.BigEndian.Uint16(b[2:])),
		seq:  binary.BigEndian.Uint32(b[4:]),
		syn:  b[13]&2 != 0, ack: b[13]&16 != 0,
		data: b[header:min(len(b), length)], len: length - header,
	}
	return p, true
}
