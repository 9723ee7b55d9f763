// SPDX-License-Identifier: Apache-2.0

package prototest

import (
	"os"
	"strings"
	"testing"

	"github.com/puck-otel/puck/internal/table"
)

// Compatible compares the first n columns of a protocol's table, which must be all that
// are listed, with the interface that scripts rely on. It is called in the protocol's
// folder.
func Compatible(t *testing.T, s *table.Schema, n int) {
	t.Helper()
	raw, err := os.ReadFile("../../table/testdata/tables.tsv")
	if err != nil {
		t.Fatal(err)
	}
	i := 0
	for row := range strings.Lines(string(raw)) {
		want := strings.Split(strings.TrimSpace(row), "\t")
		if want[0] != s.Name {
			continue
		}
		c := s.Columns[i]
		got := []string{s.Name, c.Name, c.Type.String(), string(c.Pattern), string(c.Semantic)}
		if strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("column %d is %v, want %v", i, got, want)
		}
		i++
	}
	if i != n {
		t.Errorf("%d columns compared, want %d", i, n)
	}
}
