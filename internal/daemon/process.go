package daemon

import (
	"context"
	"fmt"
	"os"
	"time"
)

// Process is a daemon that was started, as the state file keeps it.
type Process struct {
	Name  string   `json:"name"`           // "engine", "builder" or "registry"
	PID   int      `json:"pid,omitempty"`  // 0 from just before it starts until it has
	Start string   `json:"start"`          // boot and start time, so that a recycled pid is not taken for it
	Unit  string   `json:"unit,omitempty"` // the systemd unit, where systemd started it
	Args  []string `json:"args,omitempty"` // its whole command line
	Log   string   `json:"log,omitempty"`
	// Configuration identifies program, arguments and configuration file: another value means that it has to restart.
	Configuration string `json:"configuration,omitempty"`
	Address       string `json:"address,omitempty"` // the socket or host:port on which it answers
}

// OfPID gives the process that has this pid now; an error where there is none.
func OfPID(name string, pid int) (Process, error) {
	start, err := identity(pid)
	return Process{Name: name, PID: pid, Start: start}, err
}

// Alive says whether the process runs; another one that has its pid now is not taken for it.
func (p Process) Alive() bool {
	if p.PID <= 0 || p.Start == "" {
		return false
	}
	start, err := identity(p.PID)
	return err == nil && start == p.Start
}

// Stop asks the process to end, only where the recorded pid still is this process; after within it is killed.
func (p Process) Stop(ctx context.Context, within time.Duration) error {
	if !p.Alive() {
		return nil
	}
	proc, err := os.FindProcess(p.PID)
	if err == nil {
		err = terminate(proc)
	}
	if err != nil && p.Alive() {
		return fmt.Errorf("stopping the %s (pid %d): %w", p.Name, p.PID, err)
	}
	deadline := time.After(within)
	for p.Alive() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-deadline:
			if err := proc.Kill(); err != nil && p.Alive() {
				return fmt.Errorf("killing the %s (pid %d): %w", p.Name, p.PID, err)
			}
			deadline = nil
		case <-time.After(50 * time.Millisecond):
		}
	}
	return nil
}
