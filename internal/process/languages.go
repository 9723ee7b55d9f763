// SPDX-License-Identifier: Apache-2.0

package process

import "strings"

func pythonService(c command) string {
	s := c.script(flags{code: "c", value: "WXQ", named: "m", long: []string{"--check-hash-based-pycs"}})
	name := s.name
	if !s.named { // a module's dots are part of its name
		name = c.fileName(s.name)
	}
	return or(command{args: s.rest, cwd: c.cwd}.pythonApplication(name), name)
}

// pythonApplication returns what a launcher of applications launches, "" if
// launcher is none.
func (c command) pythonApplication(launcher string) string {
	switch launcher {
	case "gunicorn:": // its title ends with --name or the application in brackets
		if n := len(c.args); n > 0 && strings.HasPrefix(c.args[n-1], "[") {
			title := strings.Trim(c.args[n-1], "[]")
			return or(wsgiModule(title), trimEntry(title))
		}
	case "gunicorn", "uvicorn", "hypercorn", "daphne", "granian", "waitress-serve":
		if name := c.option("--name", "-n"); name != "" && launcher == "gunicorn" {
			return name
		}
		for _, arg := range c.args {
			if app := wsgiModule(arg); app != "" {
				return app
			}
		}
		// gunicorn also takes a bare module, as its last argument.
		if n := len(c.args); n > 0 && isDotted(c.args[n-1]) && (n == 1 || !strings.HasPrefix(c.args[n-2], "-")) {
			return trimEntry(c.args[n-1])
		}
	case "celery", "flask":
		app := c.option("--app", "-A")
		if module, _, _ := strings.Cut(app, ":"); module != "" {
			return trimEntry(trimEnding(baseOf(module)))
		}
	case "streamlit":
		if len(c.args) > 1 && c.args[0] == "run" {
			return command{args: c.args[1:], cwd: c.cwd}.scriptName(flags{})
		}
	}
	return ""
}

// wsgiModule returns the module of "module:callable", which an address such as
// "localhost:8000" is not.
func wsgiModule(arg string) string {
	module, callable, ok := strings.Cut(arg, ":")
	callable, _, _ = strings.Cut(callable, "(")
	if !ok || !isDotted(module) || !isDotted(callable) {
		return ""
	}
	return trimEntry(module)
}

// trimEntry removes the last part of a module's name if it says only that the
// server enters there.
func trimEntry(module string) string {
	for _, entry := range []string{".wsgi", ".asgi"} {
		if trimmed, ok := strings.CutSuffix(module, entry); ok && trimmed != "" {
			return trimmed
		}
	}
	return module
}

// isDotted says whether s is identifiers joined by dots.
func isDotted(s string) bool {
	start := true
	for i := range len(s) {
		c := s[i]
		letter := c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
		switch {
		case letter:
			start = false
		case start:
			return false
		case c == '.':
			start = true
		case c < '0' || c > '9':
			return false
		}
	}
	return !start
}

// nodeValues are the options of node whose value may be the next argument, as of
// Node.js 24 (https://nodejs.org/api/cli.html). V8's take theirs behind "=" alone.
var nodeValues = []string{
	"--allow-fs-read", "--allow-fs-write", "--build-snapshot-config", "--conditions", "--cpu-prof-dir",
	"--cpu-prof-interval", "--cpu-prof-name", "--debug-port", "--diagnostic-dir", "--disable-proto",
	"--disable-warning", "--dns-result-order", "--env-file", "--env-file-if-exists", "--experimental-config-file",
	"--experimental-default-type", "--experimental-loader", "--heap-prof-dir", "--heap-prof-interval",
	"--heap-prof-name", "--heapsnapshot-near-heap-limit", "--heapsnapshot-signal", "--icu-data-dir", "--import",
	"--input-type", "--inspect-port", "--inspect-publish-uid", "--loader", "--localstorage-file",
	"--max-http-header-size", "--network-family-autoselection-attempt-timeout", "--openssl-config",
	"--redirect-warnings", "--report-dir", "--report-directory", "--report-filename", "--report-signal",
	"--require", "--secure-heap", "--secure-heap-min", "--snapshot-blob", "--title", "--tls-cipher-list",
	"--tls-keylog", "--trace-event-categories", "--trace-event-file-pattern", "--trace-require-module",
	"--unhandled-rejections", "--use-largepages", "--v8-pool-size", "--watch-kill-signal", "--watch-path",
}

func nodeService(c command) string {
	s := c.script(flags{
		code: "ep", value: "rC", longCode: []string{"--eval", "--print"},
		long: nodeValues,
	})
	// The package managers run a script of the package in whose folder they stand.
	name := strings.TrimSuffix(trimEnding(baseOf(s.name)), "-cli")
	switch name {
	case "npm", "npx", "yarn", "pnpm":
		return c.packageName(name)
	}
	return c.fileName(s.name)
}

// packageName returns the name of the working folder, else fallback.
func (c command) packageName(fallback string) string {
	if c.cwd == "" {
		return trimEnding(fallback)
	}
	if folder := c.folderName("."); folder != "" {
		return folder
	}
	return trimEnding(fallback)
}

func rubyService(c command) string {
	s := c.script(flags{code: "e", value: "rICE", attached: "WKFTx0"})
	name := trimEnding(baseOf(s.name))
	switch name {
	case "puma":
		if n := len(s.rest); n > 0 && strings.HasPrefix(s.rest[n-1], "[") { // its title ends so
			return strings.Trim(s.rest[n-1], "[]")
		}
		return c.packageName(name)
	case "rails", "unicorn", "rackup", "sidekiq", "bundle", "config":
		return c.packageName(name)
	}
	return name
}

func denoService(c command) string {
	if len(c.args) == 0 {
		return ""
	}
	switch c.args[0] {
	case "run", "serve":
		rest := command{args: c.args[1:], cwd: c.cwd}
		return rest.scriptName(flags{value: "cLr", long: []string{"--config", "--import-map", "--port", "--host", "--lock", "--cert"}})
	case "task":
		return c.packageName("deno")
	}
	if file := c.args[0]; !strings.HasPrefix(file, "-") && trimEnding(file) != file {
		return c.fileName(file)
	}
	return "" // one of its other commands
}

func bunService(c command) string {
	f := flags{
		code: "ep", value: "rc",
		long: []string{"--cwd", "--config", "--preload", "--require", "--import", "--port", "--env-file"},
	}
	s := c.script(f)
	if s.name == "run" {
		s = command{args: s.rest, cwd: c.cwd}.script(f)
	}
	if s.name != "" && trimEnding(baseOf(s.name)) == baseOf(s.name) { // a script of the package
		return c.packageName("bun")
	}
	return c.fileName(s.name)
}

func dotnetService(c command) string {
	for _, arg := range c.args {
		if strings.HasSuffix(arg, ".dll") || strings.HasSuffix(arg, ".exe") {
			return c.fileName(strings.ReplaceAll(arg, `\`, "/"))
		}
	}
	if len(c.args) == 0 || c.args[0] != "run" && c.args[0] != "watch" {
		return ""
	}
	if project := c.option("--project", "-p"); project != "" {
		return strings.TrimSuffix(baseOf(project), ".csproj")
	}
	return c.packageName("dotnet")
}
