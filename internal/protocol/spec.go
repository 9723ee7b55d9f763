// SPDX-License-Identifier: Apache-2.0

package protocol

import (
	"github.com/puck-otel/puck/internal/table"
)

// Direction is the way of bytes by their meaning.
type Direction uint8

// The directions. Either stands for a direction that is not known.
const (
	Request Direction = iota
	Response
	Either
)

// Match is what a protocol makes of the first bytes of a direction.
type Match uint8

// The answers to "is it yours".
const (
	No         Match = iota // not mine, whatever follows
	Maybe                   // more bytes are needed to tell
	IsRequest               // mine, and these bytes are requests
	IsResponse              // mine, and these bytes are responses
	Yes                     // mine, but the direction does not show
)

// Status is what Parse made of the bytes at hand.
type Status uint8

// The statuses of Parse.
const (
	// More: the frame goes on behind the bytes consumed. Bytes left over are shown
	// again with those that follow them.
	More Status = iota
	// Done: the frame is complete.
	Done
	// Skip: the bytes consumed belong to no frame. What the frame holds is dropped.
	Skip
	// Lost: missing bytes make the frame unusable. The engine resyncs.
	Lost
	// Invalid: the bytes are not the protocol's. The engine resyncs, and a protocol
	// that says so too often loses the connection.
	Invalid
	// Last: as Done, and nothing behind the frame can be parsed, in either
	// direction. The connection is ignored from here.
	Last
	// Switch: as Done, and another protocol follows in both directions.
	Switch
)

// Why says why a function of a Spec is called.
type Why uint8

// The occasions of Stitch and Turn.
const (
	Framed  Why = iota // a frame was completed
	Tick               // time passed: see Stitcher.Now
	Closed             // the connection ended: what is pending must be emitted or dropped
	GivenUp            // as Closed, but the connection goes on unseen
)

// Input is what Parse works on.
type Input[Frame, State any] struct {
	Conn  *Conn
	State *State
	// Requests and Responses are the complete frames that Stitch has not taken yet,
	// and the one in progress.
	Requests, Responses *Queue[Frame]
	Intern              *Intern
	Dir                 Direction
	// EOF says that nothing follows Data: the stream or the datagram ended.
	EOF bool
	// Data are the bytes at hand, from the first that was not consumed.
	Data []byte
	// Gap is the number of bytes right behind Data that were not copied. Parse may
	// consume them like others, in part as well.
	Gap int
	// Time is when the newest of the bytes at hand were moved.
	Time int64
	// Skip is Parse's to set, with [More] and all bytes consumed: so many of those
	// that follow it would only pass over. They may come as a gap then.
	Skip int64
}

// Spec is a protocol. Its functions keep nothing between calls but what they
// write to the frame and to the state: one Spec serves all engines.
type Spec[Frame, Record, State any] struct {
	Title string
	Table *table.Table[Record]
	// Match looks at the first bytes that one direction of c moved. dir is Either
	// as long as the role of c is unknown.
	Match func(c *Conn, dir Direction, data []byte) Match
	// Parse advances the frame, which is zero at the frame's first byte, and returns
	// how many bytes of Data and Gap it consumed. Where Gap is not zero or EOF is
	// set, [More] with bytes left over means that it cannot go on without them.
	Parse func(in *Input[Frame, State], f *Frame) (int, Status)
	// Resync returns the offset of the first byte at which a message may start,
	// len(data) if there is none.
	Resync func(dir Direction, data []byte) int
	// Turn reports whether the frame in progress, whose direction is dir, is over
	// now that the other direction begins a frame ([Framed]) or that nothing was
	// added to it for a while ([Tick]). It may be nil.
	Turn func(s *State, dir Direction, why Why, f *Frame) bool
	// Size returns the bytes of memory that a frame holds beside itself: its strings
	// and slices. The engine bounds their sum. It may be nil, if frames hold none.
	Size func(f *Frame) int
	// Stitch takes frames out of the queues and emits records.
	Stitch func(s *Stitcher[Frame, Record, State])
	// Datagrams says that the protocol is spoken over UDP too. Parse is given a datagram
	// at a time then, with EOF set, and Resync is not asked where the next one begins.
	Datagrams bool
	// Capture is how many bytes of each call the protocol needs, if it is more than the
	// engine's default.
	Capture int
	// Pending bounds the frames that wait in each queue; 0 means 1024. A connection
	// that exceeds it is given up.
	Pending int
}

// defaultPending is far above the pipelines that clients of request-response
// protocols are seen to use.
const defaultPending = 1024

// Protocol is a Spec without its types: what a list of protocols holds. Only
// [Spec] implements it.
type Protocol interface {
	Name() string
	Schema() *table.Schema
	// SpeaksUDP reports whether the protocol is spoken over UDP.
	SpeaksUDP() bool
	match(c *Conn, dir Direction, data []byte) Match
	capture() int
	newRunner(e *Engine, counters *Counters) runner
}

// Name returns the title.
func (s Spec[F, R, S]) Name() string { return s.Title }

// Schema returns the schema of the protocol's rows.
func (s Spec[F, R, S]) Schema() *table.Schema { return &s.Table.Schema }

// SpeaksUDP returns Datagrams.
func (s Spec[F, R, S]) SpeaksUDP() bool { return s.Datagrams }

func (s Spec[F, R, S]) capture() int { return s.Capture }

func (s Spec[F, R, S]) match(c *Conn, dir Direction, data []byte) Match {
	return s.Match(c, dir, data)
}

func (s Spec[F, R, S]) newRunner(e *Engine, counters *Counters) runner {
	if s.Pending == 0 {
		s.Pending = defaultPending
	}
	return &worker[F, R, S]{spec: s, engine: e, counters: counters}
}
