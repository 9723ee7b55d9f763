// SPDX-License-Identifier: Apache-2.0

// Package prototest runs captures: what the two ends of a connection sent, and
// the rows expected of it.
//
// A capture is a text file. Lines that begin with # are comments. The events
// come first:
//
//	> 0ms "GET / HTTP/1.1\r\n\r\n"     the client sent these bytes at that time
//	< 3ms "HTTP/1.1 200 OK\r\n" len=900  the server sent 900 bytes, of which these
//	                                   were copied
//	gap < 120                          120 bytes from the server were not seen
//	eof < 5ms                          the server's byte stream ended
//	tick 60s                           nothing came up to that time
//	close 6ms                          the connection was closed
//	joined                             the connection is older than the agent
//	udp                                each > and < is a datagram, of a UDP socket
//	> 0ms "..." peer=192.0.2.9:4000    the other end of a datagram, whichever end is traced:
//	                                   the socket is not connected then, and the rows
//	                                   show remote_addr and remote_port
//	lossless                           what follows of a lost read cannot be known
//
// Bytes are Go string literals; repeat=N behind one stands for N of it. Then
// comes a line "-- <table> --", and a line for each row: the columns that are
// not zero, without those that only tell of the connection. Times are relative
// to the capture's beginning.
package prototest

import (
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"
)

// kind is what an event is.
type kind uint8

const (
	data kind = iota
	gap
	eof
	tick
	closed
)

// event is a line of a capture.
type event struct {
	kind   kind
	server bool // the server sent it
	at     time.Duration
	data   string
	len    int // bytes moved
	peer   netip.AddrPort
}

// capture is a file.
type capture struct {
	text   string // up to the rows
	events []event
	joined bool
	intact bool // no read is to be lost
	udp    bool
	peers  bool // a datagram has one of its own
	table  string
	rows   []string
}

// load reads a capture.
func load(path string) (*capture, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	c, err := parse(string(raw))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// parse reads the text of a capture.
func parse(text string) (*capture, error) {
	c := &capture{}
	for n, line := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		if c.table != "" {
			if line != "" {
				c.rows = append(c.rows, line)
			}
			continue
		}
		if name, ok := strings.CutPrefix(line, "-- "); ok {
			c.table = strings.TrimSuffix(name, " --")
			continue
		}
		c.text += line + "\n"
		if line == "" || line[0] == '#' {
			continue
		}
		if line == "joined" || line == "lossless" || line == "udp" {
			c.joined, c.intact, c.udp = c.joined || line == "joined", c.intact || line == "lossless", c.udp || line == "udp"
			continue
		}
		e, err := parseEvent(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n+1, err)
		}
		c.events = append(c.events, e)
		c.peers = c.peers || e.peer.IsValid()
	}
	return c, nil
}

// parseEvent reads a line.
func parseEvent(line string) (e event, err error) {
	word, rest, _ := strings.Cut(line, " ")
	switch word {
	case ">", "<":
		e.server = word == "<"
		return parseData(e, rest)
	case "gap", "eof":
		var side string
		side, rest, _ = strings.Cut(rest, " ")
		if side != ">" && side != "<" {
			return e, fmt.Errorf("%q: want > or < behind %s", side, word)
		}
		e.server = side == "<"
		if word == "gap" {
			e.kind = gap
			e.len, err = strconv.Atoi(rest)
			return e, err
		}
		e.kind = eof
	case "close":
		e.kind = closed
	case "tick":
		e.kind = tick
	default:
		return e, fmt.Errorf("%q: not an event", word)
	}
	e.at, err = time.ParseDuration(rest)
	return e, err
}

// parseData reads what follows > or <.
func parseData(e event, rest string) (event, error) {
	at, rest, _ := strings.Cut(rest, " ")
	var err error
	if e.at, err = time.ParseDuration(at); err != nil {
		return e, err
	}
	length := -1
	for rest != "" {
		var word string
		if rest[0] == '"' {
			if word, err = strconv.QuotedPrefix(rest); err != nil {
				return e, fmt.Errorf("%s: %w", rest, err)
			}
			rest = rest[len(word):]
			bytes, _ := strconv.Unquote(word)
			if tail, ok := strings.CutPrefix(rest, " repeat="); ok {
				var times string
				times, rest, _ = strings.Cut(tail, " ")
				n, err := strconv.Atoi(times)
				if err != nil || n < 0 || n*len(bytes) > 1<<24 {
					return e, fmt.Errorf("repeat=%s: want a number that makes at most 16 MiB", times)
				}
				bytes = strings.Repeat(bytes, n)
			}
			e.data += bytes
		} else {
			word, rest, _ = strings.Cut(rest, " ")
			name, value, _ := strings.Cut(word, "=")
			switch name {
			case "len":
				length, err = strconv.Atoi(value)
			case "peer":
				e.peer, err = netip.ParseAddrPort(value)
			default:
				err = fmt.Errorf("%q: want a string, len= or peer=", word)
			}
			if err != nil {
				return e, err
			}
		}
		rest = strings.TrimLeft(rest, " ")
	}
	e.len = max(len(e.data), length)
	return e, nil
}
