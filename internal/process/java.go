// SPDX-License-Identifier: Apache-2.0

package process

import "strings"

// The ways a Spring application is given its name.
const (
	springProperty = "-Dspring.application.name="
	springArgument = "--spring.application.name="
)

// javaService returns the name that Spring is given, else that of the jar, the
// module's main class or the main class with its package. A jar's version is left
// out, since a service keeps its name when it is upgraded.
func javaService(c command) string {
	name, spring := "", ""
	for i := 0; i < len(c.args); i++ {
		arg := c.args[i]
		switch {
		case strings.HasPrefix(arg, springProperty):
			spring = or(spring, arg[len(springProperty):])
		case strings.HasPrefix(arg, springArgument):
			spring = or(spring, arg[len(springArgument):])
		case name != "": // an argument of the program
		case arg == "-jar" && i+1 < len(c.args):
			i++
			name = trimVersion(trimEnding(baseOf(c.args[i])))
		case (arg == "-m" || arg == "--module") && i+1 < len(c.args):
			i++
			name = moduleClass(c.args[i])
		case strings.HasPrefix(arg, "--module="):
			name = moduleClass(strings.TrimPrefix(arg, "--module="))
		case javaTakesValue(arg):
			i++
		case strings.HasPrefix(arg, "-"), strings.HasPrefix(arg, "@"):
		case strings.HasSuffix(arg, ".java"):
			name = trimEnding(baseOf(arg))
		default:
			name = strings.ReplaceAll(arg, "/", ".")
		}
	}
	return or(spring, name)
}

// javaTakesValue says whether the launcher's option takes the next argument.
func javaTakesValue(option string) bool {
	switch option {
	case "-cp", "-classpath", "--class-path", "-p", "--module-path", "--upgrade-module-path",
		"--add-modules", "--add-exports", "--add-opens", "--add-reads", "--limit-modules", "--patch-module",
		"--enable-native-access", "--source", "-d", "--describe-module":
		return true
	}
	return false
}

// moduleClass returns the main class of "module/class", else the module.
func moduleClass(module string) string {
	if name, class, ok := strings.Cut(module, "/"); ok && class != "" {
		return class
	} else if ok {
		return name
	}
	return module
}

// trimVersion cuts "-1.2.3", "-v2.0-SNAPSHOT" and the like off a jar's name.
func trimVersion(name string) string {
	for i := 1; i+1 < len(name); i++ {
		if name[i] != '-' && name[i] != '_' {
			continue
		}
		version := strings.TrimPrefix(name[i+1:], "v")
		digits := len(version) - len(strings.TrimLeft(version, "0123456789"))
		if digits > 0 && (digits == len(version) || version[digits] == '.') {
			return name[:i]
		}
	}
	return name
}
