// SPDX-License-Identifier: Apache-2.0

package spanfile

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"go.opentelemetry.io/collector/pdata/ptrace"
)

func message(t *testing.T, name string) []byte {
	t.Helper()
	traces := ptrace.NewTraces()
	rs := traces.ResourceSpans().AppendEmpty()
	rs.Resource().Attributes().PutStr("service.name", "shop")
	rs.Resource().Attributes().PutInt("process.pid", 7)
	s := rs.ScopeSpans().AppendEmpty().Spans().AppendEmpty()
	s.SetName(name)
	s.Attributes().PutInt("http.response.status_code", 204)
	var m ptrace.ProtoMarshaler
	raw, err := m.MarshalTraces(traces)
	if err != nil {
		t.Fatal(err)
	}
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(raw))), raw...)
}

func TestSpansLeavesOutAnUnfinishedMessage(t *testing.T) {
	whole := message(t, "GET /a")
	cut := message(t, "GET /b")
	for _, n := range []int{0, 3, 4, len(cut) - 1} {
		path := filepath.Join(t.TempDir(), "traces")
		if err := os.WriteFile(path, append(append([]byte{}, whole...), cut[:n]...), 0o600); err != nil {
			t.Fatal(err)
		}
		spans, err := Spans(path)
		if err != nil || len(spans) != 1 {
			t.Fatalf("%d bytes of a second message: %d spans, error %v; want the first span alone", n, len(spans), err)
		}
		s := spans[0]
		if s.Name != "GET /a" || s.Service != "shop" || s.PID != 7 || s.Int("http.response.status_code") != 204 || s.Int("missing") != -1 {
			t.Errorf("span reads %s", s)
		}
	}
}

func TestSpansRefusesAForeignFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "traces")
	if err := os.WriteFile(path, []byte("{\"resourceSpans\":[]}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Spans(path); err == nil {
		t.Error("JSON was read as the proto format")
	}
}

func TestSpansOfAMissingFile(t *testing.T) {
	spans, err := Spans(filepath.Join(t.TempDir(), "none"))
	if err != nil || len(spans) != 0 {
		t.Errorf("%d spans, error %v; want none and nil", len(spans), err)
	}
}
