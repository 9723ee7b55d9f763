// SPDX-License-Identifier: Apache-2.0

//go:build linux

package kernels

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

// TestMatrix runs the collector under each kernel of the matrix. It is for
// `make test-kernels`, which sets PUCK_TEST_KERNELS: it fetches 100 MB of kernels
// once and takes minutes where there is no KVM.
func TestMatrix(t *testing.T) {
	if os.Getenv("PUCK_TEST_KERNELS") == "" {
		t.Skip("the kernel matrix runs by `make test-kernels`")
	}
	need(t, map[string]string{
		"qemu-system-x86_64": "qemu-system-x86", "apt-get": "apt", "dpkg": "dpkg", "busybox": "busybox-static",
	})
	root := moduleRoot(t)
	cache := filepath.Join(root, ".cache", "kernels")
	initramfs := filepath.Join(t.TempDir(), "initramfs")
	if err := writeInitramfs(initramfs, contents(t, root)); err != nil {
		t.Fatal(err)
	}
	for _, k := range matrix() {
		if only := os.Getenv("PUCK_KERNEL"); only != "" && only != k.name {
			continue
		}
		t.Run(k.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
			defer cancel()
			image, err := fetcher{cache}.image(ctx, k)
			if err != nil {
				t.Fatal(err)
			}
			begin := time.Now()
			console, err := machine{kernel: image, initramfs: initramfs, init: "/guest", memory: 2048, console: t.Output()}.run(ctx)
			if err != nil {
				t.Fatal(err)
			}
			check(t, k, console)
			t.Logf("%s took %v", filepath.Base(image), time.Since(begin).Round(time.Second))
		})
	}
}

// check reads what the guest printed: lines that begin with "puck:", the last of
// which says whether all rows were there.
func check(t *testing.T, k kernel, console string) {
	t.Helper()
	var report []string
	for line := range strings.Lines(console) {
		if _, text, ok := strings.Cut(line, "puck: "); ok {
			report = append(report, strings.TrimSpace(text))
		}
	}
	text := strings.Join(report, "\n")
	if !strings.Contains(text, "kernel "+k.name+".") {
		t.Errorf("the machine did not run kernel %s", k.name)
	}
	if len(report) == 0 || report[len(report)-1] != "pass" {
		t.Error("no pass: see the console above")
		return
	}
}

// contents builds the collector and the guest, and lists what the machine needs.
func contents(t *testing.T, root string) []entry {
	t.Helper()
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		t.Fatal(err)
	}
	collector := os.Getenv("PUCK_BINARY")
	if collector == "" {
		collector = filepath.Join(t.TempDir(), "otelcol-puck")
		goTool(t, root, "build", "-trimpath", "-tags", "grpcnotrace", "-o", collector, "./cmd/otelcol-puck")
	}
	guest := filepath.Join(t.TempDir(), "guest")
	goTool(t, root, "build", "-trimpath", "-o", guest, "./test/kernels/guest")
	programs := filepath.Join(t.TempDir(), "socktrace.test")
	goTool(t, root, "test", "-c", "-o", programs, "./bpf/socktrace")
	entries := []entry{
		{name: "guest", mode: executable, from: guest}, {name: "otelcol-puck", mode: executable, from: collector},
		{name: "socktrace.test", mode: executable, from: programs},
	}
	for _, dir := range []string{"bin", "dev", "etc", "out", "proc", "sys", "tmp", "www"} {
		entries = append(entries, entry{name: dir, mode: directory})
	}
	return append(entries,
		entry{name: "bin/busybox", mode: executable, from: busybox},
		entry{name: "etc/puck.yaml", mode: plain, from: filepath.Join(root, "test", "kernels", "testdata", "puck.yaml")},
		entry{name: "etc/hosts", mode: plain, text: "127.0.0.1 localhost\n"},
		entry{name: "www/page.html", mode: plain, text: strings.Repeat("page\n", 1000)},
	)
}

func goTool(t *testing.T, root string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, text)
	}
}

// need fails the test for each program that is missing, with its Debian package.
func need(t *testing.T, programs map[string]string) {
	t.Helper()
	for program, pkg := range programs {
		if _, err := exec.LookPath(program); err != nil {
			t.Errorf("%s is missing: apt-get install %s", program, pkg)
		}
	}
	if t.Failed() {
		t.FailNow()
	}
}

func moduleRoot(t *testing.T) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "env", "GOMOD").Output()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Dir(strings.TrimSpace(string(out)))
}

func TestWriteInitramfsIsReadByCpio(t *testing.T) {
	cpio, err := exec.LookPath("cpio")
	if err != nil {
		need(t, map[string]string{"busybox": "busybox-static"})
		cpio = ""
	}
	dir := t.TempDir()
	archive := filepath.Join(dir, "archive")
	from := filepath.Join(dir, "from")
	if err := os.WriteFile(from, []byte("seven b"), 0o600); err != nil {
		t.Fatal(err)
	}
	err = writeInitramfs(archive, []entry{
		{name: "bin", mode: directory}, {name: "bin/tool", mode: executable, from: from}, {name: "empty", mode: plain}, {name: "note", mode: plain, text: "hello\n"},
	})
	if err != nil {
		t.Fatal(err)
	}
	args := []string{cpio, "-idm", "-F", archive}
	if cpio == "" {
		args = []string{"busybox", "cpio", "-idm", "-F", archive}
	}
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.Dir = t.TempDir()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
	for name, want := range map[string]string{"bin/tool": "seven b", "empty": "", "note": "hello\n"} {
		got, err := os.ReadFile(filepath.Join(cmd.Dir, name))
		if err != nil || string(got) != want {
			t.Errorf("%s holds %q, error %v; want %q", name, got, err, want)
		}
	}
	info, err := os.Stat(filepath.Join(cmd.Dir, "bin/tool"))
	if err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("bin/tool: %v, error %v; want mode 0755", info, err)
	}
}

func TestMirrorOf(t *testing.T) {
	tests := map[string]struct {
		files map[string]string
		want  string
	}{
		"deb822":            {map[string]string{"sources.list.d/debian.sources": "Types: deb\n# comment\nURIs: http://mirror.test/debian\nSuites: bookworm\n"}, "http://mirror.test/debian"},
		"security is first": {map[string]string{"sources.list": "deb http://s.test/debian-security bookworm-security main\ndeb [arch=amd64 trusted=no] https://m.test/debian/ bookworm main\n"}, "https://m.test/debian/"},
		"commented out":     {map[string]string{"sources.list": "# deb http://m.test/debian bookworm main\n"}, ""},
		"another system":    {map[string]string{"sources.list": "deb http://m.test/ubuntu noble main\n"}, ""},
		"none":              {nil, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			etc := fstest.MapFS{}
			for file, text := range tt.files {
				etc[file] = &fstest.MapFile{Data: []byte(text)}
			}
			got, err := mirrorOf(etc)
			if got != tt.want || (err == nil) != (tt.want != "") {
				t.Errorf("mirror %q, error %v; want %q", got, err, tt.want)
			}
		})
	}
}

func TestCompareNumbers(t *testing.T) {
	older, newer := "linux-image-6.12.94+deb13-cloud-amd64-unsigned", "linux-image-6.12.107+deb13-cloud-amd64-unsigned"
	if compareNumbers(older, newer) >= 0 || compareNumbers(newer, older) <= 0 || compareNumbers(older, older) != 0 {
		t.Errorf("%s is not ordered before %s", older, newer)
	}
}
