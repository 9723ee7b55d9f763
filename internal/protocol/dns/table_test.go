// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/puck-otel/puck/internal/protocol"
	"github.com/puck-otel/puck/internal/table"
)

// TestTableIsCompatible compares the table's first columns with the interface that
// scripts rely on.
func TestTableIsCompatible(t *testing.T) {
	raw, err := os.ReadFile("../../table/testdata/tables.tsv")
	if err != nil {
		t.Fatal(err)
	}
	i := 0
	for row := range strings.Lines(string(raw)) {
		want := strings.Split(strings.TrimSpace(row), "\t")
		if want[0] != Table.Name {
			continue
		}
		c := Table.Columns[i]
		got := []string{Table.Name, c.Name, c.Type.String(), string(c.Pattern), string(c.Semantic)}
		if strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("column %d is %v, want %v", i, got, want)
		}
		i++
	}
	if i != 13 {
		t.Errorf("%d columns compared, want 13", i)
	}
}

// FuzzMessage reads a query and a response of foreign bytes: the columns must hold
// JSON, and no more of it than is meant to be.
func FuzzMessage(f *testing.F) {
	f.Add([]byte(query), []byte(response))
	f.Fuzz(func(t *testing.T, query, response []byte) {
		e := protocol.NewEngine(protocol.Config{}, []protocol.Protocol{New(Config{})}, func(_ *protocol.Conn, r *table.Row) {
			for _, name := range []string{"req_header", "req_body", "resp_header", "resp_body"} {
				text := r.Values[r.Schema.Index(name)].Str
				if text != "" && !json.Valid([]byte(text)) || len(text) > maxBody+8*maxNameText {
					t.Fatalf("%s: %d bytes: %s", name, len(text), text)
				}
			}
		})
		for _, transport := range []protocol.Transport{protocol.UDP, protocol.TCP} {
			s := e.Open(&protocol.Conn{Role: protocol.Client, Transport: transport})
			first := []byte("\x00\x11\x00\x00\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x01") // so that it matches
			if transport == protocol.UDP {
				first = first[prefixLen:]
			}
			s.Data(protocol.Send, protocol.Segment{Len: uint32(len(first)), Time: 1, Data: first})
			s.Data(protocol.Send, protocol.Segment{Pos: uint64(len(first)), Len: uint32(len(query)), Time: 1, Data: query})
			s.Data(protocol.Recv, protocol.Segment{Len: uint32(len(response)), Time: 2, Data: response})
			s.Close([2]protocol.End{}, 3)
		}
	})
}
