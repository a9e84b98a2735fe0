// Package daemon runs other programs for setup, for tests and for benches: Daemon for those that outlive the process
// that starts them (the engine, the builder, the registry), Child for those that must end with it, and Run for those
// whose end it waits for. Cage has a program take with it what it started and what it mounted. The package does not
// know what the programs are for, and does not keep what is known of them: Records, which the caller has, do.
package daemon

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

// Daemon is how a program is to run that outlives the process that starts it.
type Daemon struct {
	Name    string   // as in Process.Name
	Args    []string // Args[0] is the program's path
	Env     []string // added to this process's own environment, proxies included
	Log     string   // path; what the program says is appended
	Address string   // the socket or host:port on which it answers
	Config  string   // what has to be the same besides Args and Env for a running one to be kept
	Code    fault.Code
	Ready   func(ctx context.Context) error // nil once it answers
	Within  time.Duration                   // how long it may take to answer
	Caged   bool                            // what it starts and mounts ends with it
	Ending  time.Duration                   // how long it may take to end; 0 for 20 seconds
}

// Records keep what is known of daemons from one process to the next. Record and Forget return once that is written
// down.
type Records interface {
	Process(name string) (Process, bool)
	Record(p Process) error
	Forget(name string) error
}

// Configuration identifies how the daemon runs: Process.Configuration of one that runs so.
func (d Daemon) Configuration() string {
	text := strings.Join(slices.Concat(d.Args, d.Env), "\x00") + "\x00" + d.Config
	if d.Caged {
		text += "\x00caged"
	}
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:8])
}

// Running gives the process that is this daemon: the recorded one, or, where the process that started it was killed
// before it could record that, or the records were lost, the one with the daemon's command line.
func (d Daemon) Running(r Records) (Process, bool) {
	p, recorded := r.Process(d.Name)
	if recorded && p.Alive() {
		return p, true
	}
	args := d.Args
	if recorded {
		args = p.Args
	}
	pid := Find(args)
	if pid == 0 {
		return Process{}, false
	}
	start, err := identity(pid)
	if err != nil {
		return Process{}, false
	}
	if !recorded {
		// Lost with the records, and with them its configuration: taken for another one, so that it restarts.
		p = Process{Name: d.Name, Args: d.Args, Log: d.Log, Address: d.Address}
	}
	p.PID, p.Start = pid, start
	return p, true
}

// Current gives the process that is this daemon where it runs as it should and answers.
func (d Daemon) Current(ctx context.Context, r Records) (Process, bool) {
	p, ok := d.Running(r)
	return p, ok && p.Configuration == d.Configuration() && d.Ready(ctx) == nil
}

// Ensure makes the daemon run as it should and answer. found says whether it did already.
func (d Daemon) Ensure(ctx context.Context, r Records, report func(string)) (found bool, err error) {
	if p, ok := d.Running(r); ok {
		if p.Configuration == d.Configuration() {
			if err := d.await(ctx, nil, r); err == nil || ctx.Err() != nil {
				return true, errors.Join(err, r.Record(p))
			}
		}
		report("restarting: it has another configuration, or does not answer")
		ending := d.Ending
		if ending == 0 {
			ending = 20 * time.Second
		}
		if err := p.Stop(ctx, ending); err != nil {
			return false, err
		}
	}
	return false, d.Start(ctx, r)
}

// Start starts the daemon detached and waits until it answers.
func (d Daemon) Start(ctx context.Context, r Records) error {
	p := Process{Name: d.Name, Args: d.Args, Log: d.Log, Address: d.Address, Configuration: d.Configuration()}
	// Recorded before it starts, without a pid: a kill between the start and the next record then loses nothing.
	if err := r.Record(p); err != nil {
		return err
	}
	if err := rotate(d.Log); err != nil {
		return err
	}
	log, err := openLog(d.Log)
	if err != nil {
		return fmt.Errorf("opening the log of the %s: %w", d.Name, err)
	}
	defer log.Close()
	cmd := exec.Command(d.Args[0], d.Args[1:]...) // not CommandContext: it outlives this process
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), d.Env...)
	cmd.Stdout, cmd.Stderr = log, log
	detach(cmd)
	if d.Caged {
		Cage(cmd)
	}
	if err := cmd.Start(); err != nil {
		return fault.New(d.Code, "go tool mage setup", "starting the %s: %w", d.Name, err)
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	p.PID = cmd.Process.Pid
	if p.Start, err = identity(p.PID); err == nil {
		err = r.Record(p)
	}
	return errors.Join(d.await(ctx, exited, r), err)
}

// Await waits until the daemon answers or its time is over. After a cancel it stays: the next setup finds it.
func (d Daemon) Await(ctx context.Context) error { return d.await(ctx, nil, nil) }

// await is Await for a daemon that may end meanwhile, as exited tells, and then is forgotten.
func (d Daemon) await(ctx context.Context, exited <-chan error, r Records) error {
	deadline := time.After(d.Within)
	for {
		try, cancel := context.WithTimeout(ctx, 5*time.Second)
		err := d.Ready(try)
		cancel()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case end := <-exited:
			if end == nil {
				end = errors.New("exit status 0")
			}
			return errors.Join(d.dead(fmt.Errorf("it ended at once: %w", end)), r.Forget(d.Name))
		case <-deadline:
			return d.dead(fmt.Errorf("it does not answer within %s: %w", d.Within, err))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// dead is the error of a daemon that does not serve, with the end of its log.
func (d Daemon) dead(err error) error {
	return fault.New(d.Code, "less "+fault.Quote(d.Log), "starting the %s: %w", d.Name, err).
		WithDetail(LogTail(d.Log, 12)...)
}

// openLog opens a program's log for this user alone.
func openLog(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
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

// LookPath gives the path of an installed program, "" where there is none. Daemons are in sbin, which not every PATH
// has.
func LookPath(name string) string {
	for _, dir := range []string{"", "/usr/sbin", "/sbin", "/usr/local/sbin"} {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path
		}
	}
	return ""
}
