package daemon

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// identity tells the process with this pid from any other that has had or will have the pid: the boot and the start
// time in clock ticks since it. It fails where there is no such process, or only its zombie.
func identity(pid int) (string, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", fmt.Errorf("looking for process %d: %w", pid, err)
	}
	// The second field is the program's name in brackets and may hold spaces and brackets itself.
	fields := strings.Fields(string(data[strings.LastIndexByte(string(data), ')')+1:]))
	if len(fields) < 20 || fields[0] == "Z" || fields[0] == "X" {
		return "", fmt.Errorf("looking for process %d: it has ended", pid)
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("reading the boot's name: %w", err)
	}
	return strings.TrimSpace(string(boot)) + ":" + fields[19], nil
}

// Find gives the pid of this user's process with exactly this command line, 0 where there is none.
func Find(args []string) int {
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return 0
	}
	for _, dir := range dirs {
		// Anybody may give a process of theirs this command line.
		if info, err := os.Stat(dir); err != nil || !isOurs(info) {
			continue
		}
		line, err := os.ReadFile(filepath.Join(dir, "cmdline"))
		if err != nil || !slices.Equal(strings.Split(strings.TrimSuffix(string(line), "\x00"), "\x00"), args) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(dir)); err == nil {
			if _, err := identity(pid); err == nil {
				return pid
			}
		}
	}
	return 0
}

// isOurs says whether a process is this user's, by its directory in /proc.
func isOurs(dir os.FileInfo) bool {
	stat, ok := dir.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Geteuid()
}

// Runs says whether pid runs a program of this file name, with arg among its arguments unless that is empty.
func Runs(pid int, name, arg string) bool {
	exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	if err != nil || filepath.Base(strings.TrimSuffix(exe, " (deleted)")) != name {
		return false
	}
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return err == nil && (arg == "" || slices.Contains(strings.Split(string(line), "\x00"), arg))
}

func childAttributes(cmd *exec.Cmd) {
	a := attributes(cmd)
	a.Setpgid, a.Pdeathsig = true, syscall.SIGKILL
}

// detach makes cmd a daemon's: a session of its own, so that neither this process's end nor the terminal's Ctrl-C
// reaches it. What this process was given open besides, such as the lock of a script that runs setup, the daemon
// would keep open for good.
func detach(cmd *exec.Cmd) {
	attributes(cmd).Setsid = true
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return
	}
	for _, entry := range open {
		if fd, err := strconv.Atoi(entry.Name()); err == nil && fd > 2 {
			syscall.CloseOnExec(fd)
		}
	}
}
