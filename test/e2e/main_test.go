// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// binaries are the programs that the tests build once.
type binaries struct {
	dir       string
	collector string
	peer      string
}

// built builds the collector and the Go peer on its first call.
var built = sync.OnceValues(buildAll)

func TestMain(m *testing.M) {
	if why := unable(); why != "" {
		fmt.Println("no end-to-end tests:", why)
		os.Exit(0)
	}
	code := m.Run()
	if b, err := built(); err == nil {
		// What stays behind in the temporary folder does no harm.
		_ = os.RemoveAll(b.dir)
	}
	os.Exit(code)
}

// unable says why the tests cannot run here at all.
func unable() string {
	switch {
	case runtime.GOOS != "linux":
		return "eBPF needs Linux"
	case os.Geteuid() != 0:
		return "loading BPF programs needs root"
	}
	return ""
}

func buildAll() (binaries, error) {
	root, err := moduleRoot()
	if err != nil {
		return binaries{}, err
	}
	dir, err := os.MkdirTemp("", "puck-e2e-")
	if err != nil {
		return binaries{}, err
	}
	b := binaries{dir: dir, collector: os.Getenv("PUCK_BINARY"), peer: filepath.Join(dir, "gopeer")}
	if b.collector == "" {
		b.collector = filepath.Join(dir, "otelcol-puck")
		err = goBuild(root, b.collector, "./cmd/otelcol-puck", "-tags", "grpcnotrace")
	}
	return b, errors.Join(err, goBuild(root, b.peer, "./test/e2e/peers/gopeer"))
}

func goBuild(root, out, pkg string, flags ...string) error {
	args := append([]string{"build", "-trimpath", "-o", out}, flags...)
	cmd := exec.Command("go", append(args, pkg)...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", pkg, err, text)
	}
	return nil
}

func moduleRoot() (string, error) {
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("find the module: %w", err)
	}
	return filepath.Dir(strings.TrimSpace(string(out))), nil
}

// tools returns what was built.
func tools(t *testing.T) binaries {
	t.Helper()
	b, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// program returns the path of a program of a Debian package, and fails the test
// with the package's name where it is missing.
func program(t *testing.T, name, pkg string) string {
	t.Helper()
	for _, dir := range []string{"/usr/bin", "/usr/sbin", "/bin", "/sbin"} {
		path := filepath.Join(dir, name)
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%s is missing: apt-get install %s", name, pkg)
	}
	return path
}
