// SPDX-License-Identifier: Apache-2.0

package prototest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/puck-otel/puck/internal/protocol"
)

// Suite is a folder of captures and how to run them.
type Suite struct {
	Dir       string
	Protocols []protocol.Protocol
	// Probe are the events of an exchange. It is played twice on a connection that
	// lost any one read before, and must make its row the second time at the latest.
	// Without it no reads are lost.
	Probe string
	// Datagrams are those of a probe over UDP, if they differ.
	Datagrams string
	// Update writes the rows seen to the captures.
	Update bool
}

// Run runs each capture of the folder as a subtest.
func (s Suite) Run(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join(s.Dir, "*.capture"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("%s: no captures", s.Dir)
	}
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".capture")
		t.Run(name, func(t *testing.T) {
			c, err := load(path)
			if err != nil {
				t.Fatal(err)
			}
			if s.Update {
				s.update(t, path, c)
			}
			s.runOne(t, c)
		})
	}
}

func (s Suite) runOne(t *testing.T, c *capture) {
	for _, as := range []struct {
		name          string
		client, known bool
	}{{"client", true, true}, {"server", false, true}, {"unknown client", true, false}, {"unknown server", false, false}} {
		t.Run(as.name, func(t *testing.T) {
			s.compare(t, c, s.run(c, c.events, as.client, as.known), as.client)
		})
	}
	if c.udp { // what a datagram is split into is none of it
		if s.Probe != "" && !c.intact {
			t.Run("lost", func(t *testing.T) { s.losses(t, c) })
		}
		return
	}
	t.Run("one byte", func(t *testing.T) {
		var events []event
		for _, e := range c.events {
			events = append(events, bytewise(e)...)
		}
		s.compare(t, c, s.run(c, events, true, true), true)
		s.compare(t, c, s.run(c, events, false, true), false)
	})
	t.Run("skipped", func(t *testing.T) {
		for _, client := range []bool{true, false} {
			p := newPlayer(s.Protocols, c, client, true)
			p.skips = true
			for _, e := range c.events {
				p.play(e)
			}
			s.compare(t, c, p.finish(), client)
		}
	})
	t.Run("split", func(t *testing.T) { s.splits(t, c) })
	if s.Probe != "" && !c.intact {
		t.Run("lost", func(t *testing.T) { s.losses(t, c) })
	}
}

// run plays the events, on a connection like the capture's, and returns the rows.
func (s Suite) run(c *capture, events []event, client, known bool) []row {
	p := newPlayer(s.Protocols, c, client, known)
	for _, e := range events {
		p.play(e)
	}
	return p.finish()
}

// compare reports the first difference between the rows and the capture's.
func (s Suite) compare(t *testing.T, c *capture, rows []row, client bool) {
	t.Helper()
	role := int64(protocol.Server)
	if client {
		role = int64(protocol.Client)
	}
	for i := range max(len(rows), len(c.rows)) {
		got, want := "(no row)", "(no row)"
		if i < len(rows) {
			got = rows[i].text
			if rows[i].role != role {
				t.Fatalf("row %d: trace_role is %d, want %d", i+1, rows[i].role, role)
			}
		}
		if i < len(c.rows) {
			want = c.rows[i]
		}
		if got != want {
			t.Fatalf("row %d:\n got %s\nwant %s", i+1, got, want)
		}
	}
}

// bytewise returns the event as reads of one byte each. What was not copied
// follows the last.
func bytewise(e event) []event {
	if e.kind != data || len(e.data) == 0 || len(e.data) > 1<<16 {
		return []event{e}
	}
	var events []event
	for i := range len(e.data) {
		one := e
		one.data, one.len = e.data[i:i+1], 1
		events = append(events, one)
	}
	events[len(events)-1].len += e.len - len(e.data)
	return events
}

// splits plays the capture once for each place at which a read may be split, or
// for some hundreds of them.
func (s Suite) splits(t *testing.T, c *capture) {
	total := 0
	for _, e := range c.events {
		total += len(e.data)
	}
	stride := max(1, total/300)
	for i, e := range c.events {
		for at := 1; at < len(e.data); at += stride {
			first, second := e, e
			first.data, first.len = e.data[:at], at
			second.data, second.len = e.data[at:], e.len-at
			events := slices.Concat(c.events[:i], []event{first, second}, c.events[i+1:])
			s.compare(t, c, s.run(c, events, true, true), true)
		}
	}
}

// losses plays the capture once for each read without it. Every row must then be
// one that is expected or say that it is truncated, and the probe must make its
// row if the capture leaves the connection open and traced.
func (s Suite) losses(t *testing.T, c *capture) {
	text := s.Probe
	if c.udp && s.Datagrams != "" {
		text = s.Datagrams
	}
	probe, err := parse(text)
	if err != nil {
		t.Fatalf("probe: %v", err)
	}
	var known []string
	for _, r := range s.run(c, c.events, true, true) {
		known = append(known, r.timeless)
	}
	want := s.run(&capture{udp: c.udp, peers: c.peers}, probe.events, true, true)[0].timeless
	known = append(known, want)
	open, last := !s.ends(c), time.Duration(0)
	for _, e := range c.events {
		open = open && e.kind != closed && e.kind != eof
		last = max(last, e.at)
	}
	for i, e := range c.events {
		if e.kind != data || !open && !slices.ContainsFunc(c.events[i+1:], func(next event) bool {
			return next.kind == data && next.server == e.server
		}) {
			continue // nothing would tell of the loss
		}
		for _, client := range []bool{true, false} {
			lost := event{kind: gap, server: e.server, len: e.len}
			events := slices.Concat(c.events[:i], []event{lost}, c.events[i+1:])
			s.lossy(t, c, i, events, probe.events, client, open, last, known, want)
		}
	}
}

// ends reports whether the capture ends with the connection given up.
func (s Suite) ends(c *capture) bool {
	p := newPlayer(s.Protocols, c, true, true)
	for _, e := range c.events {
		p.play(e)
	}
	return p.closed || p.stream.Verdict() == 0 || p.stream.Protocol() < 0
}

// lossy plays events that lack the read with index i, then the probe.
func (s Suite) lossy(t *testing.T, c *capture, i int, events, probe []event, client, open bool, last time.Duration, known []string, want string) {
	t.Helper()
	p := newPlayer(s.Protocols, &capture{joined: true, udp: c.udp, peers: c.peers}, client, true)
	for _, e := range events {
		p.play(e)
	}
	if open {
		for i := range 2 {
			for _, e := range probe {
				e.at += last + time.Duration(i+1)*time.Second
				p.play(e)
			}
		}
	}
	rows := p.finish()
	for _, r := range rows {
		if !r.truncated && !slices.Contains(known, r.timeless) && r.answered {
			t.Fatalf("read %d lost: a row that is neither expected nor truncated:\n%s", i+1, r.text)
		}
	}
	if open && !slices.ContainsFunc(rows, func(r row) bool { return r.timeless == want }) {
		t.Fatalf("read %d lost: no row of the probe, but %d rows: %v", i+1, len(rows), rows)
	}
}

// update writes the rows to the file.
func (s Suite) update(t *testing.T, path string, c *capture) {
	t.Helper()
	if err := os.WriteFile(path, []byte(s.withRows(c)), 0o644); err != nil {
		t.Fatal(err)
	}
}

// withRows returns the capture's text with the rows that the protocols make of it.
func (s Suite) withRows(c *capture) string {
	c.rows, c.table = nil, s.Protocols[0].Schema().Name
	text := strings.TrimRight(c.text, "\n") + "\n-- " + c.table + " --\n"
	for _, r := range s.run(c, c.events, true, true) {
		c.rows = append(c.rows, r.text)
		text += r.text + "\n"
	}
	return text
}
