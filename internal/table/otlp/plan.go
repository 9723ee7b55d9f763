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
	// KnownMethods are the HTTP methods that spans name; others are _OTHER. Nil
	// stands for those of the semantic conventions.
	KnownMethods []string
}

// step carries one column.
type step struct {
	column int
	typ    table.Type
	field  table.Field
	key    string
	list   bool
}

// known is a key that a reader knows: of a column, of a fact, or of both.
type known struct {
	key  string
	step int // of steps, or absent
	fact fact
}

// absent is the place of a field that no column has.
const absent = -1

// plan is what a schema means in OTLP, worked out once.
type plan struct {
	schema *table.Schema
	scope  string
	steps  []step
	// The keys that a reader knows. They come in about the same order in each
	// span: next is the one that came behind another last time, so that finding it
	// is most often one comparison.
	keys  []known
	byKey map[string]int // of keys
	next  []int          // of keys, by the key before plus one
	// Of steps: those of the connection, and those of the single request.
	connection, request []step
	// at is the first column of each field, or absent. Sensitive columns count:
	// what the span needs is made from them whether they leave or not.
	at        [table.SpanScheme + 1]int
	tls       int  // the column by its attribute, or absent
	hasTarget bool // the column of a request's target leaves
	methods   []string
	// Whether a column carries the key that is otherwise made from the ends.
	ownServer, ownClient, ownScheme, ownError bool
	attributes                                int // foreseen of the next span
}

// newPlan returns the plan of a schema.
func newPlan(s *table.Schema, o Options) *plan {
	p := &plan{schema: s, scope: ScopePrefix + s.Name, tls: absent, methods: o.KnownMethods, attributes: 16}
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
		p.hasTarget = p.hasTarget || c.Field == table.HTTPTarget
		st := step{column: i, typ: c.Type, field: c.Field, key: c.Attribute, list: c.List}
		p.steps = append(p.steps, st)
		// A second column of the field is not what the template goes by.
		if (c.Field == table.RemoteAddr || c.Field == table.RemotePort) && p.at[c.Field] == i {
			p.connection = append(p.connection, st)
		} else {
			p.request = append(p.request, st)
		}
	}
	p.know()
	return p
}

// know lists the keys that a reader knows.
func (p *plan) know() {
	p.byKey = map[string]int{}
	for i, st := range p.steps {
		p.byKey[st.key] = len(p.keys)
		p.keys = append(p.keys, known{key: st.key, step: i})
	}
	for f := factServerAddress; f < lastFact; f++ {
		if i, ok := p.byKey[f.key()]; ok {
			p.keys[i].fact = f
			continue
		}
		p.byKey[f.key()] = len(p.keys)
		p.keys = append(p.keys, known{key: f.key(), step: absent, fact: f})
	}
	p.next = make([]int, len(p.keys)+1)
}

// find returns the place in keys of the key that comes behind the one in place
// before, or absent.
func (p *plan) find(key string, before int) int {
	next := &p.next[before+1]
	if p.keys[*next].key == key {
		return *next
	}
	i, ok := p.byKey[key]
	if !ok {
		return absent
	}
	*next = i
	return i
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
