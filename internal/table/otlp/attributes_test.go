// SPDX-License-Identifier: Apache-2.0

package otlp

import (
	"fmt"
	"runtime"
	"testing"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// TestLayoutIsKnown fails when a new pdata has another layout, so that the loss
// of speed is seen.
func TestLayoutIsKnown(t *testing.T) {
	if newLayout() == nil {
		t.Error("pdata's attributes have another layout than keyValue")
	}
}

// TestUnsafeAttributes makes many maps both ways, changes them by pdata's own
// methods, and compares them after the garbage was collected.
func TestUnsafeAttributes(t *testing.T) {
	public, private := attributes{}, attributes{layout: newLayout()}
	fill := func(a *attributes, span ptrace.Span, n int) {
		a.start(span.Attributes(), n%5, n%3, n%2)
		for i := range n {
			key := fmt.Sprint("key", i)
			switch i % 5 {
			case 0, 1:
				a.str(key, fmt.Sprint("text", n, i))
			case 2:
				a.int(key, int64(n*i))
			case 3:
				a.bool(key, n%2 == 0)
			case 4:
				a.double(key, float64(i)/2)
			}
		}
		if got := a.finish(); got != n {
			t.Errorf("finish says %d, want %d", got, n)
		}
		m := span.Attributes()
		if n > 6 {
			m.PutStr("key0", "set")
			m.PutEmptyMap("key1").PutStr("in", "side")
			m.Remove("key2")
			m.PutInt("more", 1)
			m.RemoveIf(func(k string, _ pcommon.Value) bool { return k == "key3" })
		}
	}
	a, b := ptrace.NewSpanSlice(), ptrace.NewSpanSlice()
	for n := range 2000 {
		fill(&public, a.AppendEmpty(), n%40)
		fill(&private, b.AppendEmpty(), n%40)
		if n%500 == 0 {
			runtime.GC()
		}
	}
	runtime.GC()
	for n := range a.Len() {
		if !a.At(n).Attributes().Equal(b.At(n).Attributes()) {
			t.Fatalf("%d: %v, want %v", n, b.At(n).Attributes().AsRaw(), a.At(n).Attributes().AsRaw())
		}
	}
}
