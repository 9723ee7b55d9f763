// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/link"
)

// objects are the BPF programs, maps and links that a process holds, by id.
type objects struct {
	programs []ebpf.ProgramID
	maps     []ebpf.MapID
	links    []link.ID
}

// heldObjects reads them from the process's open descriptors, so that what other
// processes of the machine hold does not matter.
func heldObjects(t *testing.T, pid int) objects {
	t.Helper()
	infos, err := filepath.Glob(fmt.Sprintf("/proc/%d/fdinfo/*", pid))
	if err != nil {
		t.Fatal(err)
	}
	var held objects
	for _, info := range infos {
		raw, err := os.ReadFile(info)
		if err != nil {
			continue // The descriptor was closed since.
		}
		for line := range strings.Lines(string(raw)) {
			key, value, _ := strings.Cut(strings.TrimSpace(line), ":")
			id, err := strconv.ParseUint(strings.TrimSpace(value), 10, 32)
			if err != nil {
				continue
			}
			switch key {
			case "prog_id":
				held.programs = append(held.programs, ebpf.ProgramID(id))
			case "map_id":
				held.maps = append(held.maps, ebpf.MapID(id))
			case "link_id":
				held.links = append(held.links, link.ID(id))
			}
		}
	}
	return held
}

// left names those that still exist.
func (o objects) left() []string {
	var names []string
	for _, id := range o.programs {
		if p, err := ebpf.NewProgramFromID(id); err == nil {
			names = append(names, p.String())
			p.Close()
		} else if !errors.Is(err, os.ErrNotExist) {
			names = append(names, err.Error())
		}
	}
	for _, id := range o.maps {
		if m, err := ebpf.NewMapFromID(id); err == nil {
			names = append(names, m.String())
			m.Close()
		} else if !errors.Is(err, os.ErrNotExist) {
			names = append(names, err.Error())
		}
	}
	for _, id := range o.links {
		if l, err := link.NewFromID(id); err == nil {
			names = append(names, fmt.Sprintf("link %d", id))
			l.Close()
		} else if !errors.Is(err, os.ErrNotExist) {
			names = append(names, err.Error())
		}
	}
	return names
}

// awaitGone fails the test where some of them stay. The kernel frees them a
// moment after their last holder closed them.
func (o objects) awaitGone(t *testing.T) {
	t.Helper()
	if len(o.programs) == 0 || len(o.maps) == 0 {
		t.Errorf("the collector held %d programs and %d maps: nothing was loaded", len(o.programs), len(o.maps))
	}
	err := poll(10*time.Second, func() error {
		if names := o.left(); len(names) > 0 {
			return fmt.Errorf("left in the kernel: %v", names)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// tracedConnections counts the entries of the collector's map of connections that
// are not marked as left out.
func (c *collector) tracedConnections() int {
	c.t.Helper()
	for _, id := range heldObjects(c.t, c.process.pid()).maps {
		m, err := ebpf.NewMapFromID(id)
		if err != nil {
			c.t.Fatal(err)
		}
		defer m.Close()
		info, err := m.Info()
		if err != nil {
			c.t.Fatal(err)
		}
		if info.Name == "connections" {
			return countTraced(c.t, m, ignoredOf(c.t, info))
		}
	}
	c.t.Fatal("the collector holds no map of connections")
	return 0
}

// ignoredOf returns where an entry of the map says that its connection is left out, by
// the map's type information.
func ignoredOf(t *testing.T, info *ebpf.MapInfo) int {
	t.Helper()
	id, ok := info.BTFID()
	if !ok {
		t.Fatal("the map has no type information")
	}
	handle, err := btf.NewHandleFromID(id)
	if err != nil {
		t.Fatal(err)
	}
	defer handle.Close()
	spec, err := handle.Spec(nil)
	if err != nil {
		t.Fatal(err)
	}
	var entry *btf.Struct
	if err := spec.TypeByName("connection", &entry); err != nil {
		t.Fatal(err)
	}
	for _, member := range entry.Members {
		if member.Name == "ignored" {
			return int(member.Offset.Bytes())
		}
	}
	t.Fatalf("%v does not say what is ignored", entry)
	return 0
}

// countTraced counts in batches: going from key to key starts over where a key is
// removed meanwhile.
func countTraced(t *testing.T, m *ebpf.Map, ignored int) int {
	t.Helper()
	n := 0
	var cursor ebpf.MapBatchCursor
	keys := make([]uint64, 1024)
	entry := reflect.ArrayOf(int(m.ValueSize()), reflect.TypeFor[byte]())
	values := reflect.MakeSlice(reflect.SliceOf(entry), len(keys), len(keys))
	for {
		count, err := m.BatchLookup(&cursor, keys, values.Interface(), nil)
		for i := range count {
			if values.Index(i).Index(ignored).Uint() == 0 {
				n++
			}
		}
		if errors.Is(err, ebpf.ErrKeyNotExist) {
			return n
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
