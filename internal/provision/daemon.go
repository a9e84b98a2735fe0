package provision

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/25eloquence/compose-mage/internal/fault"
)

// daemon is a program that outlives setup.
type daemon struct {
	name    string   // as in Process.Name
	args    []string // args[0] is the program's path
	env     []string // added to this process's own, proxies included
	log     string
	address string
	config  string // what beside args has to be the same for a running one to be kept
	code    fault.Code
	ready   func(ctx context.Context) error // nil once it answers
	within  time.Duration                   // how long it may take to answer
	caged   bool                            // what it starts and mounts ends with it
	ending  time.Duration                   // how long it may take to end; 0 for 20 seconds
}

// configuration identifies how the daemon runs.
func (d daemon) configuration() string {
	text := strings.Join(slices.Concat(d.args, d.env), "\x00") + "\x00" + d.config
	if d.caged {
		text += "\x00caged"
	}
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:8])
}

// running gives the process that serves as d already: the recorded one, or, where setup was killed before it could
// record it or the state was lost, the one with d's command line.
func (s *setup) running(d daemon) (Process, bool) {
	p, recorded := s.state.process(d.name)
	if recorded && p.alive() {
		return p, true
	}
	args := d.args
	if recorded {
		args = p.Args
	}
	pid := findProcess(args)
	if pid == 0 {
		return Process{}, false
	}
	start, err := identity(pid)
	if err != nil {
		return Process{}, false
	}
	if !recorded {
		// Lost with the state, and with it what the configuration was: taken for another, so that it restarts.
		p = Process{Name: d.name, Args: d.args, Log: d.log, Address: d.address}
	}
	p.PID, p.Start = pid, start
	return p, true
}

func (p Process) alive() bool {
	if p.PID <= 0 || p.Start == "" {
		return false
	}
	start, err := identity(p.PID)
	return err == nil && start == p.Start
}

// ensure makes d run as it should and answer. It says whether it did already.
func (s *setup) ensure(ctx context.Context, d daemon, report func(string)) (found bool, err error) {
	if p, ok := s.running(d); ok {
		if p.Configuration == d.configuration() {
			if err := s.await(ctx, d, nil); err == nil || ctx.Err() != nil {
				s.state.record(p)
				return true, errors.Join(err, s.state.save(s.dir))
			}
		}
		report("restarting: it has another configuration, or does not answer")
		ending := d.ending
		if ending == 0 {
			ending = 20 * time.Second
		}
		if err := p.stop(ctx, ending); err != nil {
			return false, err
		}
	}
	return false, s.start(ctx, d)
}

// start starts d detached and waits until it answers.
func (s *setup) start(ctx context.Context, d daemon) error {
	p := Process{Name: d.name, Args: d.args, Log: d.log, Address: d.address, Configuration: d.configuration()}
	// Recorded before it starts, without a pid: a kill between the start and the next record then loses nothing.
	s.state.record(p)
	if err := s.state.save(s.dir); err != nil {
		return err
	}
	if err := rotate(d.log); err != nil {
		return err
	}
	log, err := os.OpenFile(d.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("opening the log of the %s: %w", d.name, err)
	}
	defer log.Close()
	cmd := exec.Command(d.args[0], d.args[1:]...) // not CommandContext: it outlives us
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), d.env...)
	cmd.Stdout, cmd.Stderr = log, log
	detach(cmd)
	if d.caged {
		Cage(cmd)
	}
	if err := cmd.Start(); err != nil {
		return fault.New(d.code, "go tool mage setup", "starting the %s: %w", d.name, err)
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	p.PID = cmd.Process.Pid
	if p.Start, err = identity(p.PID); err == nil {
		s.state.record(p)
		err = s.state.save(s.dir)
	}
	return errors.Join(s.await(ctx, d, exited), err)
}

// await waits until d answers, it has exited, or its time is over. After a cancel the daemon stays: the next setup finds
// it.
func (s *setup) await(ctx context.Context, d daemon, exited <-chan error) error {
	deadline := time.After(d.within)
	for {
		try, cancel := context.WithTimeout(ctx, 5*time.Second)
		err := d.ready(try)
		cancel()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case end := <-exited:
			s.state.forget(d.name)
			return s.dead(d, fmt.Errorf("it ended at once: %w", orExit0(end)))
		case <-deadline:
			return s.dead(d, fmt.Errorf("it does not answer within %s: %w", d.within, err))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func orExit0(err error) error {
	if err == nil {
		return errors.New("exit status 0")
	}
	return err
}

func (s *setup) dead(d daemon, err error) error {
	return fault.New(d.code, "less "+fault.Quote(d.log), "starting the %s: %w", d.name, err).
		WithDetail(logTail(d.log, 0, 12)...)
}

// stop ends the process, by its recorded id only where that still is this process; after within it is killed.
func (p Process) stop(ctx context.Context, within time.Duration) error {
	if !p.alive() {
		return nil
	}
	proc, err := os.FindProcess(p.PID)
	if err == nil {
		err = terminate(proc)
	}
	if err != nil && p.alive() {
		return fmt.Errorf("stopping the %s (pid %d): %w", p.Name, p.PID, err)
	}
	deadline := time.After(within)
	for p.alive() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-deadline:
			if err := proc.Kill(); err != nil && p.alive() {
				return fmt.Errorf("killing the %s (pid %d): %w", p.Name, p.PID, err)
			}
			deadline = nil
		case <-time.After(50 * time.Millisecond):
		}
	}
	return nil
}

// rotate keeps one older log beside one that has grown past 10 MiB.
func rotate(log string) error {
	info, err := os.Stat(log)
	if err != nil || info.Size() < 10<<20 {
		return nil
	}
	if err := os.Rename(log, log+".1"); err != nil {
		return fmt.Errorf("rotating %q: %w", filepath.Base(log), err)
	}
	return nil
}
