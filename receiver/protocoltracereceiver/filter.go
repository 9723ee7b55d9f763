// SPDX-License-Identifier: Apache-2.0

package protocoltracereceiver

import (
	"path"
	"slices"
	"strings"

	"github.com/puck-otel/puck/internal/process"
	"github.com/puck-otel/puck/internal/protocol"
)

// filter decides by process and role what is traced. Ports are decided in the kernel.
type filter struct {
	include, exclude FilterConfig
	sampling         []SamplingConfig
	clients, servers bool
}

func newFilter(c *Config) *filter {
	return &filter{
		include: c.Include, exclude: c.Exclude, sampling: c.Sampling,
		clients: slices.Contains(c.Roles, roleClient), servers: slices.Contains(c.Roles, roleServer),
	}
}

// wantsRole says whether connections of the role are traced. The kernel side decides
// it where it saw the connection begin; the role of an older one shows later.
func (f *filter) wantsRole(role protocol.Role) bool {
	return (f.clients || role != protocol.Client) && (f.servers || role != protocol.Server)
}

// wants says whether the process is traced at all.
func (f *filter) wants(p *process.Process) bool {
	if matches(&f.exclude, p) {
		return false
	}
	if len(f.include.Executables) == 0 && len(f.include.Cgroups) == 0 {
		return true
	}
	return matches(&f.include, p)
}

func matches(c *FilterConfig, p *process.Process) bool {
	for _, glob := range c.Executables {
		name := executableName(p)
		if strings.Contains(glob, "/") {
			name = p.Exe
		}
		if ok, _ := path.Match(glob, name); ok {
			return true
		}
	}
	for _, glob := range c.Cgroups {
		if matchCgroup(glob, p.Cgroup) {
			return true
		}
	}
	return false
}

// matchCgroup matches paths as if a slash were any other character.
func matchCgroup(glob, cgroup string) bool {
	const slash = "\x01"
	ok, _ := path.Match(strings.ReplaceAll(glob, "/", slash), strings.ReplaceAll(cgroup, "/", slash))
	return ok
}

// executableName returns the executable's file name, the kernel's name of the
// process where the file is not known.
func executableName(p *process.Process) string {
	if p.Exe == "" {
		return p.Name
	}
	return path.Base(p.Exe)
}

// ratio returns the share of the service's spans that is kept.
func (f *filter) ratio(service string) float64 {
	for _, s := range f.sampling {
		if ok, _ := path.Match(s.Service, service); ok {
			return s.Ratio
		}
	}
	return 1
}
