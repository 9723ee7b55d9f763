// SPDX-License-Identifier: Apache-2.0

package kernels

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"
)

// entry is a file or a directory of an initramfs.
type entry struct {
	name string // without a leading slash
	mode uint32 // type and permissions, as in stat's st_mode
	from string // the file that holds its content
	text string // its content where from is empty
}

const (
	directory  = 0o040755
	executable = 0o100755
	plain      = 0o100644
)

// writeInitramfs writes the entries to path as an archive of cpio's "newc"
// format, which is what the kernel unpacks into its first file system (kernel:
// Documentation/driver-api/early-userspace/buffer-format.rst). A directory must
// come before what is in it.
func writeInitramfs(path string, entries []entry) (err error) {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := file.Close(); err == nil {
			err = cerr
		}
	}()
	w := &cpioWriter{w: bufio.NewWriterSize(file, 1<<20)}
	for i, e := range entries {
		if err := w.add(i+1, e); err != nil {
			return fmt.Errorf("add %s to %s: %w", e.name, path, err)
		}
	}
	if err := w.add(0, entry{name: "TRAILER!!!"}); err != nil {
		return err
	}
	return w.w.Flush()
}

type cpioWriter struct {
	w   *bufio.Writer
	pos int64
}

func (c *cpioWriter) add(inode int, e entry) error {
	content, size, err := e.open()
	if err != nil {
		return err
	}
	defer content.Close()
	// The fields: inode, mode, uid, gid, links, mtime, size, the device's and the
	// special file's numbers, the length of the name with its final zero, checksum.
	header := fmt.Sprintf("070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X",
		inode, e.mode, 0, 0, 1, 0, size, 0, 0, 0, 0, len(e.name)+1, 0)
	n, err := c.w.WriteString(header + e.name + "\x00")
	c.pos += int64(n)
	if err != nil {
		return err
	}
	if err := c.pad(); err != nil {
		return err
	}
	m, err := io.CopyN(c.w, content, size)
	c.pos += m
	if err != nil {
		return err
	}
	return c.pad()
}

// pad fills up to a multiple of four bytes, where names and contents end.
func (c *cpioWriter) pad() error {
	for c.pos%4 != 0 {
		if err := c.w.WriteByte(0); err != nil {
			return err
		}
		c.pos++
	}
	return nil
}

func (e entry) open() (io.ReadCloser, int64, error) {
	if e.from == "" {
		return io.NopCloser(strings.NewReader(e.text)), int64(len(e.text)), nil
	}
	file, err := os.Open(e.from)
	if err != nil {
		return nil, 0, err
	}
	info, err := file.Stat()
	if err != nil {
		file.Close()
		return nil, 0, err
	}
	return file, info.Size(), nil
}
