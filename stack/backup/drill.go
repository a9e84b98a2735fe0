package backup

import (
	"context"
	"io"
	"strings"
	"time"

	"github.com/25eloquence/compose-mage/internal/drill"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/shape"
	"github.com/25eloquence/compose-mage/internal/snapshots"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// DrillOptions are the choices of a drill. The zero value tries the newest snapshot of the project of the working
// directory.
type DrillOptions struct {
	Files   []string      // Compose files, as -f of docker compose takes them; found where none is named
	At      string        // the newest snapshot at or before this time, or the beginning of an ID; "" is the newest
	Timeout time.Duration // until all services are ready; 0 for a quarter of an hour
	Every   time.Duration // nothing is done where the last good drill is younger; 0 always tries
	Output  io.Writer     // os.Stdout where it is nil
}

// Drilled is what a drill came to.
type Drilled struct {
	Snapshot string         `json:"snapshot"`
	Time     time.Time      `json:"time"`     // of the snapshot
	Services []string       `json:"services"` // that were started and got ready
	Volumes  []string       `json:"volumes"`  // by key
	Facts    int            `json:"facts"`    // that were compared, and are the same
	Smoke    map[string]any `json:"smoke"`    // what the smoke test measured; nil where there is none
	Notes    []string       `json:"notes"`    // what was otherwise than where the snapshot was made
	Seconds  float64        `json:"seconds"`
}

// Drill proves that a snapshot can be restored: it starts the project of the snapshot on restored data, apart from
// everything that runs, compares what services say of their data, and runs the smoke test. All that it made is removed.
// An error says what is wrong with the snapshot; in both cases the outcome is recorded.
func Drill(ctx context.Context, o DrillOptions) (Drilled, error) {
	out, err := runDrill(ctx, o)
	return out, fault.Exit(ctx, err)
}

func runDrill(ctx context.Context, o DrillOptions) (Drilled, error) {
	out := Options{Output: o.Output}.out()
	s, err := open(ctx, o.Files, out)
	if err != nil {
		return Drilled{}, err
	}
	if last := drill.Last(s.model.Project.Name); o.Every > 0 && time.Since(last) < o.Every {
		out.Info("the last good drill is of %s: nothing was done", last.Local().Format(time.DateTime))
		return Drilled{}, nil
	}
	target, err := snapshots.Open(ctx, s.model.Project, out, false)
	if err != nil {
		return Drilled{}, err
	}
	result, err := drill.Run(ctx, drill.Options{
		Engine: s.engine, Out: out, Target: target, Project: s.model.Project.Name, At: o.At, Timeout: o.Timeout,
	})
	if err != nil {
		return Drilled{}, err
	}
	out.Done("snapshot %s restores: ready on its data: %s; in %s", result.Snapshot, strings.Join(result.Services, ", "),
		ui.Seconds(time.Duration(result.Seconds*float64(time.Second))))
	return shape.Into[Drilled](result)
}

// sweep removes what a drill that was killed has left.
func sweep(ctx context.Context, e *engine.Engine, project string, out *ui.Out) {
	if err := drill.Sweep(ctx, e, project); err != nil {
		out.Warn("%v", err)
	}
}
