package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/creack/pty"

	"github.com/25eloquence/compose-mage/bench/internal/figures"
	"github.com/25eloquence/compose-mage/bench/internal/rig"
	"github.com/25eloquence/compose-mage/internal/enginetest"
)

// settleTime is how long a live view runs before it is measured.
const settleTime = 8 * time.Second

// endTime is how long it has to end once it was asked to.
const endTime = 3 * time.Second

// view is a command that goes on, on a terminal.
type view struct {
	name    string
	command func() *exec.Cmd
}

// measured is what a view took while it was measured.
type measured struct {
	cpu, engineCPU float64 // shares of one core, in percent
	memory         memory
	requests       []string // to the engine
}

// live compares the views that go on.
func (b *bench) live(ctx context.Context, s stack) (string, error) {
	socket := filepath.Join(b.work, "counted.sock")
	counted, err := enginetest.CountRequests(socket, strings.TrimPrefix(b.host, "unix://"))
	if err != nil {
		return "", err
	}
	defer counted.Close()
	through := func(cmd *exec.Cmd) *exec.Cmd {
		cmd.Env = append(cmd.Env, "DOCKER_HOST=unix://"+counted.Socket) // the last one counts
		return cmd
	}
	views := []view{
		{"mage monitor -watch", func() *exec.Cmd {
			return through(b.command(ctx, s, b.targets, "monitor", "-watch"))
		}},
		{"docker stats", func() *exec.Cmd {
			return through(b.command(ctx, s, "docker", append([]string{"stats"}, s.containers...)...))
		}},
		{"mage monitor -serve", func() *exec.Cmd {
			return through(b.command(ctx, s, b.targets, "monitor", "-serve"))
		}},
	}
	var text strings.Builder
	figures.Head(&text, []string{
		"live view, " + b.config.seconds.String(), "own CPU, % of a core", "dockerd's beside what it takes alone",
		"memory, MiB", "of that anonymous", "most", "requests to the engine meanwhile",
	})
	idle, err := b.idle(ctx)
	if err != nil {
		return "", err
	}
	for _, v := range views {
		m, err := b.watch(ctx, v, counted)
		if err != nil {
			return "", err
		}
		figures.Row(&text, []string{
			v.name, fmt.Sprintf("%.2f", m.cpu), fmt.Sprintf("%.2f", m.engineCPU-idle),
			fmt.Sprint(m.memory.resident >> 20), fmt.Sprint(m.memory.anonymous >> 20), fmt.Sprint(m.memory.most >> 20),
			figures.OneLine(fmt.Sprintf("%d %s", len(m.requests), strings.Join(m.requests, ", "))),
		})
	}
	return text.String(), nil
}

// idle is what the engine takes with nobody watching, in percent of a core.
func (b *bench) idle(ctx context.Context) (float64, error) {
	pid, err := rig.Listener(strings.TrimPrefix(b.host, "unix://"))
	if err != nil {
		return 0, fmt.Errorf("finding the engine's process: %w", err)
	}
	rig.Rest(ctx)
	before := cpuSeconds(pid)
	return 100 * (afterPause(ctx, b.config.seconds, pid) - before) / b.config.seconds.Seconds(), ctx.Err()
}

func afterPause(ctx context.Context, pause time.Duration, pid int) float64 {
	select {
	case <-ctx.Done():
	case <-time.After(pause):
	}
	return cpuSeconds(pid)
}

// watch runs a view and measures it.
func (b *bench) watch(ctx context.Context, v view, counted *enginetest.Requests) (measured, error) {
	engine, err := rig.Listener(strings.TrimPrefix(b.host, "unix://"))
	if err != nil {
		return measured{}, fmt.Errorf("finding the engine's process: %w", err)
	}
	cmd := v.command()
	terminal, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 24, Cols: 80})
	if err != nil {
		return measured{}, fmt.Errorf("starting %s: %w", v.name, err)
	}
	shown := &tail{}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = io.Copy(shown, terminal) // ends with an error once nobody has the terminal
	}()
	stop := func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		killed := time.AfterFunc(endTime, func() { _ = cmd.Process.Kill() }) // docker stats stays
		_ = cmd.Wait()
		killed.Stop()
		_ = terminal.Close()
		<-ended
	}
	defer stop()
	pid := cmd.Process.Pid
	afterPause(ctx, settleTime, pid)
	counted.Forget()
	own, dockerd := cpuSeconds(pid), cpuSeconds(engine)
	ownAfter := afterPause(ctx, b.config.seconds, pid)
	seconds := b.config.seconds.Seconds()
	m := measured{
		cpu: 100 * (ownAfter - own) / seconds, engineCPU: 100 * (cpuSeconds(engine) - dockerd) / seconds,
		memory: memoryOf(pid), requests: counted.Seen(),
	}
	if ctx.Err() != nil {
		return m, ctx.Err()
	}
	if m.memory.resident == 0 {
		return m, fmt.Errorf("%s has ended: %s", v.name, shown)
	}
	return m, nil
}

// tail keeps the last of what a terminal was told.
type tail struct{ kept []byte }

// Write implements io.Writer.
func (t *tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p...)
	t.kept = t.kept[max(0, len(t.kept)-2000):]
	return len(p), nil
}

// String is what was kept.
func (t *tail) String() string { return fmt.Sprintf("%q", t.kept) }

// memory is a process's, in bytes.
type memory struct{ resident, anonymous, most int64 }

// memoryOf reads a process's memory; all is 0 where it has ended.
func memoryOf(pid int) (m memory) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return m
	}
	for line := range strings.Lines(string(text)) {
		var kib int64
		name, value, _ := strings.Cut(line, ":")
		if _, err := fmt.Sscan(value, &kib); err != nil {
			continue
		}
		switch name {
		case "VmRSS":
			m.resident = kib << 10
		case "RssAnon":
			m.anonymous = kib << 10
		case "VmHWM":
			m.most = kib << 10
		}
	}
	return m
}

// cpuSeconds is what a process has used of the CPUs, in seconds: of all its threads, those that have ended too.
func cpuSeconds(pid int) float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	_, after, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(after)
	if len(fields) < 13 {
		return 0
	}
	var user, system float64
	_, _ = fmt.Sscan(fields[11], &user)
	_, _ = fmt.Sscan(fields[12], &system)
	const ticks = 100 // a second
	return (user + system) / ticks
}
