// SPDX-License-Identifier: Apache-2.0

package all

import (
	"path/filepath"
	"testing"

	"github.com/puck-otel/puck/internal/protocol/prototest"
	"github.com/puck-otel/puck/internal/protocol/redis"
)

// TestAllAreListed compares the list with the folders that hold captures, and
// checks that no name is there twice.
func TestAllAreListed(t *testing.T) {
	folders, err := filepath.Glob("../*/testdata/*.capture")
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]bool{}
	for _, capture := range folders {
		have[filepath.Dir(filepath.Dir(capture))] = true
	}
	names := map[string]bool{}
	for _, p := range Protocols(Config{}) {
		if names[p.Name()] {
			t.Errorf("%s is there twice", p.Name())
		}
		names[p.Name()] = true
	}
	if len(have) != len(names) {
		t.Errorf("%d folders hold captures, %d protocols are listed", len(have), len(names))
	}
}

// TestCapturesAmongAll runs each protocol's captures with all protocols: none takes a
// connection that is another's.
func TestCapturesAmongAll(t *testing.T) {
	c := Config{Redis: redis.Config{ValueBytes: 128}} // as its captures are run alone
	for _, p := range Protocols(c) {
		dir := map[string]string{"http": "http1"}[p.Name()]
		if dir == "" {
			dir = p.Name()
		}
		t.Run(p.Name(), func(t *testing.T) {
			prototest.Suite{Dir: filepath.Join("..", dir, "testdata"), Protocols: Protocols(c)}.Run(t)
		})
	}
}
