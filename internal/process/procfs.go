// SPDX-License-Identifier: Apache-2.0

package process

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

// Bounds of what is read of one process. Class paths reach tens of KiB and stand
// before the main class, hence the large one for arguments.
const (
	maxSmall   = 4 << 10
	maxArgs    = 64 << 10
	maxCgroup  = 16 << 10
	maxEnviron = 1 << 20
	maxPath    = 4 << 10
	maxName    = 255
)

// errGone says that the process is not there any more, or that its pid now
// belongs to another.
var errGone = errors.New("process is gone")

// image is what /proc says of a process.
type image struct {
	startTicks uint64
	nsPID      uint32
	comm       string
	exe        string
	cgroup     string
	args       []byte
	service    string // from the environment
	cwd        string
}

// maxReads bounds how often a process is read that runs one executable after the
// other meanwhile.
const maxReads = 3

// readImage reads /proc/PID below the root proc. It keeps the folder open
// meanwhile, so that a pid that is reused halfway gives an error instead of a
// mixture of two processes. What cannot be read for want of rights is empty.
// args points into buf.
func readImage(proc string, pid uint32, startTicks uint64, buf []byte) (image, error) {
	dir, err := os.OpenRoot(proc + "/" + strconv.FormatUint(uint64(pid), 10))
	if err != nil {
		return image{}, fmt.Errorf("open pid %d: %w", pid, errGone)
	}
	defer func() { _ = dir.Close() }()
	for reads := 1; ; reads++ {
		img, err := readOnce(dir, startTicks, buf)
		if err != nil {
			return image{}, fmt.Errorf("read pid %d: %w", pid, err)
		}
		// An exec between the first read and the last would mix two images.
		if exe, _ := dir.Readlink("exe"); exe == img.exe || reads == maxReads {
			return img, nil
		}
	}
}

func readOnce(dir *os.Root, startTicks uint64, buf []byte) (image, error) {
	var img image
	img.exe, _ = dir.Readlink("exe")
	data, err := readFile(dir, "stat", buf[:maxSmall])
	if err != nil {
		return image{}, errGone
	}
	if img.comm, img.startTicks, err = parseStat(data); err != nil {
		return image{}, err
	}
	if startTicks != 0 && img.startTicks != startTicks {
		return image{}, fmt.Errorf("it began at tick %d, not %d: %w", img.startTicks, startTicks, errGone)
	}
	img.cwd, _ = dir.Readlink("cwd")
	if data, err = readFile(dir, "cgroup", buf[:maxCgroup]); err == nil {
		img.cgroup = string(data)
	}
	if data, err = readFile(dir, "status", buf[:maxSmall]); err == nil {
		img.nsPID = parseNSPID(data)
	}
	if file, err := dir.Open("environ"); err == nil {
		img.service = serviceFromEnviron(io.LimitReader(file, maxEnviron), buf)
		_ = file.Close()
	}
	img.args, _ = readFile(dir, "cmdline", buf[:maxArgs])
	return img, nil
}

// alive says whether the process that began at startTicks still has pid.
func alive(proc string, pid uint32, startTicks uint64, buf []byte) bool {
	file, err := os.Open(proc + "/" + strconv.FormatUint(uint64(pid), 10) + "/stat")
	if err != nil {
		return false
	}
	defer func() { _ = file.Close() }()
	data, err := fill(file, buf[:maxSmall])
	if err != nil {
		return false
	}
	_, start, err := parseStat(data)
	return err == nil && (startTicks == 0 || start == startTicks)
}

// readFile reads as much of the file as fits buf.
func readFile(dir *os.Root, name string, buf []byte) ([]byte, error) {
	file, err := dir.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	return fill(file, buf)
}

func fill(r io.Reader, buf []byte) ([]byte, error) {
	n, err := io.ReadFull(r, buf)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, err
	}
	return buf[:n], nil
}

// parseStat returns the name and the start of a line of /proc/PID/stat. The name
// may hold anything, ") R (" included, but nothing after it holds a parenthesis.
func parseStat(line []byte) (comm string, startTicks uint64, err error) {
	const startField = 19 // counted from the state, which is field 3 of proc(5)
	left, right := bytes.IndexByte(line, '('), bytes.LastIndexByte(line, ')')
	if left < 0 || right < left {
		return "", 0, errors.New("stat line has no name")
	}
	rest := line[right+1:]
	for i := 0; ; i++ {
		rest = bytes.TrimLeft(rest, " ")
		end := bytes.IndexByte(rest, ' ')
		if end < 0 {
			return "", 0, errors.New("stat line has no start time")
		}
		if i == startField {
			startTicks, err = strconv.ParseUint(string(rest[:end]), 10, 64)
			if err != nil {
				return "", 0, fmt.Errorf("start time: %w", err)
			}
			return string(line[left+1 : right]), startTicks, nil
		}
		rest = rest[end:]
	}
}

// parseNSPID returns the last number of the line NSpid, the pid in the innermost
// namespace, or 0.
func parseNSPID(status []byte) uint32 {
	const key = "\nNSpid:"
	i := bytes.Index(status, []byte(key))
	if i < 0 {
		return 0
	}
	line, _, _ := bytes.Cut(status[i+len(key):], []byte("\n"))
	line = bytes.TrimRight(line, " \t")
	pid, err := strconv.ParseUint(string(line[bytes.LastIndexAny(line, " \t")+1:]), 10, 32)
	if err != nil {
		return 0
	}
	return uint32(pid)
}

// splitArgs returns the arguments in data, each ended by a NUL. A program that
// writes a title over them (npm, pm2, gunicorn) leaves one string with spaces and
// filler after it, which is split at the spaces.
func splitArgs(data []byte) (args []string, titled bool) {
	text := strings.TrimRight(string(data), "\x00 ")
	if text == "" {
		return nil, false
	}
	if !strings.Contains(text, "\x00") && strings.Contains(text, " ") {
		return strings.Fields(text), true
	}
	return strings.Split(text, "\x00"), false
}
