// SPDX-License-Identifier: Apache-2.0

//go:build linux

package socktrace

import (
	"net"
	"os/exec"
	"testing"
	"time"
)

// What user space decides of a process holds until it executes another program, also
// if the decision comes after that: it was about the program before.
func TestIgnoredProcessExecutes(t *testing.T) {
	tr := start(t, testConfig())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	// Each line of its input is a connection more; at "exec" it becomes another bash.
	const script = `while read -r line; do
  [ "$line" = exec ] && exec bash -c "$0" "$0" "$1"
  exec 3<>/dev/tcp/127.0.0.1/$1; exec 3>&-; echo "$line"
done`
	cmd := exec.Command("bash", "-c", script, script, port)
	p := launchCommand(t, cmd)
	opened := func() (n int) {
		tr.mu.Lock()
		defer tr.mu.Unlock()
		for _, c := range tr.conns {
			if c.open.Tgid == p.pid {
				n++
			}
		}
		return n
	}
	connect := func(line string, want int) ProcessEvent {
		t.Helper()
		p.say(line)
		p.expect(line)
		for deadline := time.Now().Add(5 * time.Second); opened() < want && time.Now().Before(deadline); {
			time.Sleep(5 * time.Millisecond)
		}
		if n := opened(); n < want {
			t.Fatalf("after the %s connection %d are told of, want %d", line, n, want)
		}
		tr.mu.Lock()
		defer tr.mu.Unlock()
		return tr.procs[p.pid]
	}
	ignore := func(e ProcessEvent) {
		t.Helper()
		if err := tr.IgnoreProcess(&e); err != nil {
			t.Fatal(err)
		}
	}
	first := connect("first", 1)
	p.say("exec")
	second := connect("second", 2)
	if first.Header.TsNs == second.Header.TsNs {
		t.Fatal("the process was not announced again after its exec")
	}
	ignore(first) // late
	connect("third", 3)
	ignore(second)
	connect("fourth", 3)
	p.say("exec")
	connect("fifth", 4)
	if n := opened(); n != 4 {
		t.Errorf("%d connections are told of, want 4: the one after the decision is left out", n)
	}
}
