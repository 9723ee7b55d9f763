// SPDX-License-Identifier: Apache-2.0

package protocoltracereceiver

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/confmaptest"
)

func TestConfigStruct(t *testing.T) {
	require.NoError(t, componenttest.CheckConfigStruct(createDefaultConfig()))
	require.NoError(t, createDefaultConfig().(*Config).Validate())
}

func TestLoadConfig(t *testing.T) {
	conf, err := confmaptest.LoadConf(filepath.Join("testdata", "config.yaml"))
	require.NoError(t, err)
	cfg := createDefaultConfig().(*Config)
	require.NoError(t, conf.Unmarshal(cfg))
	require.NoError(t, cfg.Validate())
	want := createDefaultConfig().(*Config)
	want.Protocols = []string{"http"}
	want.CaptureSize = 16384
	want.BodySize = 512
	want.KeepQueryValues = true
	want.Headers = HeadersConfig{Request: []string{"X-Request-Id"}, Response: []string{"*"}}
	want.Include = FilterConfig{Executables: []string{"nginx", "/usr/bin/python*"}, Ports: []int{80, 8080}, Cgroups: []string{"*/kubepods*"}}
	want.Exclude = FilterConfig{Ports: []int{9090}}
	want.Roles = []string{"server"}
	want.Sampling = []SamplingConfig{{Service: "web-*", Ratio: 0.1}}
	want.UnixSockets = true
	want.RingBufferSize = 1 << 20
	want.MaxConnections = 1000
	want.Workers = 2
	want.QueueSize = 8
	want.FlushInterval = time.Second
	want.CollectionInterval = 30 * time.Second
	want.AgentID = 7
	want.CommandLine = true
	require.Equal(t, want, cfg)
}

// A number that does not fit is refused, and not cut to its low bits.
func TestAgentIDIsNotCut(t *testing.T) {
	cfg := createDefaultConfig().(*Config)
	require.NoError(t, confmap.NewFromStringMap(map[string]any{"agent_id": int64(1)<<32 + 7}).Unmarshal(cfg))
	require.ErrorContains(t, cfg.Validate(), "agent_id: 4294967303")
	require.NoError(t, confmap.NewFromStringMap(map[string]any{"agent_id": int64(1)<<32 - 1}).Unmarshal(cfg))
	require.NoError(t, cfg.Validate())
	require.Equal(t, uint32(1<<32-1), (&protocolTrace{config: cfg}).agentID())
}

func TestValidate(t *testing.T) {
	for _, c := range []struct {
		name, message string
		change        func(*Config)
	}{
		{"protocol", `protocols: unknown protocol "htp": must be one of http, redis`, func(c *Config) { c.Protocols = []string{"htp"} }},
		{"capture", "capture_size: 70000: must be 0 to 65536 bytes", func(c *Config) { c.CaptureSize = 70000 }},
		{"negative capture", "capture_size: -1", func(c *Config) { c.CaptureSize = -1 }},
		{"body", "body_size: -1: must be 0 to 1048576 bytes", func(c *Config) { c.BodySize = -1 }},
		{"ring", "ring_buffer_size: 100000: must be a power of two from 65536 to 1073741824 bytes", func(c *Config) { c.RingBufferSize = 100000 }},
		{"ring of one event", "ring_buffer_size: 65536, capture_size: 65536: the ring must be at least 4 times capture_size, here 262144 to 1073741824 bytes", func(c *Config) {
			c.RingBufferSize, c.CaptureSize = 65536, 65536
		}},
		{"agent", "agent_id: 4294967296: must be 0, to derive it from the machine's id, to 4294967295", func(c *Config) { c.AgentID = 1 << 32 }},
		{"negative agent", "agent_id: -1", func(c *Config) { c.AgentID = -1 }},
		{"connections", "max_connections: 0: must be 16 to 4194304", func(c *Config) { c.MaxConnections = 0 }},
		{"workers", "workers: 65: must be 0, to choose by the number of CPUs, to 64", func(c *Config) { c.Workers = 65 }},
		{"queue", "queue_size: 0: must be 1 to 10000 batches", func(c *Config) { c.QueueSize = 0 }},
		{"flush", "flush_interval: 1ms: must be 10ms to 30s", func(c *Config) { c.FlushInterval = time.Millisecond }},
		{"collection", "collection_interval: 0s: must be at least 100ms", func(c *Config) { c.CollectionInterval = 0 }},
		{"no roles", "roles: empty: must name client, server or both", func(c *Config) { c.Roles = nil }},
		{"role", `roles: unknown role "peer": must be client or server`, func(c *Config) { c.Roles = []string{"peer"} }},
		{"port", "exclude::ports: 65536: must be 1 to 65535", func(c *Config) { c.Exclude.Ports = []int{65536} }},
		{"ports", "include::ports: 600 ports: must be at most 512", func(c *Config) {
			for i := range 600 {
				c.Include.Ports = append(c.Include.Ports, i+1)
			}
		}},
		{"executable", `include::executables: "[": must be a glob`, func(c *Config) { c.Include.Executables = []string{"["} }},
		{"cgroup", `exclude::cgroups: "[": must be a glob`, func(c *Config) { c.Exclude.Cgroups = []string{"["} }},
		{"service", `sampling[0]: service "": must be a glob`, func(c *Config) { c.Sampling = []SamplingConfig{{Ratio: 1}} }},
		{"ratio", "sampling[0]: ratio 2: must be 0 to 1", func(c *Config) { c.Sampling = []SamplingConfig{{Service: "x", Ratio: 2}} }},
		{"header", `headers::request: "a b": must be a header's name`, func(c *Config) { c.Headers.Request = []string{"a b"} }},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := createDefaultConfig().(*Config)
			c.change(cfg)
			require.ErrorContains(t, cfg.Validate(), c.message)
		})
	}
	cfg := &Config{}
	err := cfg.Validate()
	require.GreaterOrEqual(t, strings.Count(err.Error(), "must"), 6, "every mistake is reported at once: %v", err)
}
