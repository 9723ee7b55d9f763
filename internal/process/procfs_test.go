// SPDX-License-Identifier: Apache-2.0

package process

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
)

// statLine is a line of /proc/PID/stat with this name and start.
func statLine(comm string, start uint64) []byte {
	return fmt.Appendf(nil, "71 (%s) S 1 71 71 0 -1 4194560 9 0 0 0 1 2 0 0 20 0 1 0 %d 31 3 18446744073709551615 1 1 0 0 0\n", comm, start)
}

func TestParseStat(t *testing.T) {
	for _, comm := range []string{"curl", "a) R (b", "))((", "", " ", "with\nline", "\xff\xfe", "(sd-pam)"} {
		got, start, err := parseStat(statLine(comm, 101329))
		if err != nil || got != comm || start != 101329 {
			t.Errorf("%q: got %q, %d, %v", comm, got, start, err)
		}
	}
	line := statLine("curl", 101329)
	for _, bad := range []string{"", "71", "71 (curl", "71 )curl( S 1", "71 (curl) S 1 2 3", string(line[:60])} {
		if _, _, err := parseStat([]byte(bad)); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
	bad := bytes.Replace(line, []byte("101329"), []byte("-5"), 1)
	if _, _, err := parseStat(bad); err == nil {
		t.Error("negative start time: no error")
	}
}

func TestParseNSPID(t *testing.T) {
	for status, want := range map[string]uint32{
		"Name:\tcurl\nNSpid:\t4711\t12\t1\nNSpgid:\t1\n": 1,
		"Name:\tcurl\nNSpid:\t4711\n":                    4711,
		"Name:\tcurl\nNSpid:\t4711 12 \n":                12,
		"Name:\tcurl\nNSpid:\t\n":                        0,
		"Name:\tcurl\nNSpid:\t99999999999\n":             0,
		"Name:\tNSpid:\t5\n":                             0,
		"":                                               0,
	} {
		if got := parseNSPID([]byte(status)); got != want {
			t.Errorf("%q: got %d, want %d", status, got, want)
		}
	}
}

func TestSplitArgs(t *testing.T) {
	for _, test := range []struct {
		data   string
		want   []string
		titled bool
	}{
		{"a\x00b c\x00", []string{"a", "b c"}, false},
		{"a\x00\x00b\x00", []string{"a", "", "b"}, false},
		{"npm run start\x00\x00\x00", []string{"npm", "run", "start"}, true},
		{"a", []string{"a"}, false},
		{"\x00\x00", nil, false},
		{"", nil, false},
	} {
		got, titled := splitArgs([]byte(test.data))
		if !slices.Equal(got, test.want) || titled != test.titled {
			t.Errorf("%q: got %q, %v", test.data, got, titled)
		}
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add(statLine("a) R (b", 1))
	f.Add([]byte("1 (x) S"))
	f.Fuzz(func(t *testing.T, line []byte) {
		comm, start, err := parseStat(line)
		if err == nil {
			again, at, err := parseStat(statLine(comm, start))
			if err != nil || again != comm || at != start {
				t.Errorf("%q, %d became %q, %d, %v", comm, start, again, at, err)
			}
		}
		parseNSPID(line)
	})
}
