// SPDX-License-Identifier: Apache-2.0

// Package protocol turns the bytes that processes read and write into rows.
//
// A protocol is one folder that holds one [Spec], and one line in the ordered
// slice of internal/protocol/all. A Spec is a handful of pure functions:
//
//   - Match says by content whether the first bytes of a direction are the
//     protocol's, and where it can which direction they are.
//   - Parse advances one frame: it is given what is at hand and the frame as it
//     left it, so that a body of any size passes through without being kept.
//   - Resync finds where the next message may begin after bytes were lost.
//   - Turn (optional) says that a frame of unknown length is over because the
//     other direction began its next frame, or because of silence.
//   - Stitch pairs the frames of both directions and emits a row for each record.
//   - Size (optional) is the memory that a frame holds, which the engine bounds.
//
// The [Engine], written once, owns everything else: buffers, gaps, resync,
// limits, matching and giving up, expiry, time and counters. An engine serves one
// goroutine. It takes no lock, starts nothing, and reads no clock: time comes in
// with each call.
//
// # The face a receiver uses
//
//	e := protocol.NewEngine(protocol.Config{}, all.Protocols(all.Config{}), emit)
//	s := e.Open(conn)                 // conn.Role may be UnknownRole
//	s.Data(protocol.Recv, segment)    // segment.Data is not kept
//	n := s.Verdict()                  // bytes of each call to copy from now on
//	p := s.Skip(protocol.Recv)        // no bytes before this position are of use
//	s.EOF(protocol.Recv, end, now)    // one side's byte stream ended
//	s.Close(ends, now)                // s must not be used any more
//	e.Expire(now)                     // about once a second
//	e.Stats()                         // live counters
//
// The connection and row that emit is given are the engine's again when emit
// returns: the row's memory is reused, its strings may be kept.
//
// # Adding a protocol
//
// Declare the frame (what one message leaves behind), the record (one struct a
// row, which embeds [Exchange]), and the state that both directions share. Make
// the table with [Columns] first, so that the columns all protocols have read
// the same, and return the Spec from New(Config). Then write captures: a file
// in testdata holds what each side sent and the rows expected, and prototest
// runs it whole, in one-byte reads, with each read lost, and from both ends of
// the connection.
//
// What the framework carries without change: streams interleaved on one
// connection (Stitch may take frames out of either queue in any order),
// compression state (State, in the order in which Parse is called), servers that
// speak first (Match sees either direction), messages without an answer (Stitch
// emits them at once), answers that never come ([Tick] and [Closed]), protocols
// that end in another one ([Last], [Switch]), larger captures (Spec.Capture), and
// datagrams (Spec.Datagrams: each ends where its segment ends, and its frame has a peer
// of its own, from which the row's remote_addr and remote_port come).
package protocol
