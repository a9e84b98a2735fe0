package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// group is a container's control group: the folders of its memory and CPU counters.
type group struct{ memory, cpu string }

// usage is what one or more containers have of the machine, in bytes; cpu in seconds since their start.
type usage struct {
	unreclaimable float64 // anonymous memory, shared memory and tmpfs, the kernel's own, sockets: U
	working       float64 // what `docker stats` shows, usage less inactive file pages: W
	cache         float64 // file pages: C
	cpu           float64
}

func (u usage) plus(v usage) usage {
	return usage{
		u.unreclaimable + v.unreclaimable, u.working + v.working, u.cache + v.cache, u.cpu + v.cpu,
	}
}

const groupRoot = "/sys/fs/cgroup"

// groupsVersion is 2 where the unified hierarchy has the memory controller.
func groupsVersion() int {
	if _, err := os.Stat(filepath.Join(groupRoot, "cgroup.controllers")); err == nil {
		return 2
	}
	return 1
}

// groupOf finds the control group of a process.
func groupOf(pid int) (group, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		return group{}, fmt.Errorf("finding a container's control group: %w", err)
	}
	return groupIn(string(text), groupsVersion())
}

// groupIn reads /proc/PID/cgroup.
func groupIn(text string, version int) (group, error) {
	paths := map[string]string{}
	for line := range strings.Lines(text) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) == 3 {
			for controller := range strings.SplitSeq(fields[1], ",") {
				paths[controller] = fields[2]
			}
		}
	}
	if path, ok := paths[""]; ok && version == 2 {
		return group{filepath.Join(groupRoot, path), filepath.Join(groupRoot, path)}, nil
	}
	memory, cpu := paths["memory"], paths["cpuacct"]
	if memory == "" || cpu == "" || version == 2 {
		return group{}, fmt.Errorf("finding a container's control group: no memory or cpuacct in %q", text)
	}
	return group{filepath.Join(groupRoot, "memory", memory), filepath.Join(groupRoot, "cpuacct", cpu)}, nil
}

// read reads the counters now.
func (g group) read() (usage, error) {
	if groupsVersion() == 2 {
		return g.readUnified()
	}
	stat, err := keyed(filepath.Join(g.memory, "memory.stat"))
	if err != nil {
		return usage{}, err
	}
	var n [3]float64
	for i, file := range []string{
		filepath.Join(g.memory, "memory.usage_in_bytes"), filepath.Join(g.memory, "memory.kmem.usage_in_bytes"),
		filepath.Join(g.cpu, "cpuacct.usage"),
	} {
		if n[i], err = number(file); err != nil {
			return usage{}, err
		}
	}
	// A kernel that counts sockets apart from kmem has this file; they are in usage_in_bytes in either case.
	sockets, _ := number(filepath.Join(g.memory, "memory.kmem.tcp.usage_in_bytes"))
	return usage{
		unreclaimable: stat["total_rss"] + stat["total_shmem"] + n[1] + sockets,
		working:       n[0] - stat["total_inactive_file"],
		cache:         stat["total_cache"] - stat["total_shmem"],
		cpu:           n[2] / 1e9,
	}, nil
}

// readUnified reads those of version 2.
func (g group) readUnified() (usage, error) {
	stat, err := keyed(filepath.Join(g.memory, "memory.stat"))
	if err != nil {
		return usage{}, err
	}
	current, err := number(filepath.Join(g.memory, "memory.current"))
	if err != nil {
		return usage{}, err
	}
	cpu, err := keyed(filepath.Join(g.cpu, "cpu.stat"))
	if err != nil {
		return usage{}, err
	}
	// Kernels before 5.18 lack "kernel", the sum of these and a little more.
	kernel, whole := stat["kernel"]
	if !whole {
		kernel = stat["kernel_stack"] + stat["pagetables"] + stat["percpu"] + stat["slab"]
	}
	return usage{
		unreclaimable: stat["anon"] + stat["shmem"] + kernel + stat["sock"],
		working:       current - stat["inactive_file"],
		cache:         stat["file"] - stat["shmem"],
		cpu:           cpu["usage_usec"] / 1e6,
	}, nil
}

// proportional is the group's share of memory as its processes map it: a page that n of them have counts one nth.
func (g group) proportional() float64 {
	sum := 0.0
	_ = filepath.WalkDir(g.memory, func(path string, entry os.DirEntry, _ error) error {
		if entry == nil || entry.Name() != "cgroup.procs" {
			return nil // a group that has gone
		}
		pids, _ := os.ReadFile(path)
		for pid := range strings.FieldsSeq(string(pids)) {
			rollup, _ := keyed(filepath.Join("/proc", pid, "smaps_rollup")) // empty for one that has ended
			sum += rollup["Pss:"] * 1024
		}
		return nil
	})
	return sum
}

// keyed reads a file of lines "key number".
func keyed(path string) (map[string]float64, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading counters: %w", err)
	}
	values := map[string]float64{}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) >= 2 {
			if n, err := strconv.ParseFloat(fields[1], 64); err == nil {
				values[fields[0]] = n
			}
		}
	}
	return values, nil
}

// number reads a file that is one number.
func number(path string) (float64, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, fmt.Errorf("reading a counter: %w", err)
	}
	n, err := strconv.ParseFloat(strings.TrimSpace(string(text)), 64)
	if err != nil {
		return 0, fmt.Errorf("reading %q: %w", path, err)
	}
	return n, nil
}
