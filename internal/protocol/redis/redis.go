// SPDX-License-Identifier: Apache-2.0

// Package redis reads the Redis serialization protocol, versions 2 and 3
// (https://redis.io/docs/latest/develop/reference/protocol-spec/), as Redis, Valkey
// and their kin speak it.
package redis

import (
	"github.com/puck-otel/puck/internal/protocol"
)

// Config says what to keep of each exchange. The zero value keeps the command's name
// and no values.
type Config struct {
	// ValueBytes is how many bytes to keep of a command's arguments, and as many of
	// its reply. It is cut at 64 KiB.
	ValueBytes int
	// Capture is how many bytes of each call the kernel copies, if it is more than the
	// engine's default. Default 16 KiB: as much as Redis reads in a call, so that no
	// command of a pipeline is missing.
	Capture int
}

const (
	// maxValues keeps what is waited for below what the engine buffers.
	maxValues = 64 << 10
	// maxDepth bounds how deep replies nest. Redis itself stays below ten, scripts
	// and modules may go deeper.
	maxDepth = 128
	// maxName bounds a command's name. The longest that Redis has has 20 characters.
	maxName = 64
	// maxCount bounds the elements of an aggregate, and maxBulk a string, far above
	// what servers accept by default, so that both are the sign of other bytes.
	maxCount = 1 << 32
	maxBulk  = 1 << 40
	// maxHeader bounds the line before a string or an aggregate.
	maxHeader = 32
	// maxLine is how much of a line is waited for. The rest of a longer one passes
	// by: MONITOR writes whole commands on one.
	maxLine = 4 << 10
	// maxInline is what Redis accepts of an inline command.
	maxInline = 64 << 10
)

// codec is the configuration as the functions of the Spec use it.
type codec struct {
	values int
}

// New returns the protocol.
func New(c Config) protocol.Protocol {
	k := &codec{values: min(c.ValueBytes, maxValues)}
	if c.Capture <= 0 {
		c.Capture = 16 << 10
	}
	return protocol.Spec[message, Record, state]{
		Title: "redis", Table: Table, Capture: c.Capture,
		Match: match, Parse: k.parse, Resync: resync, Turn: turn, Size: size, Stitch: stitch,
	}
}

// phase is what the next bytes of a message are.
type phase uint8

const (
	header phase = iota // a line: the message's first, or that of its next element
	bulk                // remaining bytes of a string and its line end
	rest                // of a line that is longer than what is kept of it
	cut                 // of unknown length, since bytes are missing
)

// kind is what the first element of a reply says of it.
type kind uint8

const (
	reply   kind = iota
	publish      // message, pmessage, smessage
	monitored
	subscribe // and the like: confirmations, one for each channel
	psubscribe
	ssubscribe
	unsubscribe
	punsubscribe
	sunsubscribe
)

// kinds are the first elements that matter.
var kinds = map[string]kind{
	"message": publish, "pmessage": publish, "smessage": publish,
	"subscribe": subscribe, "psubscribe": psubscribe, "ssubscribe": ssubscribe,
	"unsubscribe": unsubscribe, "punsubscribe": punsubscribe, "sunsubscribe": sunsubscribe,
}

// confirms returns the kind that confirms a command, reply for most.
func confirms(cmd string) kind {
	switch cmd {
	case "SUBSCRIBE":
		return subscribe
	case "PSUBSCRIBE":
		return psubscribe
	case "SSUBSCRIBE":
		return ssubscribe
	case "UNSUBSCRIBE":
		return unsubscribe
	case "PUNSUBSCRIBE":
		return punsubscribe
	case "SUNSUBSCRIBE":
		return sunsubscribe
	}
	return reply
}

// message is a frame: a command or a reply.
type message struct {
	phase     phase
	first     byte // the type of a reply, '*' or 0 of a command
	typ       byte // of the string in progress
	kind      kind // of a reply, or of those that confirm the command
	taken     bool // what is needed of the string in progress was seen
	truncated bool
	afterCut  bool // messages may be missing before it: see cut
	broken    bool // bytes before it were none of the protocol
	silent    bool // a command that has no reply
	secret    bool // a command whose arguments are not kept
	full      bool // no more of its values is kept
	streamed  bool // a string in chunks is in progress
	quoted    bool // its text ends with a quotation mark
	ok        bool // a reply that is OK
	hidden    uint8
	want      int   // bytes of the string in progress that are needed
	remaining int64 // bytes of the string in progress, its line end included
	left      int64 // arguments yet to come
	args      int64 // of the command, its name left out
	number    int64 // the last integer of a reply that is flat
	cmd       string
	query     string // the command with ? for each argument
	code      string // of an error
	db        string // that SELECT names
	text      []byte // arguments as a JSON array, or the reply
}

// level is an aggregate in progress.
type level struct {
	left   int64 // elements, less than 0 in a stream of unknown length
	seen   int64
	typ    byte
	drawn  bool // it began in the text that is kept
	hidden bool // attributes, which are no part of the reply's text
}

// state is what both directions share.
type state struct {
	levels []level // of the reply in progress
	// cut says by Direction that messages may be missing behind one of unknown length.
	cut [2]bool
	// broken says so of bytes that were none of the protocol.
	broken [2]bool
	// muted and skip follow CLIENT REPLY: no command has a reply, or the next has none.
	muted, skip bool
	resp3       bool
	monitor     bool
	pipelined   bool  // a command was seen to begin before the reply to the one before
	windowed    bool  // a command was sent between the replies to a pipeline
	drained     uint8 // how often all was answered before the next command
	unsure      bool  // replies cannot be told apart until none is outstanding
	subscribed  int64 // channels and patterns
	shards      int64
	channels    [3]int64 // of each of the three ways to subscribe
	confirmed   int64    // replies to the oldest command, which has several
	expected    int64
	began       protocol.Extent // the first of them
	text        []byte          // what was kept of them
	lastReply   int64           // when the last reply ended
	db          string
}

// size returns the bytes of memory that a message holds beside itself. Names and
// queries are shared.
func size(m *message) int { return cap(m.text) + len(m.db) }

// turn ends a message of unknown length when the other side begins its next, or
// after a while.
func turn(s *state, d protocol.Direction, _ protocol.Why, m *message) bool {
	if m.phase != cut {
		return false
	}
	s.cut[d] = true
	return true
}
