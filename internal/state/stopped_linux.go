package state

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
)

// stopped says whether a process is, by a signal or a debugger (proc_pid_stat(5)).
func stopped(pid int) bool {
	if pid <= 0 {
		return false
	}
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return false
	}
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	return len(fields) > 0 && (fields[0][0] == 'T' || fields[0][0] == 't')
}
