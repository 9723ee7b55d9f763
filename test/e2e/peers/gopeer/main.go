// SPDX-License-Identifier: Apache-2.0

// Command gopeer is the Go server and the counting client of the end-to-end
// tests.
//
//	gopeer serve -listen HOST:PORT [-network unix]
//	gopeer load -address HOST:PORT -requests N -connections C [-fresh] [-rate R]
//	gopeer idle -address HOST:PORT -connections C
//	gopeer redis -address HOST:PORT -pipeline N
package main

import (
	"fmt"
	"os"
)

func main() {
	commands := map[string]func([]string) error{"serve": serve, "load": load, "idle": idle, "redis": redis}
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: gopeer serve|load|idle|redis [flags]")
		os.Exit(2)
	}
	if err := commands[os.Args[1]](os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "gopeer:", err)
		os.Exit(1)
	}
}
