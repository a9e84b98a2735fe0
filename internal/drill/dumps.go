package drill

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/bounded"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/restore"
	"github.com/25eloquence/compose-mage/internal/snapshots"
)

// loadDumps reads the services' dumps into the services, which are started on empty volumes.
func (d *drill) loadDumps(ctx context.Context) error {
	for _, dump := range d.manifest.Dumps {
		command := restore.LoadCommand(dump.Recipe)
		id, err := d.running(ctx, dump.Service)
		switch {
		case err != nil:
			return err
		case command == nil:
			d.note("the dump of %s is in the snapshot, and nothing is known that reads it into the service: it is "+
				"only fetched", dump.Service)
			if err := d.fetch(ctx, dump, &nowhere{}); err != nil {
				return err
			}
			continue
		case id == "":
			d.note("%s does not run in the drill: its dump is not read", dump.Service)
			continue
		}
		err = d.Out.Step(ctx, "reading the dump into "+dump.Service, func(ctx context.Context, _ func(string)) error {
			return d.loadDump(ctx, dump, id, command)
		})
		if err != nil {
			return fault.New(fault.Failed, "go tool mage backup -list, and a drill of another snapshot with -at",
				"the dump of %q can't be read into the service: %w", dump.Service, err)
		}
		d.result.Dumps = append(d.result.Dumps, dump.Service)
	}
	return nil
}

// fetch writes a dump to out.
func (d *drill) fetch(ctx context.Context, dump snapshots.Dump, out io.Writer) error {
	return d.Target.Repository.Dump(ctx, d.snapshot.ID, "/"+filepath.ToSlash(dump.Path), out)
}

// nowhere counts what is written to it.
type nowhere struct{ n int64 }

// Write implements io.Writer.
func (n *nowhere) Write(p []byte) (int, error) {
	n.n += int64(len(p))
	return len(p), nil
}

func (d *drill) note(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	d.Out.Info("%s", text)
	d.result.Notes = append(d.result.Notes, text)
}

// loadDump gives a dump to a command in a service's container.
func (d *drill) loadDump(ctx context.Context, dump snapshots.Dump, id string, command []string) error {
	p, err := engine.StartExec(ctx, d.Engine, id, command, true)
	if err != nil {
		return err
	}
	defer p.Close()
	stop := context.AfterFunc(ctx, p.Close)
	defer stop()
	sent := make(chan error, 1)
	go func() {
		err := d.fetch(ctx, dump, p)
		sent <- errors.Join(err, p.CloseInput())
	}()
	said := &bounded.Tail{Bytes: bounded.MaxLine}
	if err := p.Copy(&nowhere{}, said); err != nil {
		return errors.Join(err, ctx.Err())
	}
	done, err := d.Engine.ExecInspect(ctx, p.ID, client.ExecInspectOptions{})
	if err == nil && done.ExitCode != 0 {
		err = fmt.Errorf("exit code %d: %s", done.ExitCode, bounded.LastLine(said.String()))
	}
	if err != nil {
		p.Close()
		return err
	}
	return <-sent
}
