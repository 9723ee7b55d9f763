// SPDX-License-Identifier: Apache-2.0

package process

import "strings"

// serviceOf returns the name that a process goes by when its environment sets
// none: that of its executable or, where this is an interpreter, of what it
// interprets. It is empty if nothing at all is known.
func serviceOf(exe, comm, cwd string, arguments []byte) string {
	args, titled := splitArgs(arguments)
	base := baseOf(exe)
	if base == "" && len(args) > 0 {
		base = baseOf(args[0])
	}
	if base == "" {
		base = comm
	}
	if isMultiCall(base) && len(args) > 0 {
		base = strings.TrimPrefix(baseOf(args[0]), "-")
	}
	interpreter := interpreterOf(base)
	if interpreter == "" || len(args) == 0 {
		return clean(base, maxName)
	}
	// A title names the program first, unless it goes on to name the interpreter.
	if !titled || interpreterOf(baseOf(args[0])) != "" {
		args = args[1:]
	}
	name := interpreted(interpreter, command{args: args, cwd: cwd})
	return clean(or(name, base), maxName)
}

// isMultiCall says whether the executable is many programs in one, told apart by
// their first argument.
func isMultiCall(base string) bool {
	switch base {
	case "busybox", "toybox", "coreutils",
		"redis-check-rdb", "redis-check-aof", "valkey-check-rdb", "valkey-check-aof": // Debian links redis-server to it
		return true
	}
	return false
}

// interpreterOf returns the language's interpreter that the executable base is, by
// the name without a version, or "".
func interpreterOf(base string) string {
	switch name := strings.TrimRight(base, "0123456789."); name {
	case "python", "pypy":
		return "python"
	case "node", "nodejs":
		return "node"
	case "ruby", "jruby", "truffleruby":
		return "ruby"
	case "bash", "sh", "dash", "ash", "zsh", "ksh", "mksh":
		return "sh"
	case "java", "php", "perl", "deno", "bun", "dotnet":
		return name
	}
	return ""
}

// interpreted returns the name of what the interpreter runs, or "" if that has
// no name, such as a prompt or a one-liner.
func interpreted(interpreter string, c command) string {
	switch interpreter {
	case "python":
		return pythonService(c)
	case "node":
		return nodeService(c)
	case "java":
		return javaService(c)
	case "ruby":
		return rubyService(c)
	case "php":
		return c.scriptName(flags{code: "rRBE", value: "cdStFz", named: "f"})
	case "perl":
		return c.scriptName(flags{code: "eE", value: "I", attached: "MmxCDFil0V"})
	case "sh":
		return c.scriptName(flags{code: "cs", value: "oO", plus: true, long: []string{"--rcfile", "--init-file"}})
	case "deno":
		return denoService(c)
	case "bun":
		return bunService(c)
	case "dotnet":
		return dotnetService(c)
	}
	return ""
}
