package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// ticks is how many the kernel counts a second in /proc/PID/stat (USER_HZ, proc(5)).
const ticks = 100

// engineCPU is what the engine has used: dockerd, containerd, the containers' shims and the proxies of its PID
// namespace, with all their children that have ended, so each runc and each probe.
func (b *bench) engineCPU() cpuTimes {
	home := namespace(b.enginePID)
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil
	}
	used := cpuTimes{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		name, seconds, ok := readStat(string(text))
		if !ok || !engineProgram(name) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file))); err == nil && namespace(pid) == home {
			used[pid] = seconds
		}
	}
	return used
}

func namespace(pid int) string {
	link, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", pid))
	if err != nil {
		return ""
	}
	return link
}

func engineProgram(name string) bool {
	return name == "dockerd" || name == "docker-proxy" || strings.HasPrefix(name, "containerd")
}

// readStat reads a line of /proc/PID/stat: the program's name, cut by the kernel to 15 bytes, and the CPU time of
// the process and of its children that have ended and were waited for, in seconds.
func readStat(line string) (name string, seconds float64, ok bool) {
	from, to := strings.IndexByte(line, '('), strings.LastIndexByte(line, ')')
	if from < 0 || to < from {
		return "", 0, false
	}
	fields := strings.Fields(line[to+1:])
	if len(fields) < 15 {
		return "", 0, false
	}
	for _, f := range fields[11:15] { // utime, stime, cutime, cstime
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return "", 0, false
		}
		seconds += float64(n) / ticks
	}
	return line[from+1 : to], seconds, true
}

// peakMemory is the most that an ended process, or one of its children, held at once, in bytes. The kernel counts
// what the bench itself held when it started the process, so it can be too high, never too low.
func peakMemory(p *os.ProcessState) int64 {
	if usage, ok := p.SysUsage().(*syscall.Rusage); ok {
		return usage.Maxrss << 10
	}
	return 0
}
