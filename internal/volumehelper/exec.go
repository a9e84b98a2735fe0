package volumehelper

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/bounded"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/restic"
)

// grace is how long an interrupted restic may take to give back its lock.
const grace = 5 * time.Second

// Restic implements restic.Elsewhere.
func (h *Helper) Restic(ctx context.Context, i restic.Invocation) (exit int, err error) {
	if err := h.give(ctx, i); err != nil {
		return -1, err
	}
	if !h.numbered && !i.Unlocks {
		h.numbered = true
		if _, err := h.run(ctx, number); err != nil {
			return -1, err
		}
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	h.failed = true // until restic has given back its lock
	ended := make(chan error, 1)
	connected, lost := context.WithCancel(ctx)
	defer lost()
	if i.Backend != nil {
		if err := h.connect(running, i.Backend, func(err error) {
			ended <- err
			if err != nil {
				lost()
			}
		}); err != nil {
			return -1, err
		}
	} else {
		close(ended)
	}
	p, err := engine.StartExec(ctx, h.Engine, h.id, append([]string{"bash", "-c", runRestic, "bash"}, i.Args...), false)
	if err != nil {
		return -1, err
	}
	defer p.Close()
	interrupted := context.AfterFunc(connected, func() { h.interrupt(running, p) })
	err = p.Copy(i.Stdout, i.Stderr)
	interrupted()
	if err != nil && connected.Err() == nil {
		return -1, err
	}
	if exit, err = h.exitCode(p); err != nil {
		return -1, err
	}
	stop()
	err = <-ended
	h.failed = exit != 0 || err != nil
	return exit, err
}

// exitCode is that of a program that has ended.
func (h *Helper) exitCode(p *engine.Process) (int, error) {
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	for {
		done, err := h.Engine.ExecInspect(ctx, p.ID, client.ExecInspectOptions{})
		if err != nil {
			return -1, fmt.Errorf("the container that reads the volumes: %w", err)
		}
		if !done.Running {
			return done.ExitCode, nil
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// interrupt has restic give back its lock and end, and ends it where it does not.
func (h *Helper) interrupt(ctx context.Context, p *engine.Process) {
	for _, signal := range []string{"INT", "KILL"} {
		if _, err := h.run(ctx, stopRestic, signal); err != nil {
			break
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(grace):
		}
	}
	p.Close()
}

// give writes the password and the variables into the container's memory.
func (h *Helper) give(ctx context.Context, i restic.Invocation) error {
	var text strings.Builder
	for _, kv := range append([]string{
		"RESTIC_PASSWORD_FILE=" + secrets + "/password", "RESTIC_CACHE_DIR=" + Stage + "/.cache",
		"HOME=" + Stage + "/.cache",
		"TMPDIR=" + Stage + "/.tmp", "RESTIC_PROGRESS_FPS=1", "LC_ALL=C",
	}, i.Env...) {
		name, value, _ := strings.Cut(kv, "=")
		fmt.Fprintf(&text, "export %s='%s'\n", name, strings.ReplaceAll(value, "'", `'\''`))
	}
	return h.unpack(ctx, secrets, []packed{
		{name: "env", mode: 0o600, data: []byte(text.String())},
		{name: "password", mode: 0o600, data: i.Password},
		{name: "near", mode: 0o600, data: []byte(near)},
	})
}

// Bridge is the program that restic starts to reach a repository by this process.
func (h *Helper) Bridge() string { return "sh " + secrets + "/near" }

// connect has a backend serve restic through the pipes of the container. ended is told what it ends with.
func (h *Helper) connect(ctx context.Context, backend restic.Backend, ended func(error)) error {
	p, err := engine.StartExec(ctx, h.Engine, h.id, []string{"sh", "-c", far}, true)
	if err != nil {
		return err
	}
	asks, asked := io.Pipe()
	go func() {
		_ = asked.CloseWithError(p.Copy(asked, io.Discard))
	}()
	go func() {
		err := backend(ctx, asks, p)
		_ = asks.CloseWithError(io.EOF)
		p.Close()
		if ctx.Err() != nil {
			err = nil // restic has ended before
		}
		ended(err)
	}()
	return nil
}

// run runs a script in the container, and gives what it prints.
func (h *Helper) run(ctx context.Context, script string, words ...string) (string, error) {
	done, err := engine.Exec(ctx, h.Engine, h.id, append([]string{"bash", "-c", script, "bash"}, words...))
	if err != nil {
		return "", err
	}
	if done.Code != 0 {
		return "", fmt.Errorf("exit code %d: %s", done.Code, bounded.LastLine(done.Stderr))
	}
	return done.Stdout, nil
}

// Find finds the containers that are to stand still. It is an error where they can't: the engine's user may not write
// to their cgroups.
func (h *Helper) Find(ctx context.Context, ids []string) error {
	h.talk.Lock()
	defer h.talk.Unlock()
	if err := h.tell("find " + strings.Join(ids, " ")); err != nil {
		return err
	}
	return h.expect(ctx, "found")
}

// Freeze has the containers of Find stand still until End, at most for limit.
func (h *Helper) Freeze(ctx context.Context, limit time.Duration) error {
	h.talk.Lock()
	defer h.talk.Unlock()
	if err := h.tell("freeze " + strconv.FormatFloat(limit.Seconds(), 'f', 3, 64)); err != nil {
		return err
	}
	return h.expect(ctx, "frozen")
}

// ErrLate is of containers that went on by themselves, since their time was over.
var ErrLate = errors.New("they went on by themselves, since their time was over")

// Thaw lets them go on. It is an error where they did before. Where this container has ended in between, which nobody
// but its engine's machine does, another one lets them go on.
func (h *Helper) Thaw(ids []string) error {
	h.talk.Lock()
	defer h.talk.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	err := h.tell("thaw")
	for err == nil {
		line, failed := h.next(ctx)
		switch {
		case failed != nil:
			err = failed
		case line == "thawed":
			return nil
		case line == "late":
			return ErrLate
		}
	}
	if !errors.Is(err, errEnded) {
		return err
	}
	other, failed := Start(ctx, Options{Engine: h.Engine, Owner: h.Owner, Freezes: true})
	if failed != nil {
		return errors.Join(err, failed)
	}
	if failed = other.Find(ctx, ids); failed == nil {
		if failed = other.tell("thaw"); failed == nil {
			failed = other.expect(ctx, "thawed")
		}
	}
	return errors.Join(err, failed, other.Close())
}
