// SPDX-License-Identifier: Apache-2.0

package protocoltracereceiver

import (
	"bufio"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/puck-otel/puck/bpf/socktrace"
)

func (p *talker) port() string { return p.url[strings.LastIndexByte(p.url, ':')+1:] }

// becomeCurl has bash ask the talker for /first and, in the same process, curl for
// /second. It returns the process's id.
func (p *talker) becomeCurl() int {
	p.t.Helper()
	cmd := exec.Command("bash", "-c", `exec 3<>/dev/tcp/127.0.0.1/`+p.port()+`
printf 'GET /first HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n' >&3; while read -r -u 3 _; do :; done; exec 3>&-
sleep 0.3 # a worker looks at its ring within 50 ms
exec curl -s -o /dev/null http://127.0.0.1:`+p.port()+`/second`)
	require.NoError(p.t, cmd.Run())
	return cmd.Process.Pid
}

// resourceOf waits for the span of a process with this path.
func (r *running) resourceOf(pid int, path string) (resource pcommon.Map) {
	r.t.Helper()
	require.Eventually(r.t, func() bool {
		for _, td := range r.traces.AllTraces() {
			for _, rs := range td.ResourceSpans().All() {
				resource = rs.Resource().Attributes()
				if v, ok := resource.Get("process.pid"); !ok || v.Int() != int64(pid) {
					continue
				}
				for _, s := range rs.ScopeSpans().At(0).Spans().All() {
					if v, ok := s.Attributes().Get("url.path"); ok && v.Str() == path {
						return true
					}
				}
			}
		}
		return false
	}, 5*time.Second, 20*time.Millisecond, "no span of process %d with path %s", pid, path)
	return resource
}

// A process that has had connections and then executes another program is that.
func TestExecChangesTheService(t *testing.T) {
	r := run(t, nil)
	pid := newTalker(t, 1).becomeCurl()
	require.Equal(t, "bash", str(t, r.resourceOf(pid, "/first"), "service.name"))
	resource := r.resourceOf(pid, "/second")
	require.Equal(t, "curl", str(t, resource, "service.name"))
	require.Equal(t, "curl", str(t, resource, "process.executable.name"))
}

// Filters judge the program that runs, and not the wrapper that it was.
func TestExecIsFilteredByItsOwnName(t *testing.T) {
	t.Run("included", func(t *testing.T) {
		r := run(t, func(c *Config) { c.Include.Executables = []string{"curl"} })
		pid := newTalker(t, 1).becomeCurl()
		r.resourceOf(pid, "/second")
		spans, _ := r.spans(pid)
		require.Len(t, spans, 1)
	})
	t.Run("excluded", func(t *testing.T) {
		r := run(t, func(c *Config) { c.Exclude.Executables = []string{"curl"} })
		p := newTalker(t, 1)
		pid := p.becomeCurl()
		r.resourceOf(pid, "/first")
		r.resourceOf(p.cmd.Process.Pid, "/second") // of the server
		spans, _ := r.spans(pid)
		require.Len(t, spans, 1)
	})
}

// A connection that an excluded process accepts and hands on, as inetd and socket
// activation do, is traced as the other's from its first byte.
func TestConnectionOfAnExcludedProcessHandedOn(t *testing.T) {
	for name, excluded := range map[string]string{"nobody excluded": "nobody", "who accepts excluded": "python3*"} {
		t.Run(name, func(t *testing.T) {
			r := run(t, func(c *Config) { c.Exclude.Executables = []string{excluded} })
			cmd := exec.Command("python3", "-c", `import socket,time,subprocess
s=socket.socket(); s.bind(("127.0.0.1",0)); s.listen(); print(s.getsockname()[1],flush=True)
a,_=s.accept(); time.sleep(0.3)
p=subprocess.Popen(["perl","-e",r'sysread(STDIN,$q,4096); syswrite(STDOUT,"HTTP/1.1 200 OK\x0d\x0aContent-Length: 2\x0d\x0a\x0d\x0aok"); sleep 1'],stdin=a,stdout=a)
a.close(); p.wait(); print(p.pid,flush=True)`)
			out, err := cmd.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, cmd.Start())
			lines := bufio.NewScanner(out)
			require.True(t, lines.Scan())
			require.NoError(t, exec.Command("curl", "-s", "-m", "5", "-o", "/dev/null", "http://127.0.0.1:"+lines.Text()+"/handed").Run())
			require.True(t, lines.Scan())
			pid, err := strconv.Atoi(lines.Text())
			require.NoError(t, err)
			require.NoError(t, cmd.Wait())
			r.resourceOf(pid, "/handed")
		})
	}
}

// roles leaves out connections that are older than the collector too, once it shows
// at which end the process is.
func TestRolesOfOlderConnections(t *testing.T) {
	p := newTalker(t, 10)
	p.talk() // opens the connection that the next requests use
	r := run(t, func(c *Config) { c.Roles = []string{"server"} })
	p.talk()
	spans, _ := r.wait(p, 10)
	for _, s := range spans {
		require.Equal(t, ptrace.SpanKindServer, s.Kind())
	}
	require.Eventually(t, func() bool { return r.counter("connections", "filtered") >= 1 }, 5*time.Second, 20*time.Millisecond)
	p.talk()
	r.wait(p, 20)
}

// Connections that the collector leaves out are counted, as those that the kernel
// side does, and once each.
func TestFilteredConnectionsAreCounted(t *testing.T) {
	p := newTalker(t, 10)
	r := run(t, func(c *Config) { c.Exclude.Executables = []string{"protocoltracereceiver.test*"} })
	p.talk()
	rec := r.receivers[0].(*protocolTrace)
	require.Eventually(t, func() bool { return rec.workers[0].snapshot.Load().counts.filtered > 0 }, 5*time.Second, 20*time.Millisecond)
	kernel, err := rec.tracer.Counters()
	require.NoError(t, err)
	collector := rec.workers[0].snapshot.Load().counts.filtered
	require.GreaterOrEqual(t, r.counter("connections", "filtered"), int64(kernel[socktrace.Filtered]+collector))
}
