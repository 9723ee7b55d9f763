// SPDX-License-Identifier: Apache-2.0

package process

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/puck-otel/puck/internal/table"
)

// fakeProc is a proc filesystem with files that a test writes.
func fakeProc(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/stat", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// putProcess writes what readImage needs of a process.
func putProcess(t testing.TB, proc string, pid uint32, start uint64, comm string) {
	t.Helper()
	dir := filepath.Join(proc, strconv.Itoa(int(pid)))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string]string{
		"stat":    string(statLine(comm, start)),
		"status":  fmt.Sprintf("Name:\t%s\nNSpid:\t%d\t7\n", comm, pid),
		"cmdline": comm + "\x00-v\x00",
		"environ": "HOME=/\x00",
		"cgroup":  "0::/kubepods.slice/kubepods-pod" + uidU + ".slice/cri-containerd-" + idA + ".scope\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Remove(dir + "/exe"); err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	if err := os.Symlink("/usr/bin/"+comm, dir+"/exe"); err != nil {
		t.Fatal(err)
	}
}

func newCache(t testing.TB, cfg Config) *Cache {
	t.Helper()
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestNewRejects(t *testing.T) {
	for _, cfg := range []Config{{Proc: t.TempDir()}, {Keep: -1}, {Max: -1}} {
		if _, err := New(cfg); err == nil {
			t.Errorf("%+v: no error", cfg)
		}
	}
}

func TestHostProc(t *testing.T) {
	proc := fakeProc(t)
	putProcess(t, proc, 71, 9, "cart")
	t.Setenv("HOST_PROC", proc)
	p := newCache(t, Config{AgentID: 3}).Seen(Hint{PID: 71})
	want := Process{
		UPID: table.ID{High: 3<<32 | 71, Low: 9}, PID: 71, NSPID: 7, StartTicks: 9, StartTime: p.StartTime,
		Name: "cart", Exe: "/usr/bin/cart", Cmdline: "cart -v",
		ContainerID: idA, ContainerRuntime: "containerd", PodUID: uid, Service: "cart",
		Cgroup: "/kubepods.slice/kubepods-pod" + uidU + ".slice/cri-containerd-" + idA + ".scope",
	}
	if *p != want {
		t.Errorf("got  %+v\nwant %+v", *p, want)
	}
	if got := UPIDString(p.UPID); got != "3:71:9" {
		t.Errorf("upid is %s", got)
	}
}

func TestHintAloneIsEnough(t *testing.T) {
	c := newCache(t, Config{Proc: fakeProc(t)})
	p := c.Seen(Hint{
		PID: 71, StartNS: 95_999_999, Comm: "curl\x00\x00", Exe: "/usr/bin/curl\x00",
		Cgroup: "cri-containerd-" + idA + ".scope", Args: []byte("curl\x00http://local"),
	})
	want := Process{
		UPID: UPID(0, 71, 9), PID: 71, NSPID: 71, StartTicks: 9, StartTime: p.StartTime, FromHint: true,
		Name: "curl", Exe: "/usr/bin/curl", Cmdline: "curl http://local", Service: "curl",
		ContainerID: idA, ContainerRuntime: "containerd", Cgroup: "cri-containerd-" + idA + ".scope",
	}
	if *p != want {
		t.Errorf("got  %+v\nwant %+v", *p, want)
	}
	if c.Lookup(71) != p || c.Find(p.UPID) != p || c.Seen(Hint{PID: 71, StartNS: 95_999_999}) != p || c.Seen(Hint{PID: 71}) != p {
		t.Error("the entry is not shared")
	}
	if s := c.Stats(); s != (Stats{Dead: 1}) {
		t.Errorf("stats are %+v", s)
	}
	if p := c.Seen(Hint{PID: 5}); p.Service != "unknown_service" {
		t.Errorf("a process of which nothing is known is called %q", p.Service)
	}
}

func TestReuseOfAPID(t *testing.T) {
	proc := fakeProc(t)
	c := newCache(t, Config{Proc: proc})
	putProcess(t, proc, 71, 9, "first")
	first := c.Seen(Hint{PID: 71, StartNS: 9 * nsPerTick})
	putProcess(t, proc, 71, 20, "second")
	second := c.Seen(Hint{PID: 71, StartNS: 20 * nsPerTick})
	if first.Name != "first" || second.Name != "second" || first.UPID == second.UPID {
		t.Errorf("got %+v and %+v", first, second)
	}
	if c.Lookup(71) != second || c.Find(first.UPID) != first {
		t.Error("the pid belongs to the second, and the first must still be known")
	}
	if s := c.Stats(); s != (Stats{Live: 1, Dead: 1}) {
		t.Errorf("stats are %+v", s)
	}
	// A late event of an owner that was never seen must not take the files of the
	// present one, nor its pid.
	late := c.Seen(Hint{PID: 71, StartNS: 15 * nsPerTick, Comm: "late"})
	if !late.FromHint || late.Name != "late" || c.Lookup(71) != second {
		t.Errorf("got %+v", late)
	}
	c.Exited(71, 9*nsPerTick) // of the first, again
	if s := c.Stats(); s != (Stats{Live: 1, Dead: 2}) {
		t.Errorf("stats are %+v", s)
	}
}

func TestExec(t *testing.T) {
	proc := fakeProc(t)
	c := newCache(t, Config{Proc: proc})
	putProcess(t, proc, 71, 9, "bash")
	h := Hint{PID: 71, StartNS: 9 * nsPerTick}
	before := c.Seen(h)
	if err := os.RemoveAll(proc + "/71"); err != nil {
		t.Fatal(err)
	}
	h.Comm, h.Exe = "curl", "/usr/bin/curl"
	after := c.Exec(h)
	if before.Service != "bash" || after.Service != "curl" || before.UPID != after.UPID {
		t.Errorf("got %+v then %+v", before, after)
	}
	if after.ContainerID != idA || after.PodUID != uid || after.Cgroup != before.Cgroup || after.NSPID != 7 {
		t.Errorf("an exec does not leave the container, but got %+v", after)
	}
	if c.Seen(h) != after || c.Lookup(71) != after {
		t.Error("the new image did not replace the old one")
	}
	if p := c.Exec(Hint{PID: 72, StartNS: nsPerTick, Comm: "new"}); c.Lookup(72) != p {
		t.Error("an exec alone must make a process known")
	}
}

// What the kernel sends of a process that is known tells whether it is still the same
// program: nothing else tells of an exec.
func TestAnnounced(t *testing.T) {
	proc := fakeProc(t)
	c := newCache(t, Config{Proc: proc})
	putProcess(t, proc, 71, 9, "bash")
	first := Hint{PID: 71, StartNS: 9 * nsPerTick, Comm: "bash", Exe: "bash", Args: []byte("bash\x00-v")}
	bash, changed := c.Announced(first)
	if changed || bash.Service != "bash" {
		t.Fatalf("at first: %+v, changed %t", bash, changed)
	}
	for _, same := range []Hint{first, {PID: 71}, {PID: 71, StartNS: first.StartNS}, {PID: 71, StartNS: first.StartNS, Comm: "bash\x00"}} {
		if p, changed := c.Announced(same); p != bash || changed {
			t.Errorf("%+v: got %+v, changed %t", same, p, changed)
		}
	}
	putProcess(t, proc, 71, 9, "curl")
	for _, other := range []Hint{
		{Comm: "curl"}, {Exe: "curl"}, {Comm: "bash", Exe: "bash", Args: []byte("bash\x00other.sh\x00")},
	} {
		c := newCache(t, Config{Proc: proc})
		putProcess(t, proc, 71, 9, "bash")
		bash := c.Seen(Hint{PID: 71})
		putProcess(t, proc, 71, 9, "curl")
		other.PID, other.StartNS = 71, first.StartNS
		p, changed := c.Announced(other)
		if !changed || p.Service != "curl" || p.UPID != bash.UPID || c.Lookup(71) != p {
			t.Errorf("%+v: got %+v, changed %t", other, p, changed)
		}
	}
}

func TestExpire(t *testing.T) {
	proc := fakeProc(t)
	c := newCache(t, Config{Proc: proc, Keep: time.Minute})
	now := time.Now()
	c.now = func() time.Time { return now }
	putProcess(t, proc, 71, 9, "cart")
	putProcess(t, proc, 72, 9, "shop")
	cart := c.Seen(Hint{PID: 71})
	c.Seen(Hint{PID: 72})
	c.Exited(71, 9*nsPerTick)
	c.Exited(71, 9*nsPerTick)
	c.Exited(99, 0)
	c.Expire(now.Add(59 * time.Second))
	if c.Lookup(71) != cart {
		t.Error("forgotten too early")
	}
	c.Expire(now.Add(60 * time.Second))
	if c.Lookup(71) != nil || c.Find(cart.UPID) != nil || c.Lookup(72) == nil {
		t.Error("the dead must be forgotten and the living not")
	}
	// Nobody tells of the death of 72.
	if err := os.RemoveAll(proc + "/72"); err != nil {
		t.Fatal(err)
	}
	c.Expire(now.Add(2 * time.Minute))
	if s := c.Stats(); s != (Stats{Dead: 1}) {
		t.Errorf("stats are %+v", s)
	}
	c.Expire(now.Add(3 * time.Minute))
	if s := c.Stats(); s != (Stats{}) || len(c.byKey)+len(c.current) != 0 {
		t.Errorf("stats are %+v, keys %v", s, c.byKey)
	}
}

func TestEvictsTheDeadFirst(t *testing.T) {
	proc := fakeProc(t)
	c := newCache(t, Config{Proc: proc, Max: 4})
	for pid := uint32(1); pid <= 4; pid++ {
		putProcess(t, proc, pid, 9, "p")
		c.Seen(Hint{PID: pid})
	}
	c.Exited(3, 0)
	c.Seen(Hint{PID: 1}) // now 2 was used least recently
	for pid := uint32(5); pid <= 6; pid++ {
		putProcess(t, proc, pid, 9, "p")
		c.Seen(Hint{PID: pid})
	}
	for pid, want := range map[uint32]bool{1: true, 2: false, 3: false, 4: true, 5: true, 6: true} {
		if got := c.Lookup(pid) != nil; got != want {
			t.Errorf("pid %d: known is %v", pid, got)
		}
	}
	if s := c.Stats(); s != (Stats{Live: 4, Evicted: 2}) {
		t.Errorf("stats are %+v", s)
	}
}

// TestBounded shows that the cache does not grow with what it is told, however
// long the strings are and whichever pids they are about.
func TestBounded(t *testing.T) {
	c := newCache(t, Config{Proc: fakeProc(t), Max: 1000})
	h := Hint{Exe: strings.Repeat("e", 8<<10), Args: bytes.Repeat([]byte{'x'}, 8<<10)}
	var peak uint64
	for i := range 100_000 {
		h.PID, h.StartNS = uint32(i%5000), uint64(1+i)*nsPerTick
		c.Seen(h)
		if i%20_000 == 19_999 {
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			peak = max(peak, m.HeapAlloc)
		}
	}
	s := c.Stats()
	if s.Live+s.Dead != 1000 || len(c.byKey) != 1000 || len(c.current) > 1000 || s.Evicted != 99_000 {
		t.Errorf("stats are %+v, %d keys, %d pids", s, len(c.byKey), len(c.current))
	}
	t.Logf("heap is %d KiB with %d processes of 4 KiB of path and 4 KiB of arguments each", peak>>10, s.Live+s.Dead)
	if limit := uint64(24 << 20); peak > limit {
		t.Errorf("heap reached %d bytes, more than %d", peak, limit)
	}
}

func TestConcurrentUse(t *testing.T) {
	proc := fakeProc(t)
	for pid := uint32(1); pid <= 20; pid++ {
		putProcess(t, proc, pid, 9, "p")
	}
	c := newCache(t, Config{Proc: proc, Max: 30})
	shared := make([]*Process, 8)
	var group sync.WaitGroup
	for g := range 8 {
		group.Go(func() {
			shared[g] = c.Seen(Hint{PID: 20, StartNS: 9 * nsPerTick})
			for i := range 300 {
				pid := uint32(1 + (i*7+g)%40) // half of them do not exist
				p := c.Seen(Hint{PID: pid, StartNS: 9 * nsPerTick})
				if p == nil || p.PID != pid {
					t.Errorf("pid %d: got %+v", pid, p)
				}
				c.Lookup(pid)
				c.Find(p.UPID)
				switch i % 10 {
				case 3:
					c.Exec(Hint{PID: pid, StartNS: 9 * nsPerTick})
				case 5:
					c.Exited(pid, 0)
				case 7:
					c.Expire(time.Now().Add(time.Duration(i) * time.Second))
				}
			}
		})
	}
	group.Wait()
	if s := c.Stats(); s.Live+s.Dead > 30 || s.Live+s.Dead != len(c.byKey) {
		t.Errorf("stats are %+v with %d keys", s, len(c.byKey))
	}
}

func TestFirstCallersShareOneEntry(t *testing.T) {
	proc := fakeProc(t)
	putProcess(t, proc, 20, 9, "p")
	for range 50 {
		c := newCache(t, Config{Proc: proc})
		var seen [4]*Process
		var group sync.WaitGroup
		for g := range seen {
			group.Go(func() { seen[g] = c.Seen(Hint{PID: 20}) })
		}
		group.Wait()
		for _, p := range seen {
			if p != seen[0] {
				t.Fatal("two callers got two entries")
			}
		}
	}
}

func BenchmarkSeenKnown(b *testing.B) {
	c := newCache(b, Config{Proc: fakeProc(b)})
	h := Hint{PID: 71, StartNS: nsPerTick, Comm: "p"}
	c.Seen(h)
	b.ReportAllocs()
	for b.Loop() {
		c.Seen(h)
	}
}

func BenchmarkSeenDead(b *testing.B) {
	c := newCache(b, Config{Proc: fakeProc(b)})
	h := Hint{Comm: "curl", Exe: "/usr/bin/curl", Cgroup: "docker-" + idA + ".scope", Args: []byte("curl\x00-s\x00http://localhost/\x00")}
	b.ReportAllocs()
	for b.Loop() {
		h.PID++
		h.StartNS += nsPerTick
		c.Seen(h)
	}
}
