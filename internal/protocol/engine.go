// SPDX-License-Identifier: Apache-2.0

package protocol

import (
	"hash/maphash"
	"time"

	"github.com/puck-otel/puck/internal/table"
)

// Config bounds an engine. A zero field means its default.
type Config struct {
	// Capture is how many bytes of each call the kernel copies for a protocol that
	// asks for no other size. Default 4096.
	Capture int
	// FrameBytes bounds the unfinished bytes kept for one direction. Default
	// 128 KiB, above the longest head that servers accept by default.
	FrameBytes int
	// TotalBytes bounds the bytes that the engine holds: unfinished ones, and the
	// strings of frames that wait to be paired. Of the latter, one direction of a
	// connection may hold a sixteenth, or it is given up. Default 32 MiB.
	TotalBytes int
	// MatchBytes is after how many bytes, in both directions together, a connection
	// that no protocol knows is ignored. Default 8 KiB.
	MatchBytes int
	// SkipBytes is the least number of bytes of no use that is worth telling the kernel
	// side to skip. Default 8 KiB.
	SkipBytes int
	// FrameTimeout is how long an unfinished frame's bytes are kept when nothing
	// follows, and the memory of a connection that is idle. Default 30 s.
	FrameTimeout time.Duration
}

func (c Config) withDefaults() Config {
	orDefault(&c.Capture, 4<<10)
	orDefault(&c.FrameBytes, 128<<10)
	orDefault(&c.TotalBytes, 32<<20)
	orDefault(&c.MatchBytes, 8<<10)
	orDefault(&c.SkipBytes, 8<<10)
	orDefault(&c.FrameTimeout, 30*time.Second)
	return c
}

func orDefault[T int | time.Duration](v *T, def T) {
	if *v <= 0 {
		*v = def
	}
}

const (
	// maxFree bounds each list of memory kept for reuse.
	maxFree = 256
	// silence is after how many nanoseconds a frame of unknown length may be over.
	silence = int64(2 * time.Second)
	// frameShare is which part of TotalBytes the frames may hold that wait in one
	// queue.
	frameShare = 16
	// lightFrame is how many bytes a frame may have that is not worth counting if it
	// is the only one that waits.
	lightFrame = 1 << 10
	// maxFreeBuffer keeps the rare large buffer from staying in such a list.
	maxFreeBuffer = 16 << 10
)

// Engine turns the bytes of many connections into rows. It belongs to one
// goroutine.
type Engine struct {
	config    Config
	protocols []Protocol
	runners   []runner
	emit      func(*Conn, *table.Row)
	intern    *Intern
	streams   []*Stream
	free      []*Stream
	buffers   [][]byte
	addresses addresses
	stats     Stats
}

// NewEngine returns an engine that tries the protocols in their order, of which
// there may be 64. It calls emit, from within Data, EOF, Close and Expire, with
// each row and its connection; emit must not call the stream or the engine.
func NewEngine(config Config, protocols []Protocol, emit func(*Conn, *table.Row)) *Engine {
	e := &Engine{config: config.withDefaults(), protocols: protocols, emit: emit, intern: newIntern()}
	e.addresses.seed = maphash.MakeSeed()
	e.stats.Protocols = make([]Counters, len(protocols))
	for i, p := range protocols {
		e.runners = append(e.runners, p.newRunner(e, &e.stats.Protocols[i]))
	}
	return e
}

// Stats returns the engine's counters, which go on counting: read them on the
// engine's goroutine.
func (e *Engine) Stats() *Stats {
	e.stats.Streams = len(e.streams)
	return &e.stats
}

// Open begins a connection. The engine sets c.Role when it finds it out.
func (e *Engine) Open(c *Conn) *Stream {
	var s *Stream
	if n := len(e.free); n > 0 {
		s, e.free = e.free[n-1], e.free[:n-1]
	} else {
		s = new(Stream)
	}
	*s = Stream{engine: e, conn: c, protocol: -1, index: len(e.streams)}
	s.settled = !c.Joined && c.Role != UnknownRole || c.Transport == UDP // a datagram is whole
	e.streams = append(e.streams, s)
	e.stats.Opened++
	return s
}

// forget takes the stream off the engine's list.
func (e *Engine) forget(s *Stream) {
	last := len(e.streams) - 1
	e.streams[s.index] = e.streams[last]
	e.streams[s.index].index = s.index
	e.streams[last] = nil
	e.streams = e.streams[:last]
	*s = Stream{ignored: true, closed: true, protocol: -1}
	if len(e.free) < maxFree {
		e.free = append(e.free, s)
	}
}

// Expire drops unfinished frames that nothing was added to for long, and lets
// each protocol act on frames that have waited long enough. It looks at every
// stream, so once a second is often enough.
func (e *Engine) Expire(now int64) {
	for _, s := range e.streams {
		for side := range s.halves {
			h := &s.halves[side]
			if len(h.buf) > 0 && now-h.touched > int64(e.config.FrameTimeout) {
				s.stale(h, Side(side))
			}
		}
		if s.session == nil {
			continue
		}
		for side := range s.halves {
			if h := &s.halves[side]; h.ext != nil && now-h.ext.Last > silence {
				s.turn(s.dir(Side(side)), Tick, now)
			}
		}
		if s.session.pending() > 0 {
			s.stitch(Tick, now)
		} else if now-s.active > int64(e.config.FrameTimeout) && s.halves[Send].ext == nil && s.halves[Recv].ext == nil {
			s.session.shrink()
		}
	}
}

// buffer returns an empty buffer with room for n bytes.
func (e *Engine) buffer(n int) []byte {
	if last := len(e.buffers) - 1; last >= 0 && n <= cap(e.buffers[last]) {
		b := e.buffers[last]
		e.buffers = e.buffers[:last]
		return b[:0]
	}
	return make([]byte, 0, max(n, 512))
}

// recycle takes a buffer back.
func (e *Engine) recycle(b []byte) {
	if cap(b) > 0 && cap(b) <= maxFreeBuffer && len(e.buffers) < maxFree {
		e.buffers = append(e.buffers, b)
	}
}
