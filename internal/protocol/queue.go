// SPDX-License-Identifier: Apache-2.0

package protocol

// Extent is when and how completely the bytes of a frame were moved.
type Extent struct {
	First   int64  // time of the first byte
	Last    int64  // time of the last byte
	Missing uint64 // bytes of the frame that were not copied
	Queue   uint32 // nanoseconds that the first byte lay in the socket's queue
	Peer    Peer   // of a datagram
	// AfterLoss says that bytes before the frame were lost, so that frames of the
	// same direction may be missing before it.
	AfterLoss bool
}

// Item is a frame in its queue.
type Item[Frame any] struct {
	Extent
	// Seq numbers the frames of one direction as they begin. No number is used
	// twice on a connection.
	Seq   uint64
	Frame Frame
	size  int // bytes that the frame holds beside itself
}

// Queue holds the frames of one direction, the oldest first, and behind them the
// frame in progress.
type Queue[Frame any] struct {
	items []Item[Frame] // a ring, its length a power of two
	head  int
	n     int
	seq   uint64
	held  int  // the sum of the sizes of all items
	total *int // the engine's sum
	open  bool
}

// resize sets the size of the frame in progress.
func (q *Queue[F]) resize(size int) {
	it := q.At(q.n)
	q.count(size - it.size)
	it.size = size
}

func (q *Queue[F]) count(n int) {
	q.held += n
	*q.total += n
}

// release gives up what the item holds.
func (q *Queue[F]) release(it *Item[F]) {
	var zero F
	it.Frame = zero
	if it.size != 0 {
		q.count(-it.size)
		it.size = 0
	}
}

// Len returns the number of complete frames.
func (q *Queue[F]) Len() int { return q.n }

// At returns the complete frame with index i, 0 being the oldest. It is valid
// until the frame is removed.
func (q *Queue[F]) At(i int) *Item[F] { return &q.items[(q.head+i)&(len(q.items)-1)] }

// Open returns the frame in progress, nil if there is none.
func (q *Queue[F]) Open() *Item[F] {
	if !q.open {
		return nil
	}
	return q.At(q.n)
}

// Pop removes the oldest complete frame.
func (q *Queue[F]) Pop() {
	var zero F
	it := q.At(0)
	it.Frame = zero
	if it.size != 0 {
		q.count(-it.size)
		it.size = 0
	}
	q.head = (q.head + 1) & (len(q.items) - 1)
	q.n--
}

// Remove removes the complete frame with index i. The frames before it or behind it
// move, so it costs as much as the fewer of them are. A frame in progress stays where
// it is, and so do those before it.
func (q *Queue[F]) Remove(i int) {
	q.release(q.At(i))
	if !q.open && i > q.n/2 {
		var zero F
		for ; i < q.n-1; i++ {
			*q.At(i) = *q.At(i + 1)
		}
		q.At(i).Frame, q.At(i).size = zero, 0 // it moved
		q.n--
		return
	}
	for ; i > 0; i-- {
		*q.At(i) = *q.At(i - 1)
	}
	q.At(0).size = 0 // it moved
	q.Pop()
}

// begin adds a frame in progress.
func (q *Queue[F]) begin() *Item[F] {
	if q.n == len(q.items) {
		q.grow()
	}
	it := q.At(q.n) // its frame is zero: every frame removed was made so
	it.Extent, it.Seq = Extent{}, q.seq
	q.seq++
	q.open = true
	return it
}

func (q *Queue[F]) grow() {
	items := make([]Item[F], max(1, 2*len(q.items)))
	for i := range q.n {
		items[i] = *q.At(i)
	}
	q.items, q.head = items, 0
}

// commit makes the frame in progress the newest complete one.
func (q *Queue[F]) commit() {
	q.n++
	q.open = false
}

// abort drops the frame in progress.
func (q *Queue[F]) abort() {
	q.release(q.At(q.n))
	q.open = false
}

// reset empties the queue. Memory of a queue that had grown is given back.
func (q *Queue[F]) reset() {
	const keep = 4
	if len(q.items) > keep {
		q.items = nil
	}
	if q.n > 0 || q.open { // frames that were removed are zero already
		clear(q.items)
		q.count(-q.held)
	}
	q.head, q.n, q.seq, q.open = 0, 0, 0, false
}
