// SPDX-License-Identifier: Apache-2.0

package kernels

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// kernel is a row of the matrix.
type kernel struct {
	name  string // what the running kernel's release begins with
	suite string // the Debian suite that has it
	// packages is the regular expression of the names of its image's packages.
	packages string
}

// matrix is the oldest kernel that Puck supports, then those of later releases.
func matrix() []kernel {
	return []kernel{
		{"5.10", "bullseye", `^linux-image-5\.10\.[^ ]*-cloud-amd64-unsigned$`},
		{"6.1", "bookworm", `^linux-image-6\.1\.[^ ]*-cloud-amd64-unsigned$`},
		{"6.12", "trixie", `^linux-image-6\.12\.[^ ]*-cloud-amd64-unsigned$`},
		{"7", "sid", `^linux-(binary|image)-unsigned-7\.[^ ]*-cloud-amd64$`},
	}
}

// fetcher keeps packages and what was unpacked from them below dir.
type fetcher struct {
	dir string
}

// image returns the path of the kernel's image, which it fetches unless that was
// done before.
func (f fetcher) image(ctx context.Context, k kernel) (string, error) {
	dir := filepath.Join(f.dir, k.name)
	if path, err := findImage(dir); err == nil {
		return path, nil
	}
	apt, err := f.configure(ctx, k)
	if err != nil {
		return "", err
	}
	name, err := newest(ctx, apt, k)
	if err != nil {
		return "", err
	}
	debs := filepath.Join(f.dir, "debs-"+k.name)
	if err := os.MkdirAll(debs, 0o755); err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, "apt-get", append(apt, "download", name)...)
	cmd.Dir = debs
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("download %s: %w\n%s", name, err, out)
	}
	found, err := filepath.Glob(filepath.Join(debs, name+"_*.deb"))
	if err != nil {
		return "", err
	}
	if len(found) == 0 {
		return "", fmt.Errorf("download %s: no file of that name came", name)
	}
	if out, err := exec.CommandContext(ctx, "dpkg", "-x", found[0], dir).CombinedOutput(); err != nil {
		return "", fmt.Errorf("unpack %s: %w\n%s", found[0], err, out)
	}
	return findImage(dir)
}

// findImage returns the kernel image in an unpacked package: in /boot, or since
// Debian 14 beside the modules.
func findImage(dir string) (string, error) {
	for _, pattern := range []string{"boot/vmlinuz-*", "usr/lib/modules/*/vmlinuz.unsigned", "usr/lib/modules/*/vmlinuz"} {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return "", err
		}
		if len(found) > 0 {
			return found[0], nil
		}
	}
	return "", fmt.Errorf("no kernel image in %s", dir)
}

// configure returns the options that point apt at the kernel's suite, with lists
// and caches of its own, after it fetched the lists.
func (f fetcher) configure(ctx context.Context, k kernel) ([]string, error) {
	mirror, err := mirrorOf(os.DirFS("/etc/apt"))
	if err != nil {
		return nil, err
	}
	root, err := filepath.Abs(filepath.Join(f.dir, "apt-"+k.name))
	if err != nil {
		return nil, err
	}
	for _, dir := range []string{"lists/partial", "cache/archives/partial"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			return nil, err
		}
	}
	sources := filepath.Join(root, "sources.list")
	line := fmt.Sprintf("deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s %s main\n", mirror, k.suite)
	if err := os.WriteFile(sources, []byte(line), 0o644); err != nil {
		return nil, err
	}
	apt := []string{
		"-q", "-o", "Dir::Etc::sourcelist=" + sources, "-o", "Dir::Etc::sourceparts=-",
		"-o", "Dir::State::lists=" + filepath.Join(root, "lists"), "-o", "Dir::Cache=" + filepath.Join(root, "cache"),
		"-o", "APT::Sandbox::User=root", "-o", "Acquire::Languages=none", "-o", "Acquire::Check-Valid-Until=false",
	}
	if out, err := exec.CommandContext(ctx, "apt-get", append(apt, "update")...).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("fetch the package lists of %s from %s: %w\n%s", k.suite, mirror, err, out)
	}
	return apt, nil
}

// newest returns the name of the newest of the kernel's packages.
func newest(ctx context.Context, apt []string, k kernel) (string, error) {
	out, err := exec.CommandContext(ctx, "apt-cache", append(apt, "search", "--names-only", k.packages)...).Output()
	if err != nil {
		return "", fmt.Errorf("search %s: %w", k.packages, err)
	}
	var names []string
	for line := range strings.Lines(string(out)) {
		if name, _, ok := strings.Cut(line, " - "); ok {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return "", fmt.Errorf("no package of %s is named like %s", k.suite, k.packages)
	}
	return slices.MaxFunc(names, compareNumbers), nil
}

var number = regexp.MustCompile(`[0-9]+`)

// compareNumbers orders names by the numbers in them, so that 6.12.107 is newer
// than 6.12.94.
func compareNumbers(a, b string) int {
	as, bs := number.FindAllString(a, -1), number.FindAllString(b, -1)
	return slices.CompareFunc(as, bs, func(a, b string) int {
		a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
		if len(a) != len(b) {
			return len(a) - len(b)
		}
		return strings.Compare(a, b)
	})
}

// errNoMirror says what to do where the machine is not Debian.
var errNoMirror = errors.New("no Debian mirror in /etc/apt: the kernels come from one; add a source of Debian's main archive")

// uriLine matches a source's address in both formats of apt's sources.
var uriLine = regexp.MustCompile(`^(?:URIs:|deb(?:\s+\[[^\]]*\])?)\s+(\S+)`)

// mirrorOf returns the address of the Debian archive that the machine's own apt
// sources name first, other than the one of security updates, which has no
// releases.
func mirrorOf(etc fs.FS) (string, error) {
	files := []string{"sources.list"}
	for _, pattern := range []string{"sources.list.d/*.list", "sources.list.d/*.sources"} {
		found, err := fs.Glob(etc, pattern)
		if err != nil {
			return "", err
		}
		files = append(files, found...)
	}
	for _, file := range files {
		raw, err := fs.ReadFile(etc, file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return "", err
		}
		for line := range strings.Lines(string(raw)) {
			m := uriLine.FindStringSubmatch(strings.TrimSpace(line))
			if m != nil && strings.HasSuffix(strings.TrimRight(m[1], "/"), "/debian") {
				return m[1], nil
			}
		}
	}
	return "", errNoMirror
}
