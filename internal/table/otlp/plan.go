// SPDX-License-Identifier: Apache-2.0

package otlp

import (
	"github.com/puck-otel/puck/internal/table"
)

// Options say what leaves.
type Options struct {
	// Sensitive keeps the columns that carry user data.
	Sensitive bool
	// CommandLine keeps process.command_line.
	CommandLine bool
}

// step carries one column.
type step struct {
	column int
	typ    table.Type
	field  table.Field
	key    string
}

// absent is the place of a field that no column has.
const absent = -1

// plan is what a schema means in OTLP, worked out once.
type plan struct {
	schema *table.Schema
	scope  string
	steps  []step
	byKey  map[string]int // of steps
	// at is the first column of each field, or absent. Sensitive columns count:
	// what the span needs is made from them whether they leave or not.
	at         [table.SpanScheme + 1]int
	tls, route int // columns by attribute, or absent
	// Whether a column carries the key that is otherwise made from the ends.
	ownServer, ownClient, ownScheme, ownError bool
	attributes                                int // the capacity for the next span's
}

// newPlan returns the plan of a schema.
func newPlan(s *table.Schema, o Options) *plan {
	p := &plan{schema: s, scope: ScopePrefix + s.Name, byKey: map[string]int{}, tls: absent, route: absent, attributes: 16}
	for i := range p.at {
		p.at[i] = absent
	}
	for i, c := range s.Columns {
		if c.Field != table.NoField && p.at[c.Field] == absent {
			p.at[c.Field] = i
		}
		switch c.Attribute {
		case KeyTLS:
			p.tls = i
		case KeyRoute:
			p.route = i
		case KeyServerAddress, KeyServerPort:
			p.ownServer = true
		case KeyClientAddress, KeyClientPort:
			p.ownClient = true
		case KeyURLScheme:
			p.ownScheme = true
		case KeyErrorType:
			p.ownError = true
		}
		if c.Sensitive && !o.Sensitive {
			continue
		}
		p.byKey[c.Attribute] = len(p.steps)
		p.steps = append(p.steps, step{column: i, typ: c.Type, field: c.Field, key: c.Attribute})
	}
	return p
}

// plans keeps the plans of the schemas seen. It belongs to one goroutine.
type plans struct {
	options Options
	last    *plan
	all     []*plan
}

// of returns the plan of a schema. Schemas are package variables, so there are
// few of them.
func (p *plans) of(s *table.Schema) *plan {
	if p.last != nil && p.last.schema == s {
		return p.last
	}
	for _, q := range p.all {
		if q.schema == s {
			p.last = q
			return q
		}
	}
	p.last = newPlan(s, p.options)
	p.all = append(p.all, p.last)
	return p.last
}

// num returns the number in the column of field f, zero where there is none.
func (p *plan) num(row *table.Row, f table.Field) int64 {
	if i := p.at[f]; i != absent {
		return row.Values[i].Num
	}
	return 0
}

// str returns the text in the column of field f, empty where there is none.
func (p *plan) str(row *table.Row, f table.Field) string {
	if i := p.at[f]; i != absent {
		return row.Values[i].Str
	}
	return ""
}
