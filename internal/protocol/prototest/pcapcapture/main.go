// SPDX-License-Identifier: Apache-2.0

// Pcapcapture writes a protocol's capture from one TCP connection of a pcap or
// pcapng file.
//
//	go run ./internal/protocol/prototest/pcapcapture -proto http -conn 1 traffic.pcap > x.capture
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/puck-otel/puck/internal/protocol"
	"github.com/puck-otel/puck/internal/protocol/all"
	"github.com/puck-otel/puck/internal/protocol/prototest"
)

func main() {
	proto := flag.String("proto", "", "the protocol, by its name in internal/protocol/all")
	conn := flag.Int("conn", 1, "which of the file's TCP connections, the first being 1")
	most := flag.Int("most", 4096, "how many bytes of each read to keep")
	flag.Parse()
	if err := run(os.Stdout, flag.Arg(0), *proto, *conn, *most); err != nil {
		fmt.Fprintln(os.Stderr, "pcapcapture:", err)
		os.Exit(1)
	}
}

func run(w io.Writer, path, proto string, conn, most int) error {
	protocols := all.Protocols(all.Config{})
	i := slices.IndexFunc(protocols, func(p protocol.Protocol) bool { return p.Name() == proto })
	if i < 0 {
		return fmt.Errorf("-proto %q: no such protocol", proto)
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	packets, err := readPackets(file)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	reads := assemble(packets)
	if conn < 1 || conn > len(reads) {
		return fmt.Errorf("-conn %d: %s has %d TCP connections that carried data", conn, path, len(reads))
	}
	if most < 0 {
		return errors.New("-most: want 0 or more")
	}
	return prototest.Write(w, "From "+filepath.Base(path)+".", reads[conn-1], most, protocols[i:i+1])
}
