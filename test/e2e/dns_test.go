// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/ptrace"
	"golang.org/x/net/dns/dnsmessage"

	"github.com/puck-otel/puck/test/spanfile"
)

// dnsmasqArgs are those of a server that answers of its own records alone.
func dnsmasqArgs(dir string, port int) []string {
	return []string{
		"--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--no-poll", "--user=root",
		"--pid-file=" + filepath.Join(dir, "pid"), "--listen-address=127.0.0.1", "--bind-interfaces", "--port=" + strconv.Itoa(port),
		"--local=/test/", "--host-record=www.puck.test,192.0.2.1,2001:db8::1", "--address=/load.puck.test/192.0.2.7",
		"--cname=alias.puck.test,www.puck.test", "--mx-host=puck.test,mail.puck.test,10", "--txt-record=puck.test,some text",
		"--srv-host=_sip._udp.puck.test,sip.puck.test,5060,1,2", "--ptr-record=1.2.0.192.in-addr.arpa,www.puck.test",
		"--dns-rr=puck.test,65,00010000010003026832",
	}
}

func dnsmasq(t *testing.T) *server {
	t.Helper()
	port := freePort(t)
	return launch(t, server{name: "dnsmasq", port: port, exe: "dnsmasq"},
		exec.Command(program(t, "dnsmasq", "dnsmasq-base"), dnsmasqArgs(t.TempDir(), port)...))
}

// dig asks the server and returns what it printed.
func dig(t *testing.T, port int, args ...string) string {
	t.Helper()
	return run(t, program(t, "dig", "bind9-dnsutils"), append([]string{"@127.0.0.1", "-p", strconv.Itoa(port), "+time=2", "+tries=1"}, args...)...)
}

// named matches spans of the name over the transport.
func named(name, transport string) func(*spanfile.Span) bool {
	return func(s *spanfile.Span) bool { return s.Name == name && s.Str("network.transport") == transport }
}

// lookup returns the client's and the server's span of a query, and compares them with want.
func (c *collector) lookup(t *testing.T, name, transport string, want attrs) (client, server *spanfile.Span) {
	t.Helper()
	spans := c.awaitCount(2, named(name, transport))
	client, server = spans[0], spans[1]
	if client.Kind != ptrace.SpanKindClient {
		client, server = server, client
	}
	if client.Kind != ptrace.SpanKindClient || server.Kind != ptrace.SpanKindServer {
		t.Errorf("%s: spans of the kinds %s and %s", name, client.Kind, server.Kind)
	}
	for _, s := range spans {
		compare(t, s, want)
	}
	if client.Str("client.port") != server.Str("network.peer.port") {
		t.Errorf("%s: the client's port is %s, to the server %s", name, client.Str("client.port"), server.Str("network.peer.port"))
	}
	return client, server
}

func TestDNSTypes(t *testing.T) {
	s := dnsmasq(t)
	c := trace(t, ports(s.port))
	for _, test := range []struct {
		question, name string
		want           attrs
	}{
		{"www.puck.test", "A", attrs{"dns.answers": `["192.0.2.1"]`}},
		{"www.puck.test", "AAAA", attrs{"dns.answers": `["2001:db8::1"]`}},
		{"alias.puck.test", "A", attrs{"dns.answers": `["192.0.2.1"]`,
			"dns_events.resp_body": `{"answers":[{"name":"alias.puck.test","type":"CNAME","cname":"www.puck.test"},{"name":"www.puck.test","type":"A","addr":"192.0.2.1"}]}`}},
		{"puck.test", "MX", attrs{"dns_events.resp_body": `{"answers":[{"name":"puck.test","type":"MX","data":"10 mail.puck.test"}]}`}},
		{"puck.test", "TXT", attrs{"dns_events.resp_body": `{"answers":[{"name":"puck.test","type":"TXT","data":"\"some text\""}]}`}},
		{"_sip._udp.puck.test", "SRV", attrs{"dns_events.resp_body": `{"answers":[{"name":"_sip._udp.puck.test","type":"SRV","data":"1 2 5060 sip.puck.test"}]}`}},
		{"1.2.0.192.in-addr.arpa", "PTR", attrs{"dns_events.resp_body": `{"answers":[{"name":"1.2.0.192.in-addr.arpa","type":"PTR","data":"www.puck.test"}]}`}},
		{"puck.test", "HTTPS", attrs{"dns_events.resp_body": `{"answers":[{"name":"puck.test","type":"HTTPS","data":"1 . alpn=h2"}]}`}},
		{"missing.puck.test", "A", attrs{"error.type": "NXDOMAIN", "dns_events.rcode": "NXDOMAIN"}},
	} {
		for _, transport := range []string{"udp", "tcp"} {
			args := []string{test.question, test.name, "+short"}
			if transport == "tcp" {
				args = append(args, "+tcp")
			}
			dig(t, s.port, args...)
			test.want["dns.question.name"], test.want["network.protocol.name"] = test.question, "dns"
			test.want["server.address"], test.want["server.port"], test.want["client.address"] = "127.0.0.1", s.port, "127.0.0.1"
			client, server := c.lookup(t, test.name+" "+test.question, transport, test.want)
			wantStatus := ptrace.StatusCodeUnset
			if test.want["error.type"] != nil {
				wantStatus = ptrace.StatusCodeError
			}
			if client.Status != wantStatus || server.Status != wantStatus || client.Exe != "dig" || server.Exe != "dnsmasq" {
				t.Errorf("%s\n%s", client, server)
			}
		}
	}
}

// TestDNSUnanswered asks a socket that answers nothing.
func TestDNSUnanswered(t *testing.T) {
	silent := must(net.ListenPacket("udp4", "127.0.0.1:0"))
	defer silent.Close()
	port := silent.LocalAddr().(*net.UDPAddr).Port
	c := trace(t, ports(port))
	cmd := exec.Command(program(t, "dig", "bind9-dnsutils"), "@127.0.0.1", "-p", strconv.Itoa(port), "+time=1", "+tries=1", "silent.puck.test")
	if err := cmd.Run(); err == nil {
		t.Error("dig has an answer")
	}
	span := c.awaitCount(1, named("A silent.puck.test", "udp"))[0]
	compare(t, span, attrs{"error.type": "no_response", "dns_events.resp_header": "-"})
	if span.Kind != ptrace.SpanKindClient || span.Status != ptrace.StatusCodeError {
		t.Error(span)
	}
}

// TestDNSPipelined has many queries in one write over TCP.
func TestDNSPipelined(t *testing.T) {
	s := dnsmasq(t)
	c := trace(t, ports(s.port))
	conn := dial(t, "tcp", s.address())
	const n = 50
	var queries []byte
	for i := range n {
		query := must(loadQuery(i))
		queries = append(binary.BigEndian.AppendUint16(queries, uint16(len(query))), query...)
	}
	if _, err := conn.Write(queries); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(conn)
	for range n {
		var length [2]byte
		if _, err := io.ReadFull(r, length[:]); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Discard(int(binary.BigEndian.Uint16(length[:]))); err != nil {
			t.Fatal(err)
		}
	}
	for i := range n {
		c.lookup(t, fmt.Sprintf("A n%d.load.puck.test", i), "tcp", attrs{"dns.answers": `["192.0.2.7"]`})
	}
}

// goResolver is Go's own, asking the server.
func goResolver(s *server) *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, s.address())
	}}
}

func TestDNSOfGo(t *testing.T) {
	s := dnsmasq(t)
	c := trace(t, ports(s.port))
	addrs, err := goResolver(s).LookupHost(t.Context(), "www.puck.test.")
	if err != nil || len(addrs) != 2 {
		t.Fatalf("%v, error %v", addrs, err)
	}
	c.lookup(t, "A www.puck.test", "udp", attrs{"dns.answers": `["192.0.2.1"]`})
	c.lookup(t, "AAAA www.puck.test", "udp", attrs{"dns.answers": `["2001:db8::1"]`})
}

// TestDNSOfGlibc has glibc ask the server that its resolv.conf names, in namespaces in
// which both are alone: it sends both questions at once from one socket.
func TestDNSOfGlibc(t *testing.T) {
	c := trace(t, ports(53))
	dir := t.TempDir()
	write(t, filepath.Join(dir, "resolv.conf"), "nameserver 127.0.0.1\n")
	write(t, filepath.Join(dir, "nsswitch.conf"), "hosts: dns\n")
	script := fmt.Sprintf(`set -e
ip link set lo up
mount --bind %[1]s/resolv.conf /etc/resolv.conf
mount --bind %[1]s/nsswitch.conf /etc/nsswitch.conf
%[2]s %[3]s &
server=$!
for i in $(seq 50); do ss -lun | grep -q :53 && break; sleep 0.1; done
getent ahosts www.puck.test
kill $server
wait $server || true
`, dir, program(t, "dnsmasq", "dnsmasq-base"), "'"+strings.Join(dnsmasqArgs(dir, 53), "' '")+"'")
	out := run(t, program(t, "unshare", "util-linux"), "--mount", "--net", "sh", "-c", script)
	if !strings.Contains(out, "192.0.2.1") || !strings.Contains(out, "2001:db8::1") {
		t.Fatalf("getent printed %q", out)
	}
	a, _ := c.lookup(t, "A www.puck.test", "udp", attrs{"dns.answers": `["192.0.2.1"]`})
	aaaa, _ := c.lookup(t, "AAAA www.puck.test", "udp", attrs{"dns.answers": `["2001:db8::1"]`})
	if a.Exe != "getent" || a.Str("client.port") != aaaa.Str("client.port") {
		t.Errorf("%s\n%s", a, aaaa)
	}
}

// TestDNSExactCount makes 20,000 queries of names that differ, over sockets that are
// connected and kept, and compares with the rows.
func TestDNSExactCount(t *testing.T) {
	const n, clients = 20_000, 16
	s := dnsmasq(t)
	c := trace(t, ports(s.port), "ring_buffer_size: 67108864")
	begin := time.Now()
	var wg sync.WaitGroup
	errs := make([]error, clients)
	for i := range clients {
		wg.Go(func() { errs[i] = ask(s.address(), i*n/clients, (i+1)*n/clients) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
	took := time.Since(begin)
	var got map[string]int
	var wrong *spanfile.Span
	count := func() error {
		got = map[string]int{}
		err := spanfile.EachSpan(filepath.Join(c.dir, "traces"), func(s *spanfile.Span) {
			if !strings.HasSuffix(s.Name, ".load.puck.test") {
				return
			}
			got[s.Kind.String()]++
			if s.Str("dns.answers") != `["192.0.2.7"]` || s.Str("error.type") != "" {
				wrong = s
			}
		})
		if err == nil && (got["Client"] < n || got["Server"] < n) {
			err = fmt.Errorf("%v", got)
		}
		return err
	}
	// Whether there are enough shows below.
	_ = poll(rowTimeout, count)
	lost := c.losses()
	c.stop()
	if err := count(); err != nil {
		t.Log(err)
	}
	t.Logf("%d queries in %v; rows: %v; losses %+v", n, took.Round(time.Millisecond), got, lost)
	explain(t, "client", n-got["Client"], lost)
	explain(t, "server", n-got["Server"], lost)
	if got["Client"] > n || got["Server"] > n {
		t.Error("more rows than queries")
	}
	if wrong != nil {
		t.Errorf("a row is wrong: %s", wrong)
	}
}

// TestDNSUnconnected asks two servers from one socket that is connected to neither, under
// the same ids. Its own port is known, so that no other traffic is traced.
func TestDNSUnconnected(t *testing.T) {
	one, two := dnsmasq(t), dnsmasq(t)
	socket := must(net.ListenPacket("udp4", "127.0.0.1:0"))
	defer socket.Close()
	port := socket.LocalAddr().(*net.UDPAddr).Port
	c := trace(t, ports(port))
	if err := socket.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	const n = 100
	buf := make([]byte, 512)
	for i := range n {
		for _, s := range []*server{one, two} {
			if _, err := socket.WriteTo(must(loadQuery(i)), &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: s.port}); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 {
			if _, _, err := socket.ReadFrom(buf); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, s := range []*server{one, two} {
		spans := c.awaitCount(n, func(span *spanfile.Span) bool {
			return span.Kind == ptrace.SpanKindClient && span.Int("network.peer.port") == int64(s.port)
		})
		for _, span := range spans {
			compare(t, span, attrs{"server.port": s.port, "server.address": "127.0.0.1", "client.port": port, "dns.answers": `["192.0.2.7"]`, "error.type": "-"})
		}
	}
}

// ask asks for the names with these numbers, one after the other from one socket.
func ask(address string, from, to int) error {
	conn, err := net.Dial("udp4", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	buf := make([]byte, 512)
	for i := from; i < to; i++ {
		query, err := loadQuery(i)
		if err != nil {
			return err
		}
		if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
			return err
		}
		if _, err := conn.Write(query); err != nil {
			return err
		}
		if _, err := conn.Read(buf); err != nil {
			return fmt.Errorf("query %d: %w", i, err)
		}
	}
	return nil
}

// loadQuery returns a query of the name with this number, under an id that follows from it.
func loadQuery(i int) ([]byte, error) {
	name, err := dnsmessage.NewName(fmt.Sprintf("n%d.load.puck.test.", i))
	if err != nil {
		return nil, err
	}
	return (&dnsmessage.Message{
		Header:    dnsmessage.Header{ID: uint16(i), RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: name, Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}},
	}).Pack()
}
