// SPDX-License-Identifier: Apache-2.0

package process

import (
	"path"
	"slices"
	"strings"
)

// command is the arguments after the interpreter's own name, and the folder they
// are relative to, empty if it is not known.
type command struct {
	args []string
	cwd  string
}

// flags says how an interpreter reads its options. Letters may be clustered
// behind one "-".
type flags struct {
	code     string   // letters whose value is the program itself
	value    string   // letters whose value is the rest of the cluster or the next argument
	attached string   // letters whose value, if any, is the rest of the cluster
	named    string   // letters whose value, found as for value, is the script
	plus     bool     // "+" switches options off, as in a shell
	long     []string // whole options whose value is the next argument
	longCode []string // whole options whose value is the program itself
}

// script is what an interpreter was told to run.
type script struct {
	name  string   // as written; "" if there is none
	rest  []string // the arguments after it
	named bool     // an option named it
}

// scriptName returns the name of the script that the command runs.
func (c command) scriptName(f flags) string { return c.fileName(c.script(f).name) }

// script finds the first argument that is neither an option nor the value of one.
func (c command) script(f flags) script {
	for i := 0; i < len(c.args); i++ {
		arg := c.args[i]
		switch {
		case arg == "--":
			return c.scriptAt(i+1, false)
		case arg == "-" || arg == "" || slices.Contains(f.longCode, arg):
			return script{} // there is a program, but no name to it
		case arg[0] != '-' && (arg[0] != '+' || !f.plus):
			return c.scriptAt(i, false)
		case slices.Contains(f.long, arg):
			i++
		case strings.HasPrefix(arg, "--"):
		default:
			what, value := f.cluster(arg[1:])
			switch {
			case what == clusterCode:
				return script{}
			case what == clusterNamed && value == "":
				return c.scriptAt(i+1, true)
			case what == clusterNamed:
				return script{name: value, rest: c.args[i+1:], named: true}
			case what == clusterValue && value == "":
				i++
			}
		}
	}
	return script{}
}

func (c command) scriptAt(i int, named bool) script {
	if i >= len(c.args) {
		return script{}
	}
	return script{name: c.args[i], rest: c.args[i+1:], named: named}
}

// clusterKind is what the first option with a value makes of its cluster.
type clusterKind int

const (
	clusterPlain clusterKind = iota
	clusterValue
	clusterCode
	clusterNamed
)

// cluster reads single-letter options up to the first that takes a value. value
// is the rest of the cluster; if it is empty, the next argument is the value.
func (f flags) cluster(letters string) (what clusterKind, value string) {
	for i := range len(letters) {
		rest := letters[i+1:]
		switch letter := letters[i]; {
		case strings.IndexByte(f.code, letter) >= 0:
			return clusterCode, rest
		case strings.IndexByte(f.named, letter) >= 0:
			return clusterNamed, rest
		case strings.IndexByte(f.value, letter) >= 0:
			return clusterValue, rest
		case strings.IndexByte(f.attached, letter) >= 0:
			return clusterPlain, ""
		}
	}
	return clusterPlain, ""
}

// option returns the value of an option in any of the usual spellings.
func (c command) option(names ...string) string {
	for i, arg := range c.args {
		for _, name := range names {
			if arg == name && i+1 < len(c.args) {
				return c.args[i+1]
			}
			if value, ok := strings.CutPrefix(arg, name+"="); ok {
				return value
			}
		}
	}
	return ""
}

// fileName returns the name of a script without folder and ending. Files that
// every package calls the same stand for the package's folder.
func (c command) fileName(file string) string {
	if file == "" {
		return ""
	}
	name := trimEnding(baseOf(file))
	switch name {
	case "index", "__main__", "manage", "artisan":
		if folder := c.folderName(path.Dir(file)); folder != "" {
			return folder
		}
	}
	return name
}

// folderName returns the name of the folder dir, skipping those where builds put
// their output. It is empty if dir is relative and the working folder not known.
func (c command) folderName(dir string) string {
	if !path.IsAbs(dir) {
		if c.cwd == "" && (dir == "." || strings.HasPrefix(dir, "..")) {
			return ""
		}
		dir = path.Join(c.cwd, dir)
	}
	dir = path.Clean(dir)
	for {
		name := baseOf(dir)
		switch name {
		case "dist", "build", "out", "src", "lib", "bin", "public", "output", ".output", ".next", "server":
			if parent := path.Dir(dir); parent != dir && baseOf(parent) != "" {
				dir = parent
				continue
			}
		}
		return name
	}
}

// trimEnding removes the endings that say which language a file is in.
func trimEnding(name string) string {
	ending := path.Ext(name)
	switch ending {
	case ".py", ".pyc", ".pyz", ".js", ".mjs", ".cjs", ".ts", ".mts", ".cts", ".tsx", ".jsx",
		".rb", ".ru", ".php", ".phar", ".pl", ".psgi", ".sh", ".bash", ".jar", ".war", ".java", ".dll", ".exe":
		if trimmed := strings.TrimSuffix(name, ending); trimmed != "" {
			return trimmed
		}
	}
	return name
}

// baseOf returns the last element of a path, "" for the root and the like.
func baseOf(file string) string {
	file = strings.TrimRight(file, "/")
	name := file[strings.LastIndexByte(file, '/')+1:]
	if name == "." || name == ".." {
		return ""
	}
	return name
}
