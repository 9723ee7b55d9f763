// SPDX-License-Identifier: Apache-2.0

package protocol

// Loss is a reason for which bytes or frames did not become a row, or not a
// whole one.
type Loss uint8

// The reasons.
const (
	LostGap      Loss = iota // the kernel's or the receiver's queue was full
	LostCapture              // beyond what is copied of each call
	LostLimit                // beyond what the engine buffers
	LostInvalid              // not what the protocol says
	LostStale                // an unfinished frame that nothing was added to for long
	LostEnd                  // unfinished when its stream ended or was given up
	LostUnpaired             // a response whose request was not seen
	LostResync               // between a loss and the next message
	Losses                   // the number of reasons
)

// String returns the reason as telemetry says it.
func (l Loss) String() string {
	if l >= Losses {
		return "unknown"
	}
	return [Losses]string{
		"gap", "capture", "limit", "invalid", "stale", "end", "unpaired", "resync",
	}[l]
}

// Outcome is how whole a row is.
type Outcome uint8

// The outcomes.
const (
	Complete   Outcome = iota
	Truncated          // bytes that the row should tell of were lost
	Unanswered         // the connection ended, or a timeout passed, with no answer
	Outcomes           // the number of outcomes
)

// String returns the outcome as telemetry says it.
func (o Outcome) String() string {
	if o >= Outcomes {
		return "unknown"
	}
	return [Outcomes]string{"complete", "truncated", "unanswered"}[o]
}

// Counters are what one protocol did in one engine.
type Counters struct {
	Matched    uint64           // connections
	GivenBack  uint64           // connections that it could not parse after all
	Stopped    uint64           // connections that went on as something else, as the protocol announced
	Frames     [2]uint64        // complete, by Direction
	Rows       [Outcomes]uint64 // emitted
	LostFrames [Losses]uint64   // begun and dropped, or dropped by Stitch
	LostBytes  [Losses]uint64   // that no frame holds
	// SkippedBytes were not copied, and the frame they belong to did not need them.
	SkippedBytes uint64
}

// Stats are the counters of one engine. Each is a total since the engine began,
// but for Streams and Buffered, which are what is there now.
type Stats struct {
	Protocols []Counters // in the order given to NewEngine
	Streams   int        // open
	Opened    uint64
	Ignored   uint64 // streams given up for good
	Unmatched uint64 // bytes moved on streams that no protocol had, or has yet
	Wild      uint64 // positions that no byte stream could have jumped to
	Overlap   uint64 // bytes dropped since their place in the stream had passed
	Buffered  int    // bytes held: of unfinished frames, and by frames that wait
}
