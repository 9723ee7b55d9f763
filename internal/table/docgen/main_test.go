// SPDX-License-Identifier: Apache-2.0

package main

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/puck-otel/puck/internal/table"
	"github.com/puck-otel/puck/internal/table/otlp"
)

var update = flag.Bool("update", false, "write the pages")

const folder = "../../../docs/tables"

func TestDocsAreUpToDate(t *testing.T) {
	want := pages(schemas())
	if *update {
		if err := write(folder, want); err != nil {
			t.Fatal(err)
		}
	}
	files, err := filepath.Glob(filepath.Join(folder, "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		got[filepath.Base(path)] = string(text)
	}
	for name := range want {
		if got[name] != want[name] {
			t.Errorf("%s is out of date: make docs", name)
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%s is of no table: make docs", name)
		}
	}
}

// specified returns the columns of spec/tables.tsv by table.
func specified(t *testing.T) map[string][][]string {
	t.Helper()
	text, err := os.ReadFile("../testdata/tables.tsv")
	if err != nil {
		t.Fatal(err)
	}
	m := map[string][][]string{}
	for line := range strings.Lines(string(text)) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if strings.HasPrefix(line, "#") {
			continue
		}
		if len(fields) != 5 {
			t.Fatalf("line %q has %d fields", line, len(fields))
		}
		m[fields[0]] = append(m[fields[0]], fields[1:])
	}
	return m
}

// TestTablesAreCompatible holds every table to the names, order, types, patterns
// and semantic types that scripts depend on. Own columns may follow.
func TestTablesAreCompatible(t *testing.T) {
	spec := specified(t)
	if len(spec) != 21 {
		t.Errorf("the specification has %d tables, want 21", len(spec))
	}
	for _, s := range schemas() {
		want, ok := spec[s.Name]
		if !ok {
			continue // a table of our own
		}
		for i, columns := range want {
			if i >= len(s.Columns) {
				t.Errorf("%s: column %s is missing", s.Name, columns[0])
				continue
			}
			c := s.Columns[i]
			got := []string{c.Name, c.Type.String(), string(c.Pattern), string(c.Semantic)}
			if !reflect.DeepEqual(got, columns) {
				t.Errorf("%s: column %d is %v, want %v", s.Name, i, got, columns)
			}
		}
	}
}

// TestAttributesHaveKnownNames allows keys of the semantic conventions, keys of
// our own, and those that say which column they are.
func TestAttributesHaveKnownNames(t *testing.T) {
	conventions := semanticKeys(t)
	for _, s := range schemas() {
		for _, c := range s.Columns {
			if !conventions[c.Attribute] && !strings.HasPrefix(c.Attribute, "puck.") && c.Attribute != s.Name+"."+c.Name {
				t.Errorf("%s.%s is carried by %s", s.Name, c.Name, c.Attribute)
			}
		}
	}
	for _, key := range otlp.Keys() {
		if !conventions[key] && !strings.HasPrefix(key, "puck.") {
			t.Errorf("%s is no key of the semantic conventions", key)
		}
	}
}

// semanticKeys returns every key that the conventions define, from their source.
func semanticKeys(t *testing.T) map[string]bool {
	t.Helper()
	version := regexp.MustCompile(`/(\d+\.\d+\.\d+)$`).FindStringSubmatch(otlp.SchemaURL)[1]
	dir, err := exec.Command("go", "list", "-f", "{{.Dir}}", "go.opentelemetry.io/otel/semconv/v"+version).Output()
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "attribute_group.go"))
	if err != nil {
		t.Fatal(err)
	}
	keys := map[string]bool{}
	for _, m := range regexp.MustCompile(`Key = attribute\.Key\("([^"]+)"\)`).FindAllStringSubmatch(string(source), -1) {
		keys[m[1]] = true
	}
	if len(keys) < 500 {
		t.Fatalf("the conventions define %d keys", len(keys))
	}
	return keys
}

// TestMetricsAreNamed holds the columns that are metrics to the metrics.
func TestMetricsAreNamed(t *testing.T) {
	var conn *table.Schema
	for _, s := range schemas() {
		if s.Name == "conn_stats" {
			conn = s
		}
	}
	for column, want := range map[string]string{
		"conn_open": otlp.MetricOpened, "conn_close": otlp.MetricClosed, "conn_active": otlp.MetricActive,
		"bytes_sent": otlp.MetricIO + "/transmit", "bytes_recv": otlp.MetricIO + "/receive",
	} {
		if got := conn.Columns[conn.Index(column)].Attribute; got != want {
			t.Errorf("%s is %s, want %s", column, got, want)
		}
	}
}
