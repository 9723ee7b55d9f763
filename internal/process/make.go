// SPDX-License-Identifier: Apache-2.0

package process

import (
	"strings"
	"time"
)

// unknownService is what semantic conventions call a service without a name. It is
// one name for all of them, which must not be as many as there are processes.
const unknownService = "unknown_service"

// make puts together what /proc, the hint and the process's former image say, in
// this order. gone says that the process was not there any more.
func (c *Cache) make(h Hint, before *Process) (p *Process, gone bool) {
	buf := c.buffers.Get().(*[maxArgs]byte)
	defer c.buffers.Put(buf)
	img, err := readImage(c.proc, h.PID, Ticks(h.StartNS), buf[:])
	gone = err != nil
	if gone {
		img = image{startTicks: Ticks(h.StartNS)}
	}
	exe, deleted := strings.CutSuffix(or(img.exe, cString(h.Exe)), " (deleted)")
	args := img.args
	if len(args) == 0 { // a zombie has none left
		args = h.Args[:min(len(h.Args), maxArgs)]
	}
	p = &Process{
		PID: h.PID, NSPID: h.PID, StartTicks: img.startTicks,
		UPID:       UPID(c.agent, h.PID, img.startTicks),
		StartTime:  c.boot.Add(time.Duration(img.startTicks * nsPerTick)),
		Name:       clean(or(img.comm, cString(h.Comm)), maxName),
		Exe:        clean(exe, maxPath),
		ExeDeleted: deleted, FromHint: gone,
		Cmdline: clean(strings.TrimRight(string(args[:min(len(args), maxSmall)]), "\x00 "), maxSmall),
		Service: img.service,
	}
	if img.nsPID != 0 {
		p.NSPID = img.nsPID
	}
	hinted := h.Cgroup[:min(len(h.Cgroup), maxCgroup)]
	where := parseCgroup(or(img.cgroup, hinted))
	if where.container == "" && where.pod == "" {
		// A v1 host moves a dying process to the root of its hierarchies.
		where = parseCgroup(hinted)
	}
	p.ContainerID, p.ContainerRuntime = clean(where.container, maxName), where.runtime
	p.PodUID = strings.Clone(where.pod)
	p.Cgroup = clean(longestPath(or(img.cgroup, hinted)), maxPath)
	p.inherit(before, gone)
	p.ServiceSet = p.Service != ""
	if p.Service == "" {
		p.Service = serviceOf(p.Exe, p.Name, img.cwd, args)
	}
	if p.Service == "" {
		p.Service = unknownService
	}
	return p, gone
}

// inherit takes from the former image what an exec does not change, where it
// could not be read again.
func (p *Process) inherit(before *Process, gone bool) {
	if before == nil {
		return
	}
	if p.ContainerID == "" && p.PodUID == "" {
		p.ContainerID, p.ContainerRuntime, p.PodUID = before.ContainerID, before.ContainerRuntime, before.PodUID
	}
	p.Cgroup = or(p.Cgroup, before.Cgroup)
	if gone {
		p.NSPID = before.NSPID
		if p.Service == "" && before.ServiceSet {
			p.Service = before.Service
		}
	}
}

// cString returns s up to the first NUL: what the kernel fills in has a fixed size.
func cString(s string) string {
	s, _, _ = strings.Cut(s, "\x00")
	return s
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
