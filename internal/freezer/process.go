package freezer

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// process is one of this machine's. Its number alone would be another's after a while.
type process struct {
	PID     int    `json:"pid"`
	Started string `json:"started"` // in clock ticks after the machine's start
}

// self is this process.
func self() process { return look(os.Getpid()) }

// look gives the process of that number, as proc_pid_stat(5) has it; without a start where there is none or it has
// ended.
func look(pid int) process {
	p := process{PID: pid}
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return p
	}
	// The command's name is in parentheses, and may have some itself.
	f := strings.Fields(string(text)[strings.LastIndex(string(text), ")")+1:])
	const state, started = 0, 19 // the third and the 22nd field
	if len(f) > started && f[state] != "Z" && f[state] != "X" {
		p.Started = f[started]
	}
	return p
}

// alive says whether the process is still there.
func (p process) alive() bool { return p.PID > 0 && p.Started != "" && look(p.PID) == p }

// boot is the identity of the machine's run; "" where there is none.
func boot() string {
	text, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(text))
}
