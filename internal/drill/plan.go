package drill

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/bounded"
	"github.com/25eloquence/compose-mage/internal/extension"
	"github.com/25eloquence/compose-mage/internal/restore"
	"github.com/25eloquence/compose-mage/internal/snapshots"
	"github.com/25eloquence/compose-mage/internal/state"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// Plan is what a drill would do.
type Plan struct {
	Project  string          `json:"project"`
	Name     string          `json:"name"` // of the project that is started
	Snapshot string          `json:"snapshot"`
	Time     time.Time       `json:"time"` // of the snapshot
	Volumes  []PlannedVolume `json:"volumes"`
	Dumps    []string        `json:"dumps"` // the services into which a dump is read
	Services []Service       `json:"services"`
	Room     Room            `json:"room"`
	Facts    int             `json:"facts"` // that are compared
	Test     string          `json:"test"`  // the command that is run at the end; "" for none
	Notes    []string        `json:"notes"` // what is otherwise than where the snapshot was made
	// Last is when the last good drill ended, and LastSeconds how long it took; zero where there was none.
	Last        time.Time `json:"last,omitzero"`
	LastSeconds float64   `json:"last_seconds,omitempty"`
	Limit       float64   `json:"limit_seconds"` // until all services are ready
	refused     error
}

// PlannedVolume is a volume that is fetched.
type PlannedVolume struct {
	Key   string `json:"key"`
	Files int64  `json:"files"`
	Bytes int64  `json:"bytes"`
}

// Service is one that is started.
type Service struct {
	Name   string `json:"name"`
	Image  string `json:"image"`
	Memory int64  `json:"memory_limit"` // bytes; 0 for none
}

// Prepare says what a drill would do. It fetches the project's files, to read them, and changes nothing of the engine.
func Prepare(ctx context.Context, o Options) (_ Plan, err error) {
	known, err := snapshots.Dir(o.Project)
	if err != nil {
		return Plan{}, err
	}
	d := &drill{Options: o, name: Name(o.Project), dir: filepath.Join(known, "drill")}
	release, err := state.LockProject(ctx, d.name, o.Out)
	if err != nil {
		return Plan{}, err
	}
	defer release()
	if err := d.open(ctx); err != nil {
		return Plan{}, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(d.dir)) }()
	if err := os.RemoveAll(d.dir); err != nil {
		return Plan{}, err
	}
	if err := d.load(ctx); err != nil {
		return Plan{}, err
	}
	room, err := roomOf(d.Engine, d.project, d.manifest)
	if err != nil {
		return Plan{}, err
	}
	return d.plan(room, snapshots.ReadDrill(known)), nil
}

// plan is the drill as a plan.
func (d *drill) plan(room Room, last snapshots.Drill) Plan {
	p := Plan{
		Project: d.Project, Name: d.name, Snapshot: d.snapshot.ID, Time: d.snapshot.Time, Volumes: []PlannedVolume{},
		Dumps: []string{}, Services: []Service{}, Room: room, Notes: d.result.Notes, Last: last.Last,
		LastSeconds: last.Seconds, Limit: cmp.Or(d.Timeout, within).Seconds(), refused: room.refuse(),
	}
	for _, v := range d.manifest.Volumes {
		size := d.manifest.Sizes[v.Key]
		p.Volumes = append(p.Volumes, PlannedVolume{v.Key, size.Files, size.Bytes})
	}
	for _, dump := range d.manifest.Dumps {
		if restore.LoadCommand(dump.Recipe) != nil {
			p.Dumps = append(p.Dumps, dump.Service)
		}
	}
	for _, name := range d.project.ServiceNames() {
		s := d.project.Services[name]
		p.Services = append(p.Services, Service{name, s.Image, limitOf(s)})
	}
	for _, f := range d.manifest.Facts {
		p.Facts += len(f.Seen)
	}
	if test, _, ok := testOf(d.project); ok {
		p.Test = strings.Join(test.Command, " ") + " in " + test.Service
	}
	return p
}

// limitOf is a service's memory limit, in bytes; 0 for none.
func limitOf(s types.ServiceConfig) int64 {
	if s.Deploy != nil && s.Deploy.Resources.Limits != nil && s.Deploy.Resources.Limits.MemoryBytes > 0 {
		return int64(s.Deploy.Resources.Limits.MemoryBytes)
	}
	return int64(s.MemLimit)
}

// testOf is what a drill runs at the end: the project's own command for drills, else its smoke test.
func testOf(project *types.Project) (test extension.Smoke, own, ok bool) {
	if own := extension.BackupsOf(project).Drill; own != nil {
		return *own, true, true
	}
	test, ok = extension.SmokeTest(project)
	return test, false, ok
}

// Print writes the plan.
func (p Plan) Print(out *ui.Out) {
	var rows [][]string
	for _, v := range p.Volumes {
		rows = append(rows, []string{v.Key, strconv.FormatInt(v.Files, 10), ui.Bytes(v.Bytes)})
	}
	if len(rows) > 0 {
		ui.Table(out.Writer(), []string{"FETCHED", "FILES", "SIZE"}, rows)
	}
	rows = nil
	for _, s := range p.Services {
		limit, dump := "none", ""
		if s.Memory > 0 {
			limit = ui.Bytes(s.Memory)
		}
		if slices.Contains(p.Dumps, s.Name) {
			dump = "its dump"
		}
		rows = append(rows, []string{s.Name, shown(s.Image), limit, dump})
	}
	ui.Table(out.Writer(), []string{"STARTED", "IMAGE", "MEMORY LIMIT", "READS"}, rows)
	out.Info("memory: %s are reserved%s; disk: %s are needed%s", ui.Bytes(p.Room.Memory), free(p.Room.MemoryFree),
		ui.Bytes(p.Room.Disk), free(p.Room.DiskFree))
	out.Info("compared: %d facts; run at the end: %s", p.Facts, cmp.Or(p.Test, "nothing, for there is no smoke test"))
	for _, note := range p.Notes {
		out.Info("%s", note)
	}
	last := "no drill was good yet"
	if !p.Last.IsZero() {
		last = "the last good drill took " + ui.Seconds(seconds(p.LastSeconds)) + ", on " +
			p.Last.Local().Format(time.DateTime)
	}
	out.Info("%s; the services have %s to get ready", last, ui.Seconds(seconds(p.Limit)))
	if p.refused != nil {
		out.Warn("it would be refused: %v", p.refused)
	}
}

// shown is an image's name, or its ID as docker shows it.
func shown(image string) string {
	if id, ok := strings.CutPrefix(image, "sha256:"); ok {
		return fmt.Sprintf("%.12s", bounded.Line(id))
	}
	return bounded.Line(image)
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// free is how much there is, for a person.
func free(bytes int64) string {
	if bytes == 0 {
		return ""
	}
	return " of " + ui.Bytes(bytes) + " that are free"
}
