// SPDX-License-Identifier: Apache-2.0

//go:build linux

package socktrace

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/features"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/rlimit"
	"golang.org/x/sys/unix"
)

// Tracer is the loaded kernel side.
type Tracer struct {
	config   Config
	maps     map[string]*ebpf.Map
	programs map[string]*ebpf.Program
	hooks    []hook
	probes   []Probe // of hooks, in the same order
	links    []link.Link
	inner    []*ebpf.Map
	rings    []*Ring
	memory   []byte // of verdicts
	verdicts []bpfVerdictEntry
	swept    uint64 // what Missed returned when Sweep last looked at everything
}

// Load loads the maps and programs into the kernel. A program that cannot be
// loaded costs that program alone: see [Tracer.Probes].
func Load(config Config) (*Tracer, error) {
	if err := checkRights(); err != nil {
		return nil, err
	}
	// Kernels since 5.11 do not need it, and it may not be allowed there.
	_ = rlimit.RemoveMemlock()
	spec, err := loadBpf()
	if err != nil {
		return nil, fmt.Errorf("read the BPF object: %w", err)
	}
	if err = configure(spec, config); err != nil {
		return nil, err
	}
	choose(spec, features.HaveProgramHelper(ebpf.TracePoint, asm.FnLoop) == nil)
	t := &Tracer{config: config, hooks: wantedHooks(spec, config)}
	if err = t.load(spec); err != nil {
		return nil, errors.Join(err, t.Close())
	}
	if err = t.fill(); err != nil {
		return nil, errors.Join(err, t.Close())
	}
	return t, nil
}

func powerOfTwo(n int) bool { return n > 0 && n&(n-1) == 0 }

func ceilPowerOfTwo(n int) uint32 {
	p := uint32(1)
	for int(p) < n {
		p <<= 1
	}
	return p
}

// configure writes the configuration into the object's constants and map sizes.
func configure(spec *ebpf.CollectionSpec, c Config) error {
	switch {
	case c.CaptureSize < 0 || c.CaptureSize > MaxCapture:
		return fmt.Errorf("capture size %d: must be 0 to %d", c.CaptureSize, MaxCapture)
	case !powerOfTwo(c.RingSize) || c.RingSize%4096 != 0:
		return fmt.Errorf("ring size %d: must be a power of two of at least 4096", c.RingSize)
	case !powerOfTwo(c.Rings):
		return fmt.Errorf("%d rings: must be a power of two", c.Rings)
	case c.MaxConnections <= 0:
		return fmt.Errorf("room for %d connections: must be at least 1", c.MaxConnections)
	}
	cpus, err := ebpf.PossibleCPU()
	if err != nil {
		return fmt.Errorf("count CPUs: %w", err)
	}
	verdicts := ceilPowerOfTwo(2 * c.MaxConnections)
	constants := map[string]any{
		"capture_size":        uint32(c.CaptureSize),
		"ring_mask":           uint32(c.Rings - 1),
		"verdict_mask":        verdicts - 1,
		"wakeup_bytes":        uint32(c.WakeupBytes),
		"data_room":           uint64(c.RingSize - c.RingSize/8),
		"id_stride":           uint32(cpus + 1),
		"trace_udp":           c.UDP,
		"trace_unix":          c.Unix,
		"trace_clients":       c.Clients,
		"trace_servers":       c.Servers,
		"only_included_ports": len(c.IncludePorts) > 0,
	}
	for name, value := range constants {
		if err := spec.Variables[name].Set(value); err != nil {
			return fmt.Errorf("set %s: %w", name, err)
		}
	}
	spec.Maps[bpfMapConnections].MaxEntries = uint32(c.MaxConnections)
	spec.Maps[bpfMapVerdicts].MaxEntries = verdicts
	spec.Maps[bpfMapScratches].MaxEntries = uint32(cpus)
	spec.Maps[bpfMapRings].MaxEntries = uint32(c.Rings)
	spec.Maps[bpfMapRings].InnerMap.MaxEntries = uint32(c.RingSize)
	return nil
}

// choose leaves one of the two programs for calls that move many messages: the one
// without bpf_loop, which does fewer of them, for kernels that lack it.
func choose(spec *ebpf.CollectionSpec, loop bool) {
	for name, unrolled := range map[string]string{
		bpfProgTraceRecvmmsgExit: bpfProgTraceRecvmmsgExitUnrolled,
		bpfProgTraceSendmmsgExit: bpfProgTraceSendmmsgExitUnrolled,
	} {
		if !loop {
			spec.Programs[name] = spec.Programs[unrolled]
		}
		delete(spec.Programs, unrolled)
	}
}

// load creates the maps, then the programs. If not all of them load together,
// each is tried alone to find those that do not.
func (t *Tracer) load(spec *ebpf.CollectionSpec) error {
	t.programs = map[string]*ebpf.Program{}
	failed := map[string]error{}
	all, err := ebpf.NewCollection(spec)
	if err == nil {
		t.maps, t.programs = all.Maps, all.Programs
	} else if err = t.loadEach(spec, failed); err != nil {
		return err
	}
	for _, hook := range t.hooks {
		probe := Probe{Program: hook.program, Hook: hook.String()}
		if err := failed[hook.program]; err != nil {
			probe.Err = fmt.Errorf("load %s: %w: %s", hook.program, err, remedy(hook, err))
		}
		t.probes = append(t.probes, probe)
	}
	return nil
}

func (t *Tracer) loadEach(spec *ebpf.CollectionSpec, failed map[string]error) error {
	only := spec.Copy()
	only.Programs = nil
	maps, err := ebpf.NewCollection(only)
	if err != nil {
		return fmt.Errorf("create BPF maps: %w", err)
	}
	t.maps = maps.Maps
	for name, program := range spec.Programs {
		one := spec.Copy()
		one.Programs = map[string]*ebpf.ProgramSpec{name: program}
		loaded, err := ebpf.NewCollectionWithOptions(one, ebpf.CollectionOptions{MapReplacements: t.maps})
		if err != nil {
			failed[name] = err
			continue
		}
		t.programs[name] = loaded.Programs[name]
		delete(loaded.Programs, name)
		loaded.Close() // its maps are clones
	}
	if len(t.programs) == 0 {
		err := failed[bpfProgTraceReadExit]
		return fmt.Errorf("no BPF program loads here: %w: %s", err, remedy(hook{group: "syscalls"}, err))
	}
	return nil
}

// fill creates the rings and writes what the programs find in maps.
func (t *Tracer) fill() error {
	spec := &ebpf.MapSpec{Name: "events", Type: ebpf.RingBuf, MaxEntries: uint32(t.config.RingSize)}
	for i := range t.config.Rings {
		m, err := ebpf.NewMap(spec)
		if err != nil {
			return fmt.Errorf("create a ring of %d bytes: %w", t.config.RingSize, err)
		}
		t.inner = append(t.inner, m)
		if err = t.maps[bpfMapRings].Put(uint32(i), m); err != nil {
			return fmt.Errorf("enter ring %d: %w", i, err)
		}
		ring, err := newRing(m)
		if err != nil {
			return err
		}
		t.rings = append(t.rings, ring)
	}
	rules := map[uint16]uint8{}
	for _, port := range t.config.IncludePorts {
		rules[port] |= uint8(bpfPortRulePORT_INCLUDE)
	}
	for _, port := range t.config.ExcludePorts {
		rules[port] |= uint8(bpfPortRulePORT_EXCLUDE)
	}
	for port, rule := range rules {
		if err := t.maps[bpfMapPorts].Put(port, rule); err != nil {
			return fmt.Errorf("enter port %d: %w", port, err)
		}
	}
	m := t.maps[bpfMapVerdicts]
	entries := int(m.MaxEntries())
	var err error
	t.memory, err = unix.Mmap(m.FD(), 0, entries*int(unsafe.Sizeof(bpfVerdictEntry{})), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("map the verdicts: %w", err)
	}
	t.verdicts = unsafe.Slice((*bpfVerdictEntry)(unsafe.Pointer(&t.memory[0])), entries)
	return nil
}

// Rings returns the rings, one for each reader.
func (t *Tracer) Rings() []*Ring { return t.rings }

// Probes returns each program with what came of loading and attaching it.
func (t *Tracer) Probes() []Probe { return slices.Clone(t.probes) }

// entry returns what the kernel side looks up for a connection, of which there may
// be several to an entry.
func (t *Tracer) entry(conn uint64) *bpfVerdictEntry {
	return &t.verdicts[uint32(conn)&uint32(len(t.verdicts)-1)]
}

// SetVerdict says how many bytes of each call on a connection are copied from now
// on: 0 to copy nothing and tell nothing, less than 0 for the configured size. It
// costs one store.
func (t *Tracer) SetVerdict(conn uint64, bytes int) {
	atomic.StoreUint64(&t.entry(conn).Word, verdictWord(conn, bytes))
}

// SetSkip says that what one side of a connection moves before the position pos is
// of no use: only the call that reaches it is told of. It costs one store.
func (t *Tracer) SetSkip(conn uint64, side uint8, pos uint64) {
	atomic.StoreUint64(&t.entry(conn).Skip[side], skipWord(conn, pos))
}

// IgnoreProcess has the connections that a process opens from now on left out, until
// it executes another program. p is the event that announced it.
func (t *Tracer) IgnoreProcess(p *ProcessEvent) error {
	if err := t.maps[bpfMapLeftOut].Put(p.Tgid, p.Header.TsNs); err != nil {
		return fmt.Errorf("leave out process %d: %w", p.Tgid, err)
	}
	return nil
}

// Counters returns the kernel side's counters, indexed by [Counter].
func (t *Tracer) Counters() ([]uint64, error) {
	var perCPU []bpfCounts
	if err := t.maps[bpfMapCounters].Lookup(uint32(0), &perCPU); err != nil {
		return nil, fmt.Errorf("read counters: %w", err)
	}
	var sum bpfCounts
	for _, counts := range perCPU {
		for i, n := range counts.Of {
			sum.Of[i] += n
		}
	}
	return sum.Of[:], nil
}

// Missed returns how often the kernel skipped one of the programs, since another
// BPF program was running on that CPU.
func (t *Tracer) Missed() (uint64, error) {
	var missed uint64
	for name, program := range t.programs {
		stats, err := program.Stats()
		if err != nil {
			return 0, fmt.Errorf("read %s: %w", name, err)
		}
		missed += stats.RecursionMisses
	}
	return missed, nil
}

// Connections calls visit for each connection in the kernel's map. Connections
// that come or go meanwhile may be visited or not.
func (t *Tracer) Connections(visit func(Connection)) error {
	return t.eachConnection(func(_ uint64, v *bpfConnection) { visit(v.connection()) })
}

func (c *bpfConnection) connection() Connection {
	return Connection{
		ID: c.Id, Sent: c.Bytes[SideSend], Received: c.Bytes[SideRecv],
		Announced: c.Announced != 0,
	}
}

func (t *Tracer) eachConnection(visit func(key uint64, conn *bpfConnection)) error {
	var (
		cursor ebpf.MapBatchCursor
		keys   = make([]uint64, batch)
		values = make([]bpfConnection, batch)
	)
	for {
		n, err := t.maps[bpfMapConnections].BatchLookup(&cursor, keys, values, nil)
		for i := range n {
			visit(keys[i], &values[i])
		}
		if errors.Is(err, ebpf.ErrKeyNotExist) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read connections: %w", err)
		}
	}
}

// batch is how many entries one system call reads. A hash bucket must fit.
const batch = 512

// Detach detaches all programs. What lies in the rings can still be read.
func (t *Tracer) Detach() error {
	var errs []error
	for _, l := range t.links {
		errs = append(errs, l.Close())
	}
	t.links = nil
	return errors.Join(errs...)
}

// Close detaches and unloads everything.
func (t *Tracer) Close() error {
	errs := []error{t.Detach()}
	for _, r := range t.rings {
		errs = append(errs, r.close())
	}
	for _, m := range t.inner {
		errs = append(errs, m.Close())
	}
	if t.memory != nil {
		errs = append(errs, unix.Munmap(t.memory))
	}
	for _, p := range t.programs {
		errs = append(errs, p.Close())
	}
	for _, m := range t.maps {
		errs = append(errs, m.Close())
	}
	*t = Tracer{}
	return errors.Join(errs...)
}
