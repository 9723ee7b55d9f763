// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"flag"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "write the captures seen to testdata")

// TestCurl reads what curl and Python's http.server said to each other, of which
// tcpdump kept 2000 bytes of each packet.
func TestCurl(t *testing.T) {
	for conn, golden := range map[int]string{1: "testdata/curl1.txt", 2: "testdata/curl2.txt"} {
		var got, ng bytes.Buffer
		if err := run(&got, "testdata/curl.pcap", "http", conn, 300); err != nil {
			t.Fatal(err)
		}
		if err := run(&ng, "testdata/curl.pcapng", "http", conn, 300); err != nil {
			t.Fatal(err)
		}
		if *update {
			if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Bytes(), want) {
			t.Errorf("connection %d:\n%s", conn, got.Bytes())
		}
		_, text, _ := bytes.Cut(ng.Bytes(), []byte("\n"))
		if _, want, _ := bytes.Cut(want, []byte("\n")); !bytes.Equal(text, want) {
			t.Errorf("connection %d of the pcapng file:\n%s", conn, text)
		}
	}
}

func TestMistakes(t *testing.T) {
	for _, test := range []struct {
		path, proto string
		conn        int
		want        string
	}{
		{"testdata/curl.pcap", "nope", 1, `-proto "nope": no such protocol`},
		{"testdata/curl.pcap", "http", 3, "-conn 3: testdata/curl.pcap has 2 TCP connections that carried data"},
		{"testdata/curl1.txt", "http", 1, "testdata/curl1.txt: neither pcap nor pcapng"},
	} {
		if err := run(&bytes.Buffer{}, test.path, test.proto, test.conn, 100); err == nil || err.Error() != test.want {
			t.Errorf("%v, want %s", err, test.want)
		}
	}
}

// FuzzReadPackets reads any file, and assembles what it read.
func FuzzReadPackets(f *testing.F) {
	for _, path := range []string{"testdata/curl.pcap", "testdata/curl.pcapng"} {
		raw, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		packets, _ := readPackets(bytes.NewReader(raw))
		for _, reads := range assemble(packets) {
			for _, r := range reads {
				if r.Len < len(r.Data) || r.Gap < 0 || r.At < 0 {
					t.Fatalf("read %+v", r)
				}
			}
		}
	})
}
