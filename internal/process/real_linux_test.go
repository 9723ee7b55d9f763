// SPDX-License-Identifier: Apache-2.0

package process

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"
)

// start runs a real process until the test ends and returns its pid.
func start(t *testing.T, cmd *exec.Cmd) uint32 {
	t.Helper()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return uint32(cmd.Process.Pid)
}

// need returns the path of a program, and skips the test where it is not
// installed. `make deps` installs them all.
func need(t *testing.T, program string) string {
	t.Helper()
	file, err := exec.LookPath(program)
	if err != nil {
		t.Skipf("%s is not installed: run make deps", program)
	}
	return file
}

// eventually waits for a child that has been forked to have run its executable.
func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatal("still not so after 20 s")
}

func write(t *testing.T, file, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o700); err != nil { //nolint:gosec // scripts have to be executable
		t.Fatal(err)
	}
	return file
}

func startOf(t *testing.T, pid uint32) uint64 {
	t.Helper()
	data, err := os.ReadFile("/proc/" + itoa(pid) + "/stat")
	if err != nil {
		t.Fatal(err)
	}
	_, ticks, err := parseStat(data)
	if err != nil {
		t.Fatal(err)
	}
	return ticks
}

func TestRealInterpreters(t *testing.T) {
	dir := t.TempDir()
	python := write(t, dir+"/cart.py", "import time\ntime.sleep(60)\n")
	write(t, dir+"/pkg/wish/__main__.py", "import time\ntime.sleep(60)\n")
	node := write(t, dir+"/shop/index.js", "setTimeout(() => {}, 60000)\n")
	bash := write(t, dir+"/backup.sh", "#!/bin/bash\nsleep 60 &\nread -r -t 60 _ <> <(:)\n")
	perl := write(t, dir+"/mail.pl", "sleep 60")
	for _, test := range []struct {
		want    string
		program string
		args    []string
	}{
		{"cart", "python3", []string{"-u", python}},
		{"wish", "python3", []string{"-m", "wish"}},
		{"shop", "node", []string{node}},
		{"backup", "bash", []string{bash}},
		{"mail", "perl", []string{perl}},
		{"sleep", "sleep", []string{"60"}},
	} {
		t.Run(test.want, func(t *testing.T) {
			cmd := exec.Command(need(t, test.program), test.args...)
			cmd.Dir = dir + "/pkg"
			checkService(t, start(t, cmd), test.want)
		})
	}
	t.Run("shebang", func(t *testing.T) { checkService(t, start(t, exec.Command(bash)), "backup") })
}

func TestRealJava(t *testing.T) {
	javac, jar, java := need(t, "javac"), need(t, "jar"), need(t, "java")
	dir := t.TempDir()
	write(t, dir+"/org/shop/Main.java", `package org.shop;
public class Main { public static void main(String[] a) throws Exception { Thread.sleep(60000); } }`)
	for _, cmd := range []*exec.Cmd{
		exec.Command(javac, "org/shop/Main.java"),
		exec.Command(jar, "--create", "--file", "shop-1.2.3.jar", "--main-class", "org.shop.Main", "org/shop/Main.class"),
	} {
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", cmd, err, out)
		}
	}
	checkService(t, start(t, exec.Command(java, "-Dkey=value", "-cp", dir, "org.shop.Main", "-x")), "org.shop.Main")
	checkService(t, start(t, exec.Command(java, "-Xmx64m", "-jar", dir+"/shop-1.2.3.jar")), "shop")
}

func checkService(t *testing.T, pid uint32, want string) {
	t.Helper()
	cfg := Config{AgentID: 5}
	var p *Process
	eventually(t, func() bool {
		p = newCache(t, cfg).Seen(Hint{PID: pid})
		return p.Service == want && p.Cmdline != "" // which an exec sets last
	})
	if p.Exe == "" || p.Cmdline == "" || p.Name == "" || p.FromHint || p.UPID != UPID(5, pid, startOf(t, pid)) {
		t.Errorf("got %+v", p)
	}
	if age := time.Since(p.StartTime); age < -time.Second || age > time.Minute {
		t.Errorf("start time is %s ago", age)
	}
}

func TestRealEnvironment(t *testing.T) {
	cmd := exec.Command("sleep", "60")
	cmd.Env = []string{"OTEL_RESOURCE_ATTRIBUTES=service.name=no", "OTEL_SERVICE_NAME=front"}
	pid := start(t, cmd)
	eventually(t, func() bool { return newCache(t, Config{}).Seen(Hint{PID: pid}).ServiceSet })
	if p := newCache(t, Config{}).Seen(Hint{PID: pid}); p.Service != "front" {
		t.Errorf("got %+v", p)
	}
}

func TestRealDeletedExecutable(t *testing.T) {
	data, err := os.ReadFile(need(t, "sleep"))
	if err != nil {
		t.Fatal(err)
	}
	exe := write(t, t.TempDir()+"/naps", string(data))
	pid := start(t, exec.Command(exe, "60"))
	eventually(t, func() bool { return newCache(t, Config{}).Seen(Hint{PID: pid}).Exe == exe })
	if err := os.Remove(exe); err != nil {
		t.Fatal(err)
	}
	p := newCache(t, Config{}).Seen(Hint{PID: pid})
	if p.Exe != exe || !p.ExeDeleted || p.Service != "naps" {
		t.Errorf("got %+v", p)
	}
}

func TestRealExitAndZombie(t *testing.T) {
	c := newCache(t, Config{})
	cmd := exec.Command("sh", "-c", "read _")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	pid := start(t, cmd)
	ticks := startOf(t, pid)
	known := c.Seen(Hint{PID: pid, StartNS: ticks * nsPerTick})
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool {
		data, err := os.ReadFile("/proc/" + itoa(pid) + "/stat")
		return err == nil && bytes.Contains(data, []byte(") Z "))
	})
	// The dead process has a pid and a start still, but neither executable nor
	// arguments: the hint supplies them.
	h := Hint{PID: pid, StartNS: ticks * nsPerTick, Exe: "/bin/sh", Args: []byte("sh\x00/srv/run.sh\x00")}
	zombie := newCache(t, Config{}).Seen(h)
	if zombie.FromHint || zombie.Exe != "/bin/sh" || zombie.Service != "run" || zombie.Name != "sh" {
		t.Errorf("zombie is %+v", zombie)
	}
	_ = cmd.Wait()
	if c.Seen(h) != known {
		t.Error("a known process must survive its death")
	}
	gone := newCache(t, Config{}).Seen(h)
	if !gone.FromHint || gone.Service != "run" || gone.UPID != known.UPID {
		t.Errorf("after its death: %+v", gone)
	}
	c.Expire(time.Now().Add(DefaultKeep)) // nobody called Exited
	if s := c.Stats(); s != (Stats{Dead: 1}) {
		t.Errorf("stats are %+v", s)
	}
}

func TestRealReuseOfAPID(t *testing.T) {
	pid := start(t, exec.Command("sleep", "60"))
	before := startOf(t, pid) - 1
	p := newCache(t, Config{}).Seen(Hint{PID: pid, StartNS: before * nsPerTick, Comm: "former"})
	if !p.FromHint || p.Name != "former" || p.Exe != "" {
		t.Errorf("took the files of the pid's next owner: %+v", p)
	}
}

// TestRealHugeArguments uses most of the 2 MiB that the kernel allows.
func TestRealHugeArguments(t *testing.T) {
	cmd := exec.Command("sh", "-c", "read _; exit")
	for range 13 {
		cmd.Args = append(cmd.Args, strings.Repeat("a", 124<<10))
	}
	for range 2 {
		cmd.Env = append(cmd.Env, "BIG"+itoa(uint32(len(cmd.Env)))+"="+strings.Repeat("b", 100<<10))
	}
	cmd.Env = append(cmd.Env, "OTEL_SERVICE_NAME=huge")
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Skipf("the kernel's limits are too low: %v", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	var p *Process
	eventually(t, func() bool { // Start returns while the new program's arguments are being laid out.
		p = newCache(t, Config{}).Seen(Hint{PID: uint32(cmd.Process.Pid)})
		return p.Cmdline != "" && p.Service == "huge"
	})
	if len(p.Cmdline) > maxSmall || !strings.HasPrefix(p.Cmdline, "sh -c read _; exit aaa") || p.Service != "huge" {
		t.Errorf("%d bytes of arguments, service %q", len(p.Cmdline), p.Service)
	}
}

func TestRealNamesOutsideOfUTF8(t *testing.T) {
	data, err := os.ReadFile(need(t, "sh"))
	if err != nil {
		t.Fatal(err)
	}
	exe := write(t, t.TempDir()+"/a) R (\xff\n b", string(data))
	cmd := exec.Command(exe, "-c", "read _; :", "\xfe\xff")
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	pid := start(t, cmd)
	var p *Process
	eventually(t, func() bool {
		p = newCache(t, Config{}).Seen(Hint{PID: pid})
		return strings.Contains(p.Cmdline, "read _")
	})
	for _, s := range []string{p.Name, p.Exe, p.Cmdline, p.Service} {
		if !utf8.ValidString(s) || !strings.Contains(s, "\uFFFD") && s != p.Name {
			t.Errorf("got %q", s)
		}
	}
	if p.Name != "a) R (\uFFFD\n b" || p.StartTicks != startOf(t, pid) {
		t.Errorf("got %+v", p)
	}
}

func TestRealPIDNamespace(t *testing.T) {
	cmd := exec.Command("sleep", "60")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID}
	if err := cmd.Start(); err != nil {
		t.Skipf("no new pid namespace without CAP_SYS_ADMIN: %v", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	p := newCache(t, Config{}).Seen(Hint{PID: uint32(cmd.Process.Pid)})
	if p.NSPID != 1 || p.PID != uint32(cmd.Process.Pid) {
		t.Errorf("got %+v", p)
	}
}

func TestRealExec(t *testing.T) {
	cmd := exec.Command("sh", "-c", "read _; exec sleep 60")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	pid := start(t, cmd)
	c := newCache(t, Config{})
	var before *Process
	eventually(t, func() bool {
		before = c.Exec(Hint{PID: pid})
		return strings.HasPrefix(before.Cmdline, "sh -c")
	})
	if _, err := in.Write([]byte("\n")); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { return c.Exec(Hint{PID: pid}).Cmdline == "sleep 60" })
	if p := c.Seen(Hint{PID: pid}); p.Service != "sleep" || p.UPID != before.UPID {
		t.Errorf("got %+v after %+v", p, before)
	}
}

func BenchmarkSeenReal(b *testing.B) {
	pid := uint32(os.Getpid())
	c := newCache(b, Config{})
	b.ReportAllocs()
	for b.Loop() {
		c.Exec(Hint{PID: pid}) // reads everything each time
	}
}

func itoa(n uint32) string { return strconv.FormatUint(uint64(n), 10) }
