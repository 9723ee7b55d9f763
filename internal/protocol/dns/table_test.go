// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"encoding/json"
	"testing"

	"github.com/puck-otel/puck/internal/protocol"
	"github.com/puck-otel/puck/internal/protocol/prototest"
	"github.com/puck-otel/puck/internal/table"
)

// TestTableIsCompatible compares the table's first columns with the interface that
// scripts rely on.
func TestTableIsCompatible(t *testing.T) {
	prototest.Compatible(t, &Table.Schema, 13)
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
