// SPDX-License-Identifier: Apache-2.0

package protocol

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestRemove compares a queue with a slice while frames come and go at any place, with
// one in progress or not.
func TestRemove(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	total := 0
	q := &Queue[int]{total: &total}
	var model []int
	for step := range 100_000 {
		switch n := rng.IntN(4); {
		case n < 2 && !q.open && len(model) < 20:
			q.begin().Frame = step + 1
			q.resize(1)
		case n < 2 && q.open:
			model = append(model, q.Open().Frame)
			q.commit()
		case len(model) > 0:
			i := rng.IntN(len(model))
			q.Remove(i)
			model = slices.Delete(model, i, i+1)
		}
		got := make([]int, 0, q.Len())
		for i := range q.Len() {
			got = append(got, q.At(i).Frame)
		}
		want := len(model)
		if q.open {
			want++
		}
		if !slices.Equal(got, model) || total != want {
			t.Fatalf("step %d: %v of size %d, want %v of size %d", step, got, total, model, want)
		}
		if !q.open && len(q.items) > q.n && (q.At(q.n).Frame != 0 || q.At(q.n).size != 0) {
			t.Fatalf("step %d: what was removed is not zero", step)
		}
	}
}
