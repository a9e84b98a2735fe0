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
	Dumps    []string       `json:"dumps"`    // the services whose dump was read into them
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

// DrillPlan is what a drill would do; its JSON is in docs/json.md.
type DrillPlan struct {
	Project     string         `json:"project"`
	Name        string         `json:"name"` // of the project that is started
	Snapshot    string         `json:"snapshot"`
	Time        time.Time      `json:"time"` // of the snapshot
	Volumes     []DrillVolume  `json:"volumes"`
	Dumps       []string       `json:"dumps"` // the services into which a dump is read
	Services    []DrillService `json:"services"`
	Room        DrillRoom      `json:"room"`
	Facts       int            `json:"facts"`                  // that are compared
	Test        string         `json:"test"`                   // the command that is run at the end; "" for none
	Notes       []string       `json:"notes"`                  // what is otherwise than where the snapshot was made
	Last        time.Time      `json:"last,omitzero"`          // when the last good drill ended
	LastSeconds float64        `json:"last_seconds,omitempty"` // which it took
	Limit       float64        `json:"limit_seconds"`          // until all services are ready

	found drill.Plan
}

// DrillVolume is a volume that a drill fetches.
type DrillVolume struct {
	Key   string `json:"key"`
	Files int64  `json:"files"`
	Bytes int64  `json:"bytes"`
}

// DrillService is a service that a drill starts.
type DrillService struct {
	Name   string `json:"name"`
	Image  string `json:"image"`
	Memory int64  `json:"memory_limit"` // bytes; 0 for none
}

// DrillRoom is what a drill needs beside what runs, and what there is, in bytes; 0 where that is not known.
type DrillRoom struct {
	Memory     int64 `json:"memory"` // that the services reserve
	MemoryFree int64 `json:"memory_free"`
	Disk       int64 `json:"disk"` // of the volumes
	DiskFree   int64 `json:"disk_free"`
}

// Print writes the plan.
func (p DrillPlan) Print(w io.Writer) { p.found.Print(ui.New(w)) }

// PrepareDrill says what a drill would do, and changes nothing.
func PrepareDrill(ctx context.Context, o DrillOptions) (DrillPlan, error) {
	out, err := prepareDrill(ctx, o)
	return out, fault.Exit(ctx, err)
}

func prepareDrill(ctx context.Context, o DrillOptions) (DrillPlan, error) {
	options, err := drillOptions(ctx, o)
	if err != nil {
		return DrillPlan{}, err
	}
	found, err := drill.Prepare(ctx, options)
	if err != nil {
		return DrillPlan{}, err
	}
	out, err := shape.Into[DrillPlan](found)
	out.found = found
	return out, err
}

// drillOptions opens the project and its repository.
func drillOptions(ctx context.Context, o DrillOptions) (drill.Options, error) {
	out := Options{Output: o.Output}.out()
	s, err := open(ctx, o.Files, out)
	if err != nil {
		return drill.Options{}, err
	}
	target, err := snapshots.Open(ctx, s.model.Project, out, false)
	return drill.Options{
		Engine: s.engine, Out: out, Target: target, Project: s.model.Project.Name, At: o.At, Timeout: o.Timeout,
	}, err
}

// sweep removes what a drill that was killed has left.
func sweep(ctx context.Context, e *engine.Engine, project string, out *ui.Out) {
	if err := drill.Sweep(ctx, e, project); err != nil {
		out.Warn("%v", err)
	}
}
