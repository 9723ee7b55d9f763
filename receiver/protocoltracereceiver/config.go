// SPDX-License-Identifier: Apache-2.0

package protocoltracereceiver

import (
	"errors"
	"fmt"
	"math"
	"path"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/collector/component"

	"github.com/puck-otel/puck/bpf/socktrace"
)

// Config is the configuration of protocol_trace. README.md describes each field.
type Config struct {
	// Protocols names the protocols that are parsed; empty for all.
	Protocols []string `mapstructure:"protocols"`
	// CaptureSize is how many bytes of each call are copied.
	CaptureSize int `mapstructure:"capture_size"`
	// BodySize is how many bytes of each body, or of a command's arguments and its
	// reply, the node's own tables keep.
	BodySize int `mapstructure:"body_size"`
	// KeepQueryValues leaves the values of URL queries as they are.
	KeepQueryValues bool          `mapstructure:"keep_query_values"`
	Headers         HeadersConfig `mapstructure:"headers"`
	// Include leaves out the connections that it does not match. If it names ports, one
	// of them must be the port of either end; and if it names executables or cgroups,
	// one of these must be the process's.
	Include FilterConfig `mapstructure:"include"`
	// Exclude leaves out the connections that any of its entries matches, included or
	// not.
	Exclude FilterConfig `mapstructure:"exclude"`
	// Roles are the ends of connections that are traced: client, server.
	Roles    []string         `mapstructure:"roles"`
	Sampling []SamplingConfig `mapstructure:"sampling"`
	// UnixSockets traces UNIX stream sockets too.
	UnixSockets bool `mapstructure:"unix_sockets"`
	// RingBufferSize is the size of each worker's ring in bytes.
	RingBufferSize int `mapstructure:"ring_buffer_size"`
	MaxConnections int `mapstructure:"max_connections"`
	// Workers is the number of goroutines that parse; 0 chooses by the CPUs.
	Workers int `mapstructure:"workers"`
	// QueueSize is how many batches of spans may wait for the pipeline.
	QueueSize int `mapstructure:"queue_size"`
	// FlushInterval is for how long spans are gathered.
	FlushInterval time.Duration `mapstructure:"flush_interval"`
	// CollectionInterval is the period of conn_stats.
	CollectionInterval time.Duration `mapstructure:"collection_interval"`
	// AgentID is the agent's part of every upid, of 32 bits; 0 derives it from the
	// machine's id and name. It is wider than that, since a number that does not fit
	// would be cut before Validate sees it.
	AgentID int64 `mapstructure:"agent_id"`
	// CommandLine adds process.command_line to resources.
	CommandLine bool `mapstructure:"command_line"`

	_ struct{}
}

// HeadersConfig names the header fields that rows keep.
type HeadersConfig struct {
	Request  []string `mapstructure:"request"`
	Response []string `mapstructure:"response"`

	_ struct{}
}

// FilterConfig matches connections by port, in the kernel, and by process, in the
// collector. Config says how the lists of include and of exclude go together.
type FilterConfig struct {
	// Executables are globs of the executable's path, or of its name if the glob
	// has no slash.
	Executables []string `mapstructure:"executables"`
	// Ports match the port of either end.
	Ports []int `mapstructure:"ports"`
	// Cgroups are globs of the cgroup's path, in which * matches slashes too.
	Cgroups []string `mapstructure:"cgroups"`

	_ struct{}
}

// SamplingConfig keeps a share of the spans of some services.
type SamplingConfig struct {
	// Service is a glob of service.name. The first entry that matches counts.
	Service string `mapstructure:"service"`
	// Ratio of the spans that are kept, by trace where a request carries one.
	Ratio float64 `mapstructure:"ratio"`

	_ struct{}
}

const (
	roleClient = "client"
	roleServer = "server"

	minRing, maxRing               = 64 << 10, 1 << 30
	ringCaptures                   = 4 // of which data may fill seven eighths of a ring
	minConnections, maxConnections = 16, 1 << 22
	maxWorkers                     = 64
	minFlush, maxFlush             = 10 * time.Millisecond, 30 * time.Second
	minCollection                  = 100 * time.Millisecond
	maxPorts                       = 512
	maxBody                        = 1 << 20
	maxQueue                       = 10000
)

func createDefaultConfig() component.Config {
	return &Config{
		CaptureSize:        4096,
		Roles:              []string{roleClient, roleServer},
		RingBufferSize:     8 << 20,
		MaxConnections:     65536,
		QueueSize:          64,
		FlushInterval:      200 * time.Millisecond,
		CollectionInterval: 10 * time.Second,
	}
}

// Validate implements xconfmap.Validator. It reports every mistake at once.
func (c *Config) Validate() error {
	var errs []error
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	known := protocolNames()
	for _, name := range c.Protocols {
		if !slices.Contains(known, name) {
			fail("protocols: unknown protocol %q: must be one of %s", name, strings.Join(known, ", "))
		}
	}
	if c.CaptureSize < 0 || c.CaptureSize > socktrace.MaxCapture {
		fail("capture_size: %d: must be 0 to %d bytes", c.CaptureSize, socktrace.MaxCapture)
	}
	if c.BodySize < 0 || c.BodySize > maxBody {
		fail("body_size: %d: must be 0 to %d bytes", c.BodySize, maxBody)
	}
	if c.RingBufferSize < minRing || c.RingBufferSize > maxRing || c.RingBufferSize&(c.RingBufferSize-1) != 0 {
		fail("ring_buffer_size: %d: must be a power of two from %d to %d bytes", c.RingBufferSize, minRing, maxRing)
	}
	if c.RingBufferSize > 0 && c.CaptureSize <= socktrace.MaxCapture && c.RingBufferSize < ringCaptures*c.CaptureSize {
		fail("ring_buffer_size: %d, capture_size: %d: the ring must be at least %d times capture_size, here %d to %d bytes",
			c.RingBufferSize, c.CaptureSize, ringCaptures, ringCaptures*c.CaptureSize, maxRing)
	}
	if c.AgentID < 0 || c.AgentID > math.MaxUint32 {
		fail("agent_id: %d: must be 0, to derive it from the machine's id, to %d", c.AgentID, uint32(math.MaxUint32))
	}
	if c.MaxConnections < minConnections || c.MaxConnections > maxConnections {
		fail("max_connections: %d: must be %d to %d", c.MaxConnections, minConnections, maxConnections)
	}
	if c.Workers < 0 || c.Workers > maxWorkers {
		fail("workers: %d: must be 0, to choose by the number of CPUs, to %d", c.Workers, maxWorkers)
	}
	if c.QueueSize < 1 || c.QueueSize > maxQueue {
		fail("queue_size: %d: must be 1 to %d batches", c.QueueSize, maxQueue)
	}
	if c.FlushInterval < minFlush || c.FlushInterval > maxFlush {
		fail("flush_interval: %v: must be %v to %v", c.FlushInterval, minFlush, maxFlush)
	}
	if c.CollectionInterval < minCollection {
		fail("collection_interval: %v: must be at least %v", c.CollectionInterval, minCollection)
	}
	if len(c.Roles) == 0 {
		fail("roles: empty: must name client, server or both")
	}
	for _, role := range c.Roles {
		if role != roleClient && role != roleServer {
			fail("roles: unknown role %q: must be client or server", role)
		}
	}
	errs = append(errs, c.Include.validate("include"), c.Exclude.validate("exclude"))
	for i, s := range c.Sampling {
		if _, err := path.Match(s.Service, ""); err != nil || s.Service == "" {
			fail("sampling[%d]: service %q: must be a glob such as \"checkout\" or \"web-*\"", i, s.Service)
		}
		if s.Ratio < 0 || s.Ratio > 1 || s.Ratio != s.Ratio {
			fail("sampling[%d]: ratio %v: must be 0 to 1", i, s.Ratio)
		}
	}
	for _, list := range []struct {
		name  string
		names []string
	}{{"headers::request", c.Headers.Request}, {"headers::response", c.Headers.Response}} {
		for _, name := range list.names {
			if name == "" || strings.ContainsAny(name, " \t\r\n:") {
				fail("%s: %q: must be a header's name, or * for all", list.name, name)
			}
		}
	}
	return errors.Join(errs...)
}

func (f *FilterConfig) validate(name string) error {
	var errs []error
	for _, glob := range f.Executables {
		if _, err := path.Match(glob, ""); err != nil || glob == "" {
			errs = append(errs, fmt.Errorf("%s::executables: %q: must be a glob such as nginx or /usr/bin/python*", name, glob))
		}
	}
	for _, port := range f.Ports {
		if port < 1 || port > 65535 {
			errs = append(errs, fmt.Errorf("%s::ports: %d: must be 1 to 65535", name, port))
		}
	}
	if len(f.Ports) > maxPorts {
		errs = append(errs, fmt.Errorf("%s::ports: %d ports: must be at most %d", name, len(f.Ports), maxPorts))
	}
	for _, glob := range f.Cgroups {
		if _, err := path.Match(strings.ReplaceAll(glob, "/", "_"), ""); err != nil || glob == "" {
			errs = append(errs, fmt.Errorf("%s::cgroups: %q: must be a glob such as */kubepods* or /system.slice/*", name, glob))
		}
	}
	return errors.Join(errs...)
}
