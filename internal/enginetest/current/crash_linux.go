package current

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// down ends the name of the file that says that the engine has crashed and is not to be started yet.
const down = ".down"

// Crash kills the engine's daemons, dockerd and its containerd, as the kernel does when memory is short: the
// containers and their shims live on, and nothing of the engine answers until Recover.
func (e *Engine) Crash() error {
	if err := os.WriteFile(e.crashed, nil, 0o600); err != nil {
		return fmt.Errorf("crashing the engine: %w", err)
	}
	for _, dockerd := range children(e.init.PID) {
		daemons := append([]int{dockerd}, children(dockerd)...)
		if name(dockerd) != "dockerd" {
			continue
		}
		for _, pid := range daemons {
			if name(pid) == "dockerd" || name(pid) == "containerd" {
				_ = syscall.Kill(pid, syscall.SIGKILL) // fails only where it has ended
			}
		}
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if _, err := os.Stat(e.crashed + down); err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return errors.New("crashing the engine: it goes on")
		}
	}
}

// Recover starts the engine that has crashed again, where it was, and waits until it answers.
func (e *Engine) Recover(ctx context.Context) error {
	if err := os.Remove(e.crashed + down); err != nil {
		return fmt.Errorf("starting the engine again: %w", err)
	}
	if err := e.await(ctx); err != nil {
		return fmt.Errorf("starting the engine again: %w; see %s", err, e.Log)
	}
	return nil
}

// children are the processes that the process has started.
func children(pid int) []int {
	files, _ := filepath.Glob("/proc/[0-9]*/stat")
	var all []int
	for _, file := range files {
		text, _ := os.ReadFile(file)
		_, after, _ := strings.Cut(string(text), ") ") // behind the program's name: state, parent …
		if fields := strings.Fields(after); len(fields) > 1 && fields[1] == strconv.Itoa(pid) {
			child, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
			all = append(all, child)
		}
	}
	return all
}

// name is the process's, "" where it has ended.
func name(pid int) string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	return strings.TrimSpace(string(text))
}
