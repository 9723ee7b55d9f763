// SPDX-License-Identifier: Apache-2.0

// Package table holds the one definition of a record: what its columns are
// called, what they mean, and which telemetry attribute carries each. The spans
// that leave the node, the PxL schema and the reference pages all read it.
package table

import (
	"fmt"
	"math"
	"regexp"
)

// Type is the type of a column's values.
type Type uint8

// The types of spec/tables.tsv, in the order PxL numbers them.
const (
	Bool     Type = iota + 1
	Int64         // signed, 64 bits
	UInt128       // a upid
	Float64       // IEEE 754 double
	String        // UTF-8; invalid bytes are replaced where text leaves the process
	Time64NS      // nanoseconds since the UNIX epoch
)

// String returns the name used in spec/tables.tsv.
func (t Type) String() string {
	switch t {
	case Bool:
		return "BOOLEAN"
	case Int64:
		return "INT64"
	case UInt128:
		return "UINT128"
	case Float64:
		return "FLOAT64"
	case String:
		return "STRING"
	case Time64NS:
		return "TIME64NS"
	}
	return fmt.Sprintf("Type(%d)", uint8(t))
}

// Pattern says how a column's values behave from row to row.
type Pattern string

// The patterns of spec/tables.tsv.
const (
	General       Pattern = "GENERAL"
	GeneralEnum   Pattern = "GENERAL_ENUM"
	Structured    Pattern = "STRUCTURED"
	MetricCounter Pattern = "METRIC_COUNTER"
	MetricGauge   Pattern = "METRIC_GAUGE"
)

// Semantic is the semantic type of a column, ST_NONE where it has none.
type Semantic string

// The semantic types of spec/tables.tsv.
const (
	None            Semantic = "ST_NONE"
	UPID            Semantic = "ST_UPID"
	IPAddress       Semantic = "ST_IP_ADDRESS"
	Port            Semantic = "ST_PORT"
	Bytes           Semantic = "ST_BYTES"
	DurationNS      Semantic = "ST_DURATION_NS"
	HTTPReqMethod   Semantic = "ST_HTTP_REQ_METHOD"
	HTTPRespStatus  Semantic = "ST_HTTP_RESP_STATUS"
	HTTPRespMessage Semantic = "ST_HTTP_RESP_MESSAGE"
)

// ID is the value of a UINT128 column.
type ID struct{ High, Low uint64 }

// Time is the value of a TIME64NS column, in nanoseconds since the UNIX epoch.
type Time int64

// Value is one cell of a row. Which field holds it follows from the column's
// type: Str for String, ID for UInt128, Num for the others (0 and 1 for Bool,
// math.Float64bits for Float64).
type Value struct {
	Num int64
	ID  ID
	Str string
}

// Info describes a column.
type Info struct {
	Name     string
	Doc      string
	Type     Type
	Pattern  Pattern
	Semantic Semantic
	// Attribute is the key that carries the column in OTLP: a key of the semantic
	// conventions where one fits, else "<table>.<column>".
	Attribute string
	// Field is the place of the span that holds the column where it says the same.
	Field Field
	// Sensitive columns carry user data: they stay on the node.
	Sensitive bool
	// List says that the text is a list, its elements parted by commas: in OTLP it is an
	// array of strings.
	List bool
}

// Schema is a table without the Go type of its records.
type Schema struct {
	Name    string
	Doc     string
	Columns []Info
	index   map[string]int
}

// Index returns the place of the named column, or -1.
func (s *Schema) Index(column string) int {
	if i, ok := s.index[column]; ok {
		return i
	}
	return -1
}

// Row is one record of the table Schema: a value for each of its columns.
type Row struct {
	Schema *Schema
	Values []Value
	Span   Span // for tables whose rows are spans
}

// Column is a column together with the way to read it from a record of type R.
type Column[R any] struct {
	Info
	get func(*R, *Value)
}

// Col returns a column whose value get reads. The pattern is GENERAL until
// [Column.Is] says otherwise.
func Col[R any, V bool | int64 | float64 | string | ID | Time](name, doc string, get func(*R) V) Column[R] {
	c := Column[R]{Info: Info{Name: name, Doc: doc, Pattern: General, Semantic: None}}
	c.Type, c.get = reader(get)
	return c
}

// reader returns the type of the values that get reads, and get as a writer of
// cells.
func reader[R any, V bool | int64 | float64 | string | ID | Time](get func(*R) V) (Type, func(*R, *Value)) {
	switch get := any(get).(type) {
	case func(*R) bool:
		return Bool, func(r *R, v *Value) {
			v.Num = 0
			if get(r) {
				v.Num = 1
			}
		}
	case func(*R) int64:
		return Int64, func(r *R, v *Value) { v.Num = get(r) }
	case func(*R) float64:
		return Float64, func(r *R, v *Value) { v.Num = int64(math.Float64bits(get(r))) }
	case func(*R) string:
		return String, func(r *R, v *Value) { v.Str = get(r) }
	case func(*R) ID:
		return UInt128, func(r *R, v *Value) { v.ID = get(r) }
	case func(*R) Time:
		return Time64NS, func(r *R, v *Value) { v.Num = int64(get(r)) }
	}
	panic("unreachable: V is one of the types above")
}

// As names the attribute that carries the column in OTLP.
func (c Column[R]) As(attribute string) Column[R] { c.Attribute = attribute; return c }

// Is sets the pattern and the semantic type.
func (c Column[R]) Is(p Pattern, s Semantic) Column[R] { c.Pattern, c.Semantic = p, s; return c }

// Sensitive marks a column that carries user data, so that it stays on the node
// unless the configuration says otherwise.
func (c Column[R]) Sensitive() Column[R] { c.Info.Sensitive = true; return c }

// List marks a column of text that is a list, its elements parted by commas.
func (c Column[R]) List() Column[R] { c.Info.List = true; return c }

// Table is a schema whose rows are made from records of type R.
type Table[R any] struct {
	Schema
	read []func(*R, *Value) // of each column
	span func(*R, *Span)
}

var (
	tableName  = regexp.MustCompile(`^[a-z][a-z0-9_]*(\.beta)?$`)
	columnName = regexp.MustCompile(`^[a-z][a-z0-9_]*_?$`)
)

// New returns the table with these columns, in this order. It panics on a
// repeated or undocumented column and on a name that PxL could not say, since
// tables are package variables and such a mistake is the programmer's.
func New[R any](name, doc string, columns ...Column[R]) *Table[R] {
	if !tableName.MatchString(name) || doc == "" {
		panic(fmt.Sprintf("table %q: needs a lower-case name and a doc", name))
	}
	t := &Table[R]{Schema: Schema{Name: name, Doc: doc, index: map[string]int{}}}
	attributes := map[string]string{}
	for i, c := range columns {
		if !columnName.MatchString(c.Name) || c.Doc == "" {
			panic(fmt.Sprintf("table %s: column %q: needs a lower-case name and a doc", name, c.Name))
		}
		if _, ok := t.index[c.Name]; ok {
			panic(fmt.Sprintf("table %s: column %s is there twice", name, c.Name))
		}
		c.complete(name)
		if other, ok := attributes[c.Attribute]; ok {
			panic(fmt.Sprintf("table %s: columns %s and %s are both carried by %s", name, other, c.Name, c.Attribute))
		}
		attributes[c.Attribute] = c.Name
		t.index[c.Name] = i
		t.Columns = append(t.Columns, c.Info)
		t.read = append(t.read, c.get)
	}
	return t
}

// Fill writes the record's values into row, whose memory it reuses.
func (t *Table[R]) Fill(record *R, row *Row) {
	row.Schema = &t.Schema
	if cap(row.Values) < len(t.read) {
		row.Values = make([]Value, len(t.read))
	}
	row.Values = row.Values[:len(t.read)]
	for i := range t.read {
		t.read[i](record, &row.Values[i])
	}
	row.Span = Span{}
	if t.span != nil {
		t.span(record, &row.Span)
	}
}
