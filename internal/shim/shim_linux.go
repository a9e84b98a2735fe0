package shim

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	moby "github.com/moby/moby/api/types/container"
	"golang.org/x/sys/unix"

	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/regular"
)

// End ends what a killed engine left of the container: first its program, by its stop signal and within its grace
// period, then the shim. It says how many shims it has ended; 0 where the container has none. An engine that knows
// of a program that runs is not helped like this: such a container is an error, and so is one whose processes this
// user may not end.
func End(ctx context.Context, e *engine.Engine, c moby.InspectResponse) (int, error) {
	if !e.Local() {
		return 0, ErrElsewhere
	}
	if c.State == nil || c.State.Running || c.State.Paused || c.State.Restarting {
		return 0, fmt.Errorf("the engine runs the container %.12s", c.ID)
	}
	daemon, ok := look(engine.Listener(e.Host))
	if !ok {
		return 0, ErrElsewhere
	}
	all, err := processes()
	if err != nil {
		return 0, err
	}
	ended := 0
	for _, p := range all {
		if !p.isShim(c.ID) {
			continue
		}
		if socket := p.option("-address"); !socketOf(e, daemon, socket, all) {
			return ended, fmt.Errorf(
				"process %d is a shim of this container, but not known to be one of this engine: its socket is %s",
				p.pid,
				socket,
			)
		}
		if err := p.end(ctx, all, c); err != nil {
			return ended, err
		}
		ended++
	}
	return ended, nil
}

// Survives says whether a program of the container runs although the engine does not say so. That it is about to
// end, or to be known, is for the caller to rule out.
func Survives(e *engine.Engine, c moby.InspectResponse) bool {
	if !e.Local() || c.State == nil || c.State.Running || c.State.Paused || c.State.Restarting {
		return false
	}
	all, err := processes()
	return err == nil && slices.ContainsFunc(all, func(p process) bool {
		return p.isShim(c.ID) && slices.ContainsFunc(all, func(program process) bool { return program.parent == p.pid })
	})
}

// process is one of this machine's. Its number alone would be another's after a while.
type process struct {
	pid, parent int
	started     string // in clock ticks after the machine's start
	args        []string
}

// processes lists the machine's, as proc_pid_stat(5) has them; those that have ended and are not collected yet are
// none.
func processes() ([]process, error) {
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, fmt.Errorf("listing processes: %w", err)
	}
	var all []process
	for _, file := range files {
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err != nil {
			continue
		}
		if p, ok := look(pid); ok {
			all = append(all, p)
		}
	}
	return all, nil
}

// look gives the process of that number; false where there is none, or it has ended.
func look(pid int) (process, bool) {
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	stat := firstOf(filepath.Join(dir, "stat"))
	// The command's name is in parentheses, and may have some itself.
	f := strings.Fields(stat[strings.LastIndex(stat, ")")+1:])
	const state, parent, started = 0, 1, 19 // the third, the fourth and the 22nd field
	if len(f) <= started || f[state] == "Z" || f[state] == "X" {
		return process{}, false
	}
	p := process{pid: pid, started: f[started]}
	p.parent, _ = strconv.Atoi(f[parent])
	text := firstOf(filepath.Join(dir, "cmdline")) // none where it is the kernel's, or hidden
	p.args = strings.Split(strings.TrimRight(text, "\x00"), "\x00")
	return p, true
}

// firstOf is the beginning of one of the kernel's files; a command line may be long, and a shim's is not.
func firstOf(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	text := make([]byte, 4096)
	n, _ := f.Read(text)
	return string(text[:n])
}

// isShim says whether it is the shim of the container.
func (p process) isShim(id string) bool {
	return len(id) == 64 && strings.HasPrefix(filepath.Base(p.args[0]), "containerd-shim") && p.option("-id") == id
}

// option is the word behind an option of its command line; "" where it has none.
func (p process) option(name string) string {
	if i := slices.Index(p.args, name); i >= 0 && i+1 < len(p.args) {
		return p.args[i+1]
	}
	return ""
}

// alive says whether the process is still there, and no other of its number.
func (p process) alive() bool {
	now, ok := look(p.pid)
	return ok && now.started == p.started
}

// signal sends the process a signal, and no other one that has its number meanwhile. That it has ended is no error.
func (p process) signal(s syscall.Signal) error {
	fd, err := unix.PidfdOpen(p.pid, 0)
	switch {
	case errors.Is(err, unix.ENOSYS): // before Linux 5.3: the number has to do
		if p.alive() {
			err = syscall.Kill(p.pid, s)
		}
	case err == nil:
		defer unix.Close(fd)
		if p.alive() { // what has the number now is what the descriptor holds
			err = unix.PidfdSendSignal(fd, s, nil, 0)
		}
	}
	if err == nil || errors.Is(err, syscall.ESRCH) {
		return nil
	}
	return fmt.Errorf("ending process %d (%s): %w", p.pid, filepath.Base(p.args[0]), err)
}

// endsWithin waits until the process has ended, and says whether it has.
func (p process) endsWithin(ctx context.Context, limit time.Duration) bool {
	deadline := time.Now().Add(limit)
	for p.alive() {
		if ctx.Err() != nil || time.Now().After(deadline) {
			return false
		}
		time.Sleep(20 * time.Millisecond)
	}
	return true
}

// end ends the shim and the container's program, which is its child.
func (p process) end(ctx context.Context, all []process, c moby.InspectResponse) error {
	for _, program := range all {
		if program.parent != p.pid {
			continue
		}
		if err := program.signal(stopSignal(c)); err != nil {
			return err
		}
		if !program.endsWithin(ctx, grace(c)) {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if err := program.signal(syscall.SIGKILL); err != nil {
				return err
			}
			program.endsWithin(ctx, patience)
		}
	}
	if err := p.signal(syscall.SIGKILL); err != nil {
		return err
	}
	if !p.endsWithin(ctx, patience) {
		return fmt.Errorf("process %d, the shim of the container %.12s, does not end", p.pid, c.ID)
	}
	return nil
}

// stopSignal is the one by which the container's program is asked to end.
func stopSignal(c moby.InspectResponse) syscall.Signal {
	if c.Config != nil && c.Config.StopSignal != "" {
		name := strings.ToUpper(c.Config.StopSignal)
		if n, err := strconv.Atoi(name); err == nil {
			return syscall.Signal(n)
		}
		if s := unix.SignalNum("SIG" + strings.TrimPrefix(name, "SIG")); s != 0 {
			return s
		}
	}
	return syscall.SIGTERM
}

// grace is how long the program may take to end.
func grace(c moby.InspectResponse) time.Duration {
	if c.Config != nil && c.Config.StopTimeout != nil && *c.Config.StopTimeout >= 0 {
		return time.Duration(*c.Config.StopTimeout) * time.Second
	}
	return 10 * time.Second // Docker's default
}

// systemContainerd is the socket of the containerd that distributions run beside the engine.
const systemContainerd = "/run/containerd/containerd.sock"

// socketOf says whether the socket is that of the engine's own containerd: the one that the engine names (since
// Docker 27), one whose containerd the engine has started, or the system's where the engine has started none.
func socketOf(e *engine.Engine, daemon process, socket string, all []process) bool {
	if e.Info.Containerd != nil && e.Info.Containerd.Address != "" {
		return regular.SameFile(socket, e.Info.Containerd.Address)
	}
	started := func(p process) bool { return p.parent == daemon.pid && filepath.Base(p.args[0]) == "containerd" }
	if daemon.pid == 1 || !slices.ContainsFunc(all, started) { // 1 is systemd, which listens for it
		return regular.SameFile(socket, systemContainerd)
	}
	listener, ok := look(engine.Listener("unix://" + socket))
	return ok && started(listener)
}
