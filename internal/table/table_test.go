// SPDX-License-Identifier: Apache-2.0

package table

import (
	"math"
	"reflect"
	"strings"
	"testing"
)

type record struct {
	text  string
	num   int64
	ratio float64
	yes   bool
	id    ID
	at    Time
}

func text(r *record) string { return r.text }
func num(r *record) int64   { return r.num }

// panics returns what New panics with.
func panics(t *testing.T, columns ...Column[record]) (message string) {
	t.Helper()
	defer func() { message, _ = recover().(string) }()
	New("t", "Doc.", columns...)
	return ""
}

func TestNewPanics(t *testing.T) {
	for name, c := range map[string]struct {
		columns []Column[record]
		want    string
	}{
		"undocumented":       {[]Column[record]{Col("a", "", text)}, "needs a lower-case name and a doc"},
		"nameless":           {[]Column[record]{Col("", "Doc.", text)}, "needs a lower-case name and a doc"},
		"upper case":         {[]Column[record]{Col("A", "Doc.", text)}, "needs a lower-case name and a doc"},
		"repeated":           {[]Column[record]{Col("a", "Doc.", text), Col("a", "Doc.", num)}, "column a is there twice"},
		"repeated attribute": {[]Column[record]{Col("a", "Doc.", text).As("x"), Col("b", "Doc.", num).As("x")}, "both carried by x"},
		"field's type":       {[]Column[record]{Col("a", "Doc.", text).In(SpanStart)}, "holds no STRING"},
		"none":               {nil, ""},
	} {
		if got := panics(t, c.columns...); !strings.Contains(got, c.want) || c.want == "" && got != "" {
			t.Errorf("%s: New panics with %q, want %q", name, got, c.want)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("a table without a doc is made")
		}
	}()
	New[record]("t", "")
}

func TestFill(t *testing.T) {
	table := New("t", "Doc.",
		Col("text", "Doc.", text), Col("num", "Doc.", num).Is(MetricCounter, Bytes).As("x"),
		Col("ratio", "Doc.", func(r *record) float64 { return r.ratio }),
		Col("yes", "Doc.", func(r *record) bool { return r.yes }).Sensitive(),
		Col("upid", "Doc.", func(r *record) ID { return r.id }),
		Col("time_", "Doc.", func(r *record) Time { return r.at }),
	).WithSpan(func(r *record, s *Span) { s.Name = r.text })
	var row Row
	table.Fill(&record{"a", 1, 0.5, true, ID{2, 3}, 4}, &row)
	want := []Value{{Str: "a"}, {Num: 1}, {Num: int64(math.Float64bits(0.5))}, {Num: 1}, {ID: ID{2, 3}}, {Num: 4}}
	if !reflect.DeepEqual(row.Values, want) || row.Span.Name != "a" || row.Schema != &table.Schema {
		t.Errorf("%+v", row)
	}
	table.Fill(&record{}, &row)
	if !reflect.DeepEqual(row, Row{Schema: &table.Schema, Values: make([]Value, 6)}) {
		t.Errorf("a used row is %+v", row)
	}
	b := record{text: "b"}
	if n := testing.AllocsPerRun(100, func() { table.Fill(&b, &row) }); n != 0 {
		t.Errorf("Fill allocates %v times", n)
	}
	if table.Index("yes") != 3 || table.Index("no") != -1 {
		t.Errorf("Index says %d and %d", table.Index("yes"), table.Index("no"))
	}
}

func TestCommonColumns(t *testing.T) {
	s := New("t", "Doc.",
		Col("upid", "Doc.", func(r *record) ID { return r.id }), Col("remote_addr", "Doc.", text),
		Col("resp_status", "Doc.", text), Col("latency", "Doc.", num).As("own"),
		Col("begun", "Doc.", func(r *record) Time { return r.at }).In(SpanStart),
	).Columns
	for i, want := range []Info{
		{Field: ResourceUPID, Attribute: "t.upid"}, {Field: RemoteAddr, Attribute: "network.peer.address"},
		{Field: NoField, Attribute: "t.resp_status"}, {Field: SpanDuration, Attribute: "own"},
		{Field: SpanStart, Attribute: "t.begun"},
	} {
		if s[i].Field != want.Field || s[i].Attribute != want.Attribute {
			t.Errorf("%s has field %d and attribute %s", s[i].Name, s[i].Field, s[i].Attribute)
		}
	}
}

// BenchmarkFill fills a row of 20 columns, half of them text.
func BenchmarkFill(b *testing.B) {
	var columns []Column[record]
	for i := range 10 {
		columns = append(columns, Col("text"+string(rune('a'+i)), "Doc.", text), Col("num"+string(rune('a'+i)), "Doc.", num))
	}
	table := New("t", "Doc.", columns...)
	r := record{text: "GET", num: 200}
	var row Row
	b.ReportAllocs()
	for b.Loop() {
		table.Fill(&r, &row)
	}
}
