// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"strconv"
)

// The types and classes that the code tells apart: RFC 1035 section 3.2, and
// https://www.iana.org/assignments/dns-parameters.
const (
	typeA     = 1
	typeNS    = 2
	typeCNAME = 5
	typeSOA   = 6
	typePTR   = 12
	typeMX    = 15
	typeTXT   = 16
	typeAAAA  = 28
	typeSRV   = 33
	typeDNAME = 39
	typeOPT   = 41
	typeSVCB  = 64
	typeHTTPS = 65
	typeSPF   = 99
	typeIXFR  = 251
	typeAXFR  = 252

	classIN = 1
)

// typeNames are the types with a name that are seen in questions.
var typeNames = map[uint16]string{
	1: "A", 2: "NS", 5: "CNAME", 6: "SOA", 10: "NULL", 11: "WKS", 12: "PTR", 13: "HINFO", 15: "MX", 16: "TXT",
	17: "RP", 18: "AFSDB", 24: "SIG", 25: "KEY", 28: "AAAA", 29: "LOC", 33: "SRV", 35: "NAPTR", 36: "KX", 37: "CERT",
	39: "DNAME", 41: "OPT", 42: "APL", 43: "DS", 44: "SSHFP", 45: "IPSECKEY", 46: "RRSIG", 47: "NSEC", 48: "DNSKEY",
	49: "DHCID", 50: "NSEC3", 51: "NSEC3PARAM", 52: "TLSA", 53: "SMIMEA", 55: "HIP", 59: "CDS", 60: "CDNSKEY",
	61: "OPENPGPKEY", 62: "CSYNC", 63: "ZONEMD", 64: "SVCB", 65: "HTTPS", 99: "SPF", 108: "EUI48", 109: "EUI64",
	249: "TKEY", 250: "TSIG", 251: "IXFR", 252: "AXFR", 255: "ANY", 256: "URI", 257: "CAA", 32769: "DLV",
}

// typeName returns the name of a type, by RFC 3597 section 5 where it has none.
func typeName(kind uint16) string {
	if name, ok := typeNames[kind]; ok {
		return name
	}
	return "TYPE" + strconv.Itoa(int(kind))
}

func appendType(b []byte, kind uint16) []byte {
	if name, ok := typeNames[kind]; ok {
		return append(b, name...)
	}
	return strconv.AppendUint(append(b, "TYPE"...), uint64(kind), 10)
}

// rcodeNames are the names of response codes: those of RFC 6895 section 2.3, without
// the ones that only records of TSIG and TKEY carry.
var rcodeNames = [...]string{
	"NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET", "NXRRSET", "NOTAUTH",
	"NOTZONE", "DSOTYPENI", "RCODE12", "RCODE13", "RCODE14", "RCODE15", "BADVERS", "RCODE17", "RCODE18", "RCODE19",
	"RCODE20", "RCODE21", "RCODE22", "BADCOOKIE",
}

func rcodeName(rcode uint16) string {
	if int(rcode) < len(rcodeNames) {
		return rcodeNames[rcode]
	}
	return "RCODE" + strconv.Itoa(int(rcode))
}

// The opcodes with a use: RFC 1035 section 4.1.1, RFC 1996 and RFC 2136.
const (
	opQuery  = 0
	opNotify = 4
	opUpdate = 5
)

// maxBody is after how many bytes of text the answers of a message are left out: names
// are compressed, so that their text may be a hundred times as long as the message.
// num_answers says how many there are.
const maxBody = 16 << 10

// appendAnswer appends the record as a JSON object.
func appendAnswer(b, msg []byte, r *record) []byte {
	var room [maxNameText]byte
	name, _, _ := appendName(room[:0], msg, r.name)
	b = append(appendText(append(b, `{"name":"`...), name), `","type":"`...)
	b = append(appendType(b, r.kind), '"', ',')
	switch {
	case isAddress(r):
		b = append(b, `"addr":"`...)
		b = appendIP(b, msg[r.data:r.end])
	case r.kind == typeCNAME:
		b = append(b, `"cname":"`...)
		b = appendData(b, msg, r)
	default:
		b = append(b, `"data":"`...)
		b = appendData(b, msg, r)
	}
	return append(b, `"}`...)
}

// isAddress reports whether the record holds an address of the internet.
func isAddress(r *record) bool {
	return r.class == classIN && (r.kind == typeA && r.end-r.data == 4 || r.kind == typeAAAA && r.end-r.data == 16)
}

// appendIP appends the address of four or 16 bytes.
func appendIP(b, ip []byte) []byte {
	addr, _ := netip.AddrFromSlice(ip)
	return addr.AppendTo(b)
}

// appendAddress adds the record to a list of addresses, if it holds one.
func appendAddress(b, msg []byte, r *record) []byte {
	if !isAddress(r) || len(b) > maxBody {
		return b
	}
	if len(b) > 0 {
		b = append(b, ',')
	}
	return appendIP(b, msg[r.data:r.end])
}

// appendData appends what a record says, in its presentation format and as the inside
// of a JSON string. Data that is not of its type's form, or of a type that has none
// here, is written in hex by RFC 3597 section 5.
func appendData(b, msg []byte, r *record) []byte {
	var room [2 * maxNameText]byte
	if text, ok := appendFields(room[:0], msg, r); ok {
		return appendText(b, text)
	}
	const most = 256 // bytes in hex
	data := msg[r.data:r.end]
	b = strconv.AppendInt(append(b, `\\# `...), int64(len(data)), 10)
	if len(data) == 0 {
		return b
	}
	b = hex.AppendEncode(append(b, ' '), data[:min(len(data), most)])
	if len(data) > most {
		b = append(b, "..."...)
	}
	return b
}

// appendFields appends the fields of a record's data. It returns false where they are
// not those of its type.
func appendFields(b, msg []byte, r *record) (out []byte, ok bool) {
	data := msg[r.data:r.end]
	switch r.kind {
	case typeCNAME, typeNS, typePTR, typeDNAME:
		return appendNameTo(b, msg, r.data, r.end)
	case typeMX:
		return appendNumbersAndName(b, msg, r, 1)
	case typeSRV:
		return appendNumbersAndName(b, msg, r, 3)
	case typeSOA:
		return appendSOA(b, msg, r)
	case typeTXT, typeSPF:
		return appendStrings(b, data)
	case typeSVCB, typeHTTPS:
		return appendService(b, msg, r)
	}
	return b, false
}

// appendNameTo appends the name that lies from off to end.
func appendNameTo(b, msg []byte, off, end int) ([]byte, bool) {
	b, next, ok := appendName(b, msg, off)
	return b, ok && next == end
}

// appendNumbersAndName appends n numbers of 16 bits and the name behind them.
func appendNumbersAndName(b, msg []byte, r *record, n int) ([]byte, bool) {
	off := r.data + 2*n
	if off > r.end {
		return b, false
	}
	for i := range n {
		b = append(strconv.AppendUint(b, uint64(binary.BigEndian.Uint16(msg[r.data+2*i:])), 10), ' ')
	}
	return appendNameTo(b, msg, off, r.end)
}

// appendSOA appends two names and five numbers: RFC 1035 section 3.3.13.
func appendSOA(b, msg []byte, r *record) ([]byte, bool) {
	off, ok := r.data, false
	for range 2 {
		if b, off, ok = appendName(b, msg, off); !ok {
			return b, false
		}
		b = append(b, ' ')
	}
	if off+20 != r.end {
		return b, false
	}
	for i := range 5 {
		if i > 0 {
			b = append(b, ' ')
		}
		b = strconv.AppendUint(b, uint64(binary.BigEndian.Uint32(msg[off+4*i:])), 10)
	}
	return b, true
}

// appendStrings appends strings of up to 255 bytes in quotes.
func appendStrings(b, data []byte) ([]byte, bool) {
	for first := true; len(data) > 0; first = false {
		n := 1 + int(data[0])
		if n > len(data) {
			return b, false
		}
		if !first {
			b = append(b, ' ')
		}
		b = append(appendString(append(b, '"'), data[1:n]), '"')
		data = data[n:]
	}
	return b, true
}

// appendString appends the inside of a quoted string.
func appendString(b, s []byte) []byte {
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c >= ' ' && c < 0x7f:
			b = append(b, c)
		default:
			b = append(b, '\\', '0'+c/100, '0'+c/10%10, '0'+c%10)
		}
	}
	return b
}

// appendText appends visible characters as the inside of a JSON string.
func appendText(b, s []byte) []byte {
	for _, c := range s {
		if c == '"' || c == '\\' {
			b = append(b, '\\')
		}
		b = append(b, c)
	}
	return b
}

// appendHeader appends the header as a JSON object.
func appendHeader(b []byte, h *header) []byte {
	for i, field := range [...]struct {
		name  string
		value uint64
	}{
		{"txid", uint64(h.id)}, {"qr", h.bit(flagQR)}, {"opcode", uint64(h.opcode())}, {"aa", h.bit(flagAA)},
		{"tc", h.bit(flagTC)}, {"rd", h.bit(flagRD)}, {"ra", h.bit(flagRA)}, {"ad", h.bit(flagAD)},
		{"cd", h.bit(flagCD)}, {"rcode", uint64(h.flags & rcodeBit)}, {"num_queries", uint64(h.counts[questions])},
		{"num_answers", uint64(h.counts[answers])}, {"num_auth", uint64(h.counts[authorities])},
		{"num_addl", uint64(h.counts[additionals])},
	} {
		b = append(b, "{,"[min(i, 1)], '"')
		b = append(append(b, field.name...), '"', ':')
		b = strconv.AppendUint(b, field.value, 10)
	}
	return append(b, '}')
}
