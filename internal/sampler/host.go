package sampler

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// The sources of counters.
const (
	SourceV1     = "cgroup v1"
	SourceV2     = "cgroup v2"
	SourceHybrid = "hybrid" // limits and counters in cgroup v1's hierarchies, pressure in the unified one
	SourceEngine = "engine"
)

// Host is this machine's cgroup hierarchies, as this process sees them.
type Host struct {
	root   string // before every path; "/" but in tests
	mounts []mount
	by     byContainer
}

// mount is one hierarchy of cgroups, or a part of it, where it is mounted.
type mount struct {
	controllers []string // of cgroup v1: cpu, memory and others; none of the unified hierarchy
	unified     bool
	root        string // the cgroup that is at the mount point
	point       string
}

// Open finds where this machine's cgroups are mounted.
func Open() (*Host, error) { return open("/") }

func open(root string) (*Host, error) {
	h := &Host{root: root}
	text, err := readFile(path.Join(root, "/proc/self/mountinfo"), nil)
	if err != nil {
		return nil, fmt.Errorf("reading where the cgroups are mounted: %w", err)
	}
	h.mounts = cgroupMounts(string(text))
	if len(h.mounts) == 0 {
		return nil, fmt.Errorf("no cgroups are mounted on this machine")
	}
	return h, nil
}

// cgroupMounts reads the lines of cgroups in /proc/PID/mountinfo (proc_pid_mountinfo(5)).
func cgroupMounts(mountinfo string) []mount {
	var all []mount
	for line := range strings.Lines(mountinfo) {
		before, after, ok := strings.Cut(strings.TrimSpace(line), " - ")
		what, where := strings.Fields(after), strings.Fields(before)
		if !ok || len(what) < 3 || len(where) < 5 || (what[0] != "cgroup" && what[0] != "cgroup2") {
			continue
		}
		m := mount{unified: what[0] == "cgroup2", root: unescape.Replace(where[3]), point: unescape.Replace(where[4])}
		if !m.unified {
			m.controllers = strings.Split(what[2], ",") // among options like rw
		}
		all = append(all, m)
	}
	return all
}

// unescape undoes what the kernel does to white space and backslashes in paths.
var unescape = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)

// Group is one running container's cgroups.
type Group struct {
	// The directories of the hierarchies with these controllers, "" where the container has none there.
	cpu, cpuacct, memory, blkio, pids, unified string

	net string // its network devices; "" where they are the host's

	open openFiles // of those directories, from the first reading on
}

// Find finds the cgroups of the container with the ID whose first process has the PID, by the engine's count: one that
// runs in a process namespace of its own has other numbers, and the container is found by its ID then. A nil Group
// says that the container has no process on this machine: the engine is in a virtual machine or elsewhere, or the
// container has ended. hostNetwork says that the container has no network of its own.
func (h *Host) Find(pid int, id string, hostNetwork bool) *Group {
	if id == "" {
		return nil
	}
	if g := h.group(pid, id, hostNetwork); g != nil {
		return g
	}
	if pid = h.processOf(id); pid == 0 {
		return nil
	}
	return h.group(pid, id, hostNetwork)
}

// group is Find of a PID of this machine.
func (h *Host) group(pid int, id string, hostNetwork bool) *Group {
	process := path.Join(h.root, "/proc", fmt.Sprint(pid))
	text, err := readFile(path.Join(process, "cgroup"), nil)
	if err != nil {
		return nil
	}
	g := newGroup()
	for _, is := range membership(string(text), id) {
		if is.controllers == nil {
			g.unified = h.dir("", is.path)
			continue
		}
		for _, c := range is.controllers {
			if of := g.directory(c); of != nil {
				*of = h.dir(c, is.path)
			}
		}
	}
	if g.cpuacct == "" && g.unified == "" {
		return nil
	}
	if !hostNetwork {
		g.net = path.Join(process, "net/dev")
	}
	return g
}

func (g *Group) directory(controller string) *string {
	switch controller {
	case "cpu":
		return &g.cpu
	case "cpuacct":
		return &g.cpuacct
	case "memory":
		return &g.memory
	case "blkio":
		return &g.blkio
	case "pids":
		return &g.pids
	}
	return nil
}

// Source says which kind of cgroups these are.
func (g *Group) Source() string {
	switch {
	case g.cpuacct == "" && g.memory == "":
		return SourceV2
	case g.unified == "":
		return SourceV1
	}
	return SourceHybrid
}

// member is one line of /proc/PID/cgroup.
type member struct {
	controllers []string // none of the unified hierarchy
	path        string
}

// membership reads the lines of /proc/PID/cgroup that carry the container's ID. A process in a cgroup below the
// container's (its own systemd or engine made that) counts for the container's.
func membership(cgroup, id string) []member {
	var all []member
	for line := range strings.Lines(cgroup) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		elements := strings.Split(parts[2], "/")
		i := slices.IndexFunc(elements, func(e string) bool { return strings.Contains(e, id) })
		if i < 0 {
			continue
		}
		m := member{path: path.Join("/", strings.Join(elements[:i+1], "/"))}
		if parts[1] != "" {
			m.controllers = strings.Split(parts[1], ",")
		} else if parts[0] != "0" {
			continue
		}
		all = append(all, m)
	}
	return all
}

// dir is where the cgroup at path is mounted of the hierarchy with the controller, "" of the unified one.
func (h *Host) dir(controller, cgroup string) string {
	for _, m := range h.mounts {
		if m.unified != (controller == "") || controller != "" && !slices.Contains(m.controllers, controller) {
			continue
		}
		rest, ok := strings.CutPrefix(cgroup, strings.TrimSuffix(m.root, "/"))
		if ok && (rest == "" || rest[0] == '/') {
			return path.Join(h.root, m.point, rest)
		}
	}
	return ""
}
