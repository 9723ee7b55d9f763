// SPDX-License-Identifier: Apache-2.0

package process

import "strings"

// placement is where the cgroups put a process.
type placement struct {
	container string
	runtime   string
	pod       string
}

// longestPath returns the longest path of the cgroups that text lists, since
// controllers that are not delegated stay at the root.
func longestPath(text string) string {
	longest := ""
	for line := range strings.Lines(text) {
		path := strings.TrimSuffix(cgroupPath(strings.TrimSuffix(line, "\n")), " (deleted)")
		if len(path) > len(longest) {
			longest = path
		}
	}
	return longest
}

// Lengths of the identifiers found in cgroup paths.
const (
	idLen      = 64 // an OCI runtime's container id
	ecsTaskLen = 32 // the task part of "<task>-<number>" on Fargate
	podHashLen = 32 // a static pod's uid is the hash of its manifest
)

// parseCgroup reads the content of /proc/PID/cgroup, or plain paths or leaf names
// one a line. On a hybrid host the hierarchies of v1 and v2 both have a line; the
// first line that names a container wins, since all name the same.
func parseCgroup(text string) placement {
	var found placement
	for len(text) > 0 {
		var line string
		line, text, _ = strings.Cut(text, "\n")
		p := parseCgroupPath(strings.TrimSuffix(cgroupPath(line), " (deleted)"))
		if found.container == "" && p.container != "" {
			found.container, found.runtime = p.container, p.runtime
			if p.pod != "" {
				found.pod = p.pod
			}
		}
		if found.pod == "" {
			found.pod = p.pod
		}
		if found.container != "" && found.pod != "" {
			break
		}
	}
	return found
}

// cgroupPath strips "hierarchy:controllers:" from a line of /proc/PID/cgroup. The
// path itself may contain colons.
func cgroupPath(line string) string {
	hierarchy, rest, ok := strings.Cut(line, ":")
	if !ok || hierarchy == "" || strings.Trim(hierarchy, "0123456789") != "" {
		return line
	}
	if _, path, ok := strings.Cut(rest, ":"); ok {
		return path
	}
	return line
}

// parseCgroupPath goes from the leaf up, so that of nested containers (kind, or
// docker in docker) the innermost is found.
func parseCgroupPath(path string) placement {
	var p placement
	for path != "" {
		parent, segment := "", path
		if i := strings.LastIndexByte(path, '/'); i >= 0 {
			parent, segment = path[:i], path[i+1:]
		}
		if p.container == "" {
			p.container, p.runtime = containerOf(segment, lastSegment(parent))
		}
		if p.pod == "" {
			p.pod = podOf(segment)
		}
		if p.pod != "" {
			return p // whatever is above belongs to the node
		}
		path = parent
	}
	return p
}

func lastSegment(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }

// containerOf returns the container that a path's segment names, and its runtime
// where that shows.
func containerOf(segment, parent string) (id, runtime string) {
	if name, ok := strings.CutPrefix(segment, "lxc.payload."); ok && name != "" {
		return name, "lxc"
	}
	if (parent == "lxc" || parent == "lxc.payload") && segment != "" {
		return segment, "lxc"
	}
	// "slice:prefix:id" is how runc names a container when the runtime has the systemd
	// driver and the cgroup manager has not.
	if i := strings.LastIndexByte(segment, ':'); i >= 0 && isHex(segment[i+1:], idLen) {
		return segment[i+1:], runtimeOf(lastField(segment[:i]))
	}
	name := strings.TrimSuffix(segment, ".scope")
	if isHex(name, idLen) {
		return name, runtimeOf(parent)
	}
	if len(name) > idLen && name[len(name)-idLen-1] == '-' && isHex(name[len(name)-idLen:], idLen) {
		prefix := name[:len(name)-idLen-1]
		if strings.HasSuffix(prefix, "conmon") { // the monitor, outside of the container
			return "", ""
		}
		return name[len(name)-idLen:], runtimeOf(prefix)
	}
	if isGardenID(name) {
		return name, "garden"
	}
	if isTaskID(name) {
		return name, "ecs"
	}
	return "", ""
}

func lastField(s string) string { return s[strings.LastIndexByte(s, ':')+1:] }

// runtimeOf returns the runtime that names its scopes, or its parent folder, so.
func runtimeOf(prefix string) string {
	switch prefix {
	case "docker", "moby":
		return "docker"
	case "cri-containerd", "containerd", "nerdctl", "k8s.io":
		return "containerd"
	case "crio":
		return "cri-o"
	case "libpod", "libpod-payload", "libpod_parent":
		return "podman"
	case "ecs":
		return "ecs"
	}
	return ""
}

// podOf returns the uid in a segment such as "pod<uid>" (cgroupfs driver) or
// "kubepods-burstable-pod<uid, - as _>.slice" (systemd driver, where "-" would
// mean a parent slice).
func podOf(segment string) string {
	if i := strings.IndexByte(segment, ':'); i >= 0 {
		segment = segment[:i]
	}
	segment = strings.TrimSuffix(segment, ".slice")
	i := strings.LastIndex(segment, "pod")
	if i < 0 || i > 0 && segment[i-1] != '-' {
		return ""
	}
	uid := strings.ReplaceAll(segment[i+len("pod"):], "_", "-")
	if isUUID(uid) || isHex(uid, podHashLen) {
		return uid
	}
	return ""
}

func isHex(s string, n int) bool {
	if len(s) != n {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
			return false
		}
	}
	return true
}

// isGroups says whether s is groups of hexadecimal digits of these lengths,
// joined by "-".
func isGroups(s string, lengths ...int) bool {
	for i, n := range lengths {
		if i > 0 {
			if s == "" || s[0] != '-' {
				return false
			}
			s = s[1:]
		}
		if len(s) < n || !isHex(s[:n], n) {
			return false
		}
		s = s[n:]
	}
	return s == ""
}

func isUUID(s string) bool { return isGroups(s, 8, 4, 4, 4, 12) }

// isGardenID recognizes Cloud Foundry's short form of a uuid.
func isGardenID(s string) bool { return isGroups(s, 8, 4, 4, 4, 4) }

// isTaskID recognizes "<task>-<number>", a container on Fargate.
func isTaskID(s string) bool {
	if len(s) < ecsTaskLen+2 || s[ecsTaskLen] != '-' || !isHex(s[:ecsTaskLen], ecsTaskLen) {
		return false
	}
	return strings.Trim(s[ecsTaskLen+1:], "0123456789") == ""
}
