// Package schedule has a project's jobs run by themselves: a daily cleanup, a daily backup, by a systemd timer or,
// where there is no systemd, by a line of the crontab. It shows what it writes, takes it away again, and says what
// became of each run.
package schedule

import (
	"cmp"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/25eloquence/compose-mage/internal/bounded"
	"github.com/25eloquence/compose-mage/internal/compose"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/jobs"
	"github.com/25eloquence/compose-mage/internal/restic"
	"github.com/25eloquence/compose-mage/internal/shape"
	"github.com/25eloquence/compose-mage/internal/state"
	"github.com/25eloquence/compose-mage/internal/ui"
	"github.com/25eloquence/compose-mage/stack"
	"github.com/25eloquence/compose-mage/stack/backup"
	"github.com/25eloquence/compose-mage/stack/heal"
)

// Options are the choices of a schedule.
type Options struct {
	Jobs   []string // cleanup, backup, drill, monitor and heal
	At     string   // the time of day of a daily job, by the machine's clock, such as 03:30; "" is as before, or 03:30
	Remove bool     // the jobs are no longer scheduled
	DryRun bool     // only say what would be written
	// Target is the Mage target that has called, as the scheduled command will call it; "" is schedule.
	Target string
	Output io.Writer // os.Stdout where it is nil
}

func (o Options) out() *ui.Out {
	if o.Output == nil {
		o.Output = os.Stdout
	}
	return ui.New(o.Output)
}

// List says which jobs are scheduled, when each runs next, and how each ran last. It needs no engine.
func List(ctx context.Context) (Report, error) {
	model, err := load(ctx)
	if err != nil {
		return Report{}, fault.Exit(ctx, err)
	}
	machine, err := jobs.Look(ctx)
	if err != nil {
		return Report{}, fault.Exit(ctx, err)
	}
	found, err := jobs.List(ctx, machine, model.Project.Name, model.Project.WorkingDir, time.Now())
	if err != nil {
		return Report{}, fault.Exit(ctx, err)
	}
	out, err := shape.Into[Report](found)
	out.found = found
	return out, fault.Exit(ctx, err)
}

// load reads the project of the working directory, whatever the engine does.
func load(ctx context.Context) (*compose.Model, error) {
	return compose.Load(ctx, compose.Request{NoEnvFiles: true})
}

// Change has the machine run the jobs, or no longer. It prints what it writes and runs, whole, before it does.
func Change(ctx context.Context, o Options) error { return fault.Exit(ctx, change(ctx, o)) }

func change(ctx context.Context, o Options) error {
	all, err := chosen(o)
	if err != nil {
		return err
	}
	machine, err := jobs.Look(ctx)
	if err != nil {
		return err
	}
	if !o.DryRun { // two runs that change one crontab at the same time would lose a line
		release, err := lock(ctx, o.out())
		if err != nil {
			return err
		}
		defer release()
	}
	for _, j := range all {
		plans, err := plan(ctx, machine, j, o)
		if err != nil {
			return err
		}
		for _, plan := range plans {
			plan.Print(o.out())
			if o.DryRun {
				continue
			}
			if err := plan.Execute(ctx, o.out()); err != nil {
				return err
			}
		}
	}
	return nil
}

func lock(ctx context.Context, out *ui.Out) (func(), error) {
	dir, err := state.Dir()
	if err != nil {
		return nil, err
	}
	dir = filepath.Join(dir, "schedule")
	if err := state.MakeDir(dir); err != nil {
		return nil, err
	}
	return state.Lock(ctx, dir, "schedule", out)
}

// chosen gives the jobs that the options name.
func chosen(o Options) ([]jobs.Job, error) {
	var all []jobs.Job
	for _, name := range o.Jobs {
		j, err := jobs.Find(name)
		if err != nil {
			return nil, err
		}
		if o.At != "" && j.Always() {
			return nil, fault.New(fault.Usage, "go tool mage schedule "+j.Name, "%s always runs: it has no -at", j.Name)
		}
		all = append(all, j)
	}
	if o.At != "" {
		return all, jobs.CheckTime(o.At)
	}
	return all, nil
}

// plan makes the plans of a job: one, or where the project can't be read those that take away what was scheduled from
// this directory.
func plan(ctx context.Context, m jobs.Machine, j jobs.Job, o Options) ([]jobs.Plan, error) {
	dir, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	model, err := load(ctx)
	var places []jobs.Place
	if err != nil {
		if places = jobs.ScheduledFrom(j, dir); !o.Remove || len(places) == 0 {
			return nil, err
		}
	} else {
		place, err := jobs.PlaceOf(j, model.Project.Name, model.Project.WorkingDir)
		if err != nil {
			return nil, err
		}
		places = []jobs.Place{place}
	}
	var plans []jobs.Plan
	for _, place := range places {
		var plan jobs.Plan
		if o.Remove {
			plan, err = jobs.PlanRemove(ctx, m, place)
		} else {
			plan, err = add(ctx, m, place, jobs.Command{
				Dir: dir, Environment: jobs.Carry(os.Environ(), slices.Concat(variables(model.Files), ofJob(j))),
			}, o)
		}
		if err != nil {
			return nil, err
		}
		plans = append(plans, plan)
	}
	return plans, nil
}

// add plans that the machine runs the command, which has all but its words yet.
func add(ctx context.Context, m jobs.Machine, place jobs.Place, c jobs.Command, o Options) (jobs.Plan, error) {
	at := place.Job.At
	if is, ok := place.Installed(); ok {
		at = is.At
	}
	at = cmp.Or(o.At, at)
	if m.By == "" {
		return jobs.Plan{}, jobs.Unsupported(place, at, c.Dir)
	}
	var err error
	if c.Words, err = program(); err != nil {
		return jobs.Plan{}, err
	}
	c.Words = append(c.Words, cmp.Or(o.Target, "schedule"), "-run="+place.Job.Name)
	return jobs.PlanAdd(ctx, m, place, at, c)
}

// kept is the name of a program that Mage has compiled and keeps: a hash. It goes when the targets change.
var kept = regexp.MustCompile(`^[0-9a-f]{40}(\.exe)?$`)

// program is what runs these targets at any time: go tool mage, which compiles them again where they have changed, or
// the program that somebody compiled for good.
func program() ([]string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	if !kept.MatchString(filepath.Base(self)) {
		return []string{self}, nil
	}
	command, err := exec.LookPath("go")
	if err != nil {
		return nil, fault.New(fault.Config, "export PATH=$PATH:/usr/local/go/bin, then the same command again",
			"go, by which the job would be run, is not in PATH: %w", err)
	}
	if command, err = filepath.Abs(command); err != nil {
		return nil, err
	}
	return []string{command, "tool", "mage"}, nil
}

var variable = regexp.MustCompile(`\$\{?([A-Za-z_][A-Za-z0-9_]*)`)

// variables are the names of those that the Compose files may put values of. A file that can't be read as text, as one
// from a registry, is not looked into.
func variables(files []string) []string {
	var out []string
	for _, file := range files {
		text, err := bounded.ReadFile(file)
		if err != nil {
			continue
		}
		for _, m := range variable.FindAllSubmatch(text, -1) {
			out = append(out, string(m[1]))
		}
	}
	return out
}

// ofJob are the names of variables that a job reads beside.
func ofJob(j jobs.Job) (out []string) {
	if j.Name != "backup" && j.Name != "drill" {
		return nil
	}
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		if restic.OfTarget(name) || name == restic.Variable || strings.HasPrefix(name, "BACKUP_") {
			out = append(out, name)
		}
	}
	return out
}

// Run runs a job now, as the machine does when it is due: its output goes into the job's log, and on to Options.Output
// where a person has called. A run that is at work already is left alone, which is no error.
func Run(ctx context.Context, job string, o Options) error { return fault.Exit(ctx, run(ctx, job, o)) }

func run(ctx context.Context, name string, o Options) error {
	j, err := jobs.Find(name)
	if err != nil {
		return err
	}
	if jobs.Trying() {
		return try(ctx, j, o)
	}
	place, scripted := jobs.PlaceOfScript(j)
	if !scripted {
		model, err := load(ctx)
		if err != nil {
			return err
		}
		if place, err = jobs.PlaceOf(j, model.Project.Name, model.Project.WorkingDir); err != nil {
			return err
		}
	}
	var shown io.Writer
	if !jobs.OfScript() {
		shown = o.out().Writer()
	}
	ran, err := place.Do(ctx, shown, func(ctx context.Context, out io.Writer) error {
		return work(ctx, j, out)
	})
	if !ran && err == nil {
		o.out().Info("a run of it is at work already: nothing was done")
	}
	return err
}

// work does what the job is.
func work(ctx context.Context, j jobs.Job, out io.Writer) error {
	switch j.Name {
	case "backup":
		_, err := backup.Make(ctx, backup.Options{Output: out})
		return err
	case "drill":
		_, err := backup.Drill(ctx, backup.DrillOptions{Output: out, Every: 6 * 24 * time.Hour})
		return err
	}
	if j.Name == "heal" {
		return heal.Run(ctx, heal.Options{Output: out})
	}
	s, err := stack.Open(ctx, stack.Options{Output: out, Errors: out})
	if err != nil {
		return err
	}
	if j.Name == "monitor" {
		return s.Serve(ctx, stack.ServeOptions{})
	}
	_, err = s.Cleanup(ctx, stack.CleanupOptions{})
	return err
}

// try reaches for all that a job needs: the engine, the Compose files, the state directory.
func try(ctx context.Context, j jobs.Job, o Options) error {
	if j.Name == "backup" || j.Name == "drill" {
		_, err := backup.Prepare(ctx, backup.Options{Output: o.Output})
		return err
	}
	if j.Name == "heal" {
		return heal.Check(ctx, heal.Options{Output: o.Output})
	}
	s, err := stack.Open(ctx, stack.Options{Output: o.Output})
	if err != nil {
		return err
	}
	_, err = s.Cleanup(ctx, stack.CleanupOptions{DryRun: true})
	return err
}
