package jobs

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/25eloquence/compose-mage/internal/bounded"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/state"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// Plan is what is written and run so that the machine runs a job, or no longer does.
type Plan struct {
	Place  Place
	Remove bool
	By     string
	At     string // "" for a job that always runs
	Notes  []string

	dir      string // in which the script works
	script   string
	units    map[string]string // by path; of a removal those that are there
	commands [][]string        // of systemd, after the units
	cron     bool              // the crontab changes
	asleep   string            // how cron is got to work, where no cron daemon is; else ""
	same     bool              // all of it is so already
}

// PlanAdd is the plan that makes the machine run the job; nothing of the place's own directory is written yet.
func PlanAdd(ctx context.Context, m Machine, p Place, at string, c Command) (Plan, error) {
	plan := Plan{Place: p, By: m.By, At: at, dir: c.Dir, script: p.Script(c)}
	if strings.ContainsFunc(p.Dir, func(r rune) bool { return r < ' ' || r == '\\' }) {
		return plan, fault.New(fault.Config, "another directory in "+state.Variable,
			"the state directory %q has a character that neither cron nor systemd takes", p.Dir)
	}
	switch m.By {
	case ByCron:
		old, err := crontab(ctx)
		if err != nil {
			return plan, err
		}
		plan.cron = p.withLines(old, at, false) != old
		if !m.CronRun {
			plan.asleep = m.CronStart
			plan.Notes = append(plan.Notes,
				"nothing runs the lines of a crontab here, before a cron daemon is at work: "+m.CronStart)
		}
	case BySystem, ByUser:
		plan.units = map[string]string{}
		for name, text := range p.units(m.By, at) {
			plan.units[filepath.Join(m.UnitDir, name)] = text
		}
		plan.commands = [][]string{
			systemctl(m.By, "daemon-reload"), systemctl(m.By, "enable", "--now", p.started()),
		}
		if !m.Lingers && m.By == ByUser {
			plan.Notes = append(plan.Notes,
				"it runs only while you are logged in; loginctl enable-linger lets it run always")
		}
	}
	plan.same = plan.isSame()
	return plan, nil
}

// started is the unit that is enabled: the timer of a daily job.
func (p Place) started() string {
	if p.Job.Always() {
		return p.unit() + ".service"
	}
	return p.unit() + ".timer"
}

func systemctl(by string, args ...string) []string {
	if by == ByUser {
		args = append([]string{"--user"}, args...)
	}
	return append([]string{"systemctl"}, args...)
}

// isSame says whether all that the plan would write is there.
func (p Plan) isSame() bool {
	is, ok := p.Place.Installed()
	if !ok || is.By != p.By || is.At != p.At || p.cron {
		return false
	}
	for path, text := range p.units {
		if there, err := state.ReadFile(path); err != nil || string(there) != text {
			return false
		}
	}
	there, err := state.ReadFile(p.Place.script())
	return err == nil && string(there) == p.script
}

// PlanRemove is the plan after which the machine no longer runs the job, whoever runs it now.
func PlanRemove(ctx context.Context, m Machine, p Place) (Plan, error) {
	plan := Plan{Place: p, Remove: true, By: m.By, units: map[string]string{}}
	is, scheduled := p.Installed()
	if scheduled {
		plan.By = is.By
	}
	for name := range p.units(BySystem, "00:00") {
		path := filepath.Join(m.UnitDir, name)
		if _, err := os.Lstat(path); m.UnitDir != "" && err == nil {
			plan.units[path] = ""
		}
	}
	if len(plan.units) > 0 {
		plan.commands = [][]string{
			systemctl(m.By, "disable", "--now", p.started()), systemctl(m.By, "daemon-reload"),
		}
	}
	if _, err := exec.LookPath("crontab"); err == nil {
		old, err := crontab(ctx)
		if err != nil {
			return plan, err
		}
		plan.cron = p.withLines(old, "", true) != old
	}
	_, err := os.Lstat(p.Dir)
	plan.same = !plan.cron && len(plan.units) == 0 && errors.Is(err, fs.ErrNotExist)
	return plan, nil
}

// Print writes what is written, removed and run, whole.
func (p Plan) Print(out *ui.Out) {
	where := " in " + p.Place.Folder
	switch {
	case p.Remove && p.same:
		out.Info("the %s%s is not scheduled", p.Place.title(), where)
		return
	case p.same:
		out.Info("the %s%s is scheduled so already, by %s", p.Place.title(), where, p.By)
		return
	case p.Remove:
		out.Title("the %s%s is taken away", p.Place.title(), where)
	default:
		out.Title("the %s%s, by %s", p.Place.title(), where, p.By)
		p.printFile(out, p.Place.script(), p.script)
	}
	for _, path := range slices.Sorted(maps.Keys(p.units)) {
		if p.Remove {
			out.Info("removes %s", path)
			continue
		}
		p.printFile(out, path, p.units[path])
	}
	switch {
	case p.cron && p.Remove:
		out.Info("takes its line out of the crontab; the others stay")
	case p.cron:
		out.Info("adds to the crontab:")
		for line := range strings.Lines(p.Place.cronLines(p.At)) {
			out.Info("    %s", strings.TrimSuffix(line, "\n"))
		}
	}
	if p.Remove {
		out.Info("removes %s, with its log", p.Place.Dir)
	}
	for _, argv := range p.commands {
		out.Info("runs %s", fault.Quote(argv...))
	}
	for _, note := range p.Notes {
		out.Warn("%s", note)
	}
}

func (p Plan) printFile(out *ui.Out, path, text string) {
	out.Info("writes %s:", path)
	for line := range strings.Lines(text) {
		out.Info("    %s", fault.Redact(shown(strings.TrimSuffix(line, "\n"))))
	}
}

// Execute carries the plan out. What fails half-way is undone.
func (p Plan) Execute(ctx context.Context, out *ui.Out) error {
	if p.same {
		return nil
	}
	if p.Remove {
		if err := p.remove(ctx, out); err != nil {
			return err
		}
		out.Done("the %s is no longer scheduled", p.Place.title())
		return nil
	}
	_, before := p.Place.Installed()
	err := p.add(ctx, out)
	if err != nil && !before {
		undo := Plan{Place: p.Place, Remove: true, units: p.units, cron: p.cron}
		if len(p.units) > 0 {
			undo.commands = [][]string{systemctl(p.By, "disable", "--now", p.Place.started())}
		}
		_ = undo.remove(context.WithoutCancel(ctx), out)
	}
	return err
}

func (p Plan) add(ctx context.Context, out *ui.Out) error {
	if err := out.Step(ctx, "tried with nothing but that environment", p.try); err != nil {
		return err
	}
	if err := state.Keep(p.Place.script(), []byte(p.script)); err != nil {
		return err
	}
	for _, path := range slices.Sorted(maps.Keys(p.units)) {
		if err := state.MakeDir(filepath.Dir(path)); err != nil {
			return err
		}
		if err := state.WriteFile(path, []byte(p.units[path]), 0o644); err != nil {
			return err
		}
	}
	if err := p.writeCrontab(ctx); err != nil {
		return err
	}
	for _, argv := range p.commands {
		if _, err := command(ctx, "", argv...); err != nil {
			return err
		}
	}
	is := Installed{
		Job: p.Place.Job.Name, Project: p.Place.Project, Folder: p.Place.Folder, Dir: p.dir, At: p.At, By: p.By,
		Since: time.Now().Truncate(time.Second),
	}
	if err := keep(p.Place.installedFile(), is); err != nil {
		return err
	}
	p.sayAdded(out)
	return nil
}

// sayAdded says when the job runs.
func (p Plan) sayAdded(out *ui.Out) {
	switch {
	case p.asleep != "":
		out.Warn("the %s is in the crontab and does not run: no cron daemon is at work here", p.Place.title())
		out.Info("  next: %s", p.asleep)
	case p.Place.Job.Always() && p.By == ByCron:
		out.Done("the %s is started by cron, within five minutes, and so again whenever it has ended", p.Place.title())
	case p.Place.Job.Always():
		out.Done("the %s is started, and started again, by %s", p.Place.title(), p.By)
	default:
		out.Done("the %s runs next at %s", p.Place.title(), day(next(p.At, time.Now())))
	}
}

// try runs the script as cron would, for what it would need and no more: a job that can't do its work is not
// scheduled.
func (p Plan) try(ctx context.Context, _ func(string)) error {
	is := Installed{Job: p.Place.Job.Name, Project: p.Place.Project, Folder: p.Place.Folder}
	if _, scheduled := p.Place.Installed(); !scheduled { // the run asks which place it is of
		if err := keep(p.Place.installedFile(), is); err != nil {
			return err
		}
		defer func() { _ = os.Remove(p.Place.installedFile()) }()
	}
	script := p.Place.script() + ".try"
	if err := state.Keep(script, []byte(p.script)); err != nil {
		return err
	}
	defer func() { _ = os.Remove(script) }()
	run := exec.CommandContext(ctx, "/bin/sh", script)
	run.Env = []string{"PATH=/usr/bin:/bin", "SHELL=/bin/sh", tryVariable + "=1"}
	run.Dir = "/"
	err := run.Run()
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	f := fault.New(fault.Failed, "make that work, then the same command again",
		"the job does not run as it would be run by itself: %w; nothing was scheduled", err)
	if text, err := state.ReadFile(p.Place.outputFile()); err == nil {
		tail := bounded.Tail{Bytes: bounded.MaxLine}
		_, _ = tail.Write(text)
		f = f.WithDetail(strings.TrimSpace(tail.String()))
	}
	return f
}

// writeCrontab puts the lines in, or takes them out, of the crontab as it is now.
func (p Plan) writeCrontab(ctx context.Context) error {
	if !p.cron {
		return nil
	}
	old, err := crontab(ctx)
	if err != nil {
		return err
	}
	text := p.Place.withLines(old, p.At, p.Remove)
	if text == old {
		return nil
	}
	_, err = command(ctx, text, "crontab", "-")
	return err
}

// remove takes away what there is, and waits for a run that is at work.
func (p Plan) remove(ctx context.Context, out *ui.Out) error {
	if err := p.writeCrontab(ctx); err != nil {
		return err
	}
	for i, argv := range p.commands {
		if i == len(p.commands)-1 { // systemd reads its units anew when they are gone
			if err := p.removeUnits(); err != nil {
				return err
			}
		}
		if _, err := command(ctx, "", argv...); err != nil {
			return err
		}
	}
	if err := p.removeUnits(); err != nil {
		return err
	}
	if p.Place.Job.Always() {
		p.Place.interrupt()
	}
	if isDir(p.Place.Dir) {
		release, err := state.Lock(ctx, p.Place.Dir, "run of the "+p.Place.title(), out)
		if err != nil {
			return err
		}
		defer release()
	}
	return os.RemoveAll(p.Place.Dir)
}

func (p Plan) removeUnits() error {
	for path := range p.units {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
