package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/bounded"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/snapshots"
	"github.com/25eloquence/compose-mage/internal/state"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// hookLimit is how long a command that has a service write down its memory may take.
const hookLimit = 10 * time.Minute

// before runs the users' commands that come before their files are read, and gives what runs those that come after.
// That a recipe's command fails is a warning: the files are then as after a loss of power. That the project's own fails
// is an error.
func (r *run) before(ctx context.Context) (after func(), err error) {
	var undo []User
	after = func() {
		for _, u := range undo {
			if err := r.hook(context.WithoutCancel(ctx), u, u.After); err != nil {
				r.out.Warn("%s: the command after the backup: %v", u.Service, err)
			}
		}
		undo = nil
	}
	for _, u := range r.plan.Users {
		if len(u.After) > 0 {
			undo = append(undo, u)
		}
		if len(u.Before) == 0 {
			continue
		}
		err := r.hook(ctx, u, u.Before)
		switch {
		case err == nil && u.Recipe != "":
			r.out.Done("%s: asked to write down what it keeps in memory (%s)", u.Service, u.Recipe)
		case err == nil:
			r.out.Done("%s: ran %s", u.Service, u.Before[0])
		case ctx.Err() != nil:
			return after, ctx.Err()
		case u.Recipe != "":
			r.out.Warn("%s could not be asked to write down what it keeps in memory (%s): %v; it is saved as after a "+
				"loss of power", u.Service, u.Recipe, err)
		default:
			return after, fault.New(fault.Failed, "go tool mage logs "+fault.Quote(u.Service),
				"saving %q: the command before: %w", u.Service, err)
		}
	}
	return after, nil
}

// hook runs a command in a user's container.
func (r *run) hook(ctx context.Context, u User, command []string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, hookLimit, fmt.Errorf("no end within %s", hookLimit))
	defer cancel()
	done, err := engine.Exec(ctx, r.engine, u.ID, command)
	if err != nil {
		return err
	}
	if done.Code != 0 {
		return fmt.Errorf("exit code %d: %s", done.Code, lastWords(done))
	}
	return nil
}

// lastWords are what a command said last.
func lastWords(done engine.Output) string {
	if words := bounded.LastLine(done.Stderr); words != "" {
		return words
	}
	return bounded.LastLine(done.Stdout)
}

// dump has services print their data into files of the stage.
func (r *run) dump(ctx context.Context, s *stage) error {
	s.manifest.Dumps = s.manifest.Dumps[:0]
	for _, u := range r.plan.Dumps {
		d := snapshots.Dump{
			Service: u.Service, Recipe: u.Recipe, Path: filepath.Join(snapshots.DumpsDir, u.Service, dumpFile(u)),
		}
		size := int64(0)
		err := r.out.Step(ctx, "dump of "+u.Service, func(ctx context.Context, report func(string)) (err error) {
			size, err = r.dumpTo(ctx, u, filepath.Join(s.dir, d.Path))
			return err
		})
		if err != nil {
			return fault.New(fault.Failed, "go tool mage logs "+fault.Quote(u.Service), "the dump of %q: %w", u.Service,
				err)
		}
		if size == 0 {
			return fault.New(fault.Failed, "go tool mage logs "+fault.Quote(u.Service),
				"the dump of %q is empty: nothing was saved", u.Service)
		}
		r.out.Info("%s: %s", d.Path, ui.Bytes(size))
		s.manifest.Dumps = append(s.manifest.Dumps, d)
	}
	return nil
}

// dumpTo writes what a command in a container prints to a file, and gives its size.
func (r *run) dumpTo(ctx context.Context, u User, path string) (size int64, err error) {
	if err := state.MakeDir(filepath.Dir(path)); err != nil {
		return 0, err
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	p, err := engine.StartExec(ctx, r.engine, u.ID, u.Dump, false)
	if err != nil {
		return 0, err
	}
	defer p.Close()
	stop := context.AfterFunc(ctx, p.Close)
	defer stop()
	counted, said := &counter{w: file}, &bounded.Tail{Bytes: bounded.MaxLine}
	if err := p.Copy(counted, said); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return counted.n, err
	}
	done, err := r.engine.ExecInspect(ctx, p.ID, client.ExecInspectOptions{})
	if err != nil {
		return counted.n, err
	}
	if done.ExitCode != 0 {
		return counted.n, fmt.Errorf("exit code %d: %s", done.ExitCode, bounded.LastLine(said.String()))
	}
	return counted.n, file.Sync()
}

// counter counts the bytes that go through it.
type counter struct {
	w io.Writer
	n int64
}

// Write implements io.Writer.
func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// containerNames are those of users, in one line.
func containerNames(users []User) string {
	var names []string
	for _, u := range users {
		names = append(names, u.Container)
	}
	return strings.Join(names, ", ")
}

// firstLine is an error's, cut to what a record has.
func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return bounded.Line(line)
}
