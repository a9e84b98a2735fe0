// Package jobs owns what the targets do by themselves: which jobs there are, how a machine is told to run one (a
// systemd timer, else a line of the crontab), the record and the log of each run, and what is wrong where one failed or
// did not take place. What a job does is its caller's.
package jobs

import (
	"crypto/sha256"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/state"
)

// Job is something that can be run by itself.
type Job struct {
	Name    string
	Does    string // what it does, after its name
	Command string // that does the same by hand
	At      string // the time of day when it runs, by the machine's clock; "" for one that always runs
}

// All are the jobs that there are. Each must be safe where nobody looks on: it asks nothing, and removes no data.
var All = []Job{
	{
		Name: "cleanup", Does: "removes what is the project's and no longer used", At: "03:30",
		Command: "go tool mage cleanup",
	},
	{
		Name: "backup", Does: "saves the volumes with data, and forgets old snapshots", At: "02:30",
		Command: "go tool mage backup",
	},
	{
		Name: "drill", Does: "proves once a week that the newest backup restores", At: "04:30",
		Command: "go tool mage backup -drill",
	},
	{Name: "monitor", Does: "always runs: history, alerts, page and metrics", Command: "go tool mage monitor -serve"},
	{
		Name: "heal", Does: "always runs: restarts unhealthy services that ask for it", Command: "go tool mage heal",
	},
}

// Names are those of all jobs.
func Names() []string {
	var out []string
	for _, j := range All {
		out = append(out, j.Name)
	}
	return out
}

// Find gives the job of a name, and an error with the nearest name where there is none.
func Find(name string) (Job, error) {
	if i := slices.IndexFunc(All, func(j Job) bool { return j.Name == name }); i >= 0 {
		return All[i], nil
	}
	return Job{}, fault.New(fault.Usage, "go tool mage schedule, which lists them", "no job %q%s", name,
		fault.DidYouMean(name, Names()))
}

// Always says that the job runs all the time, and not once a day.
func (j Job) Always() bool { return j.At == "" }

// Place is one job of one project: two checkouts of a project are two places.
type Place struct {
	Job     Job
	Project string
	Folder  string // of the project: which checkout it is
	Dir     string // where its records, its script and its log are
}

// PlaceOf gives the place of a project's job, in the state directory.
func PlaceOf(j Job, project, folder string) (Place, error) {
	dir, err := placesDir(project)
	if err != nil {
		return Place{}, err
	}
	if real, err := filepath.EvalSymlinks(folder); err == nil { // a link to the folder is the same checkout
		folder = real
	}
	p := Place{Job: j, Project: project, Folder: folder}
	p.Dir = filepath.Join(dir, j.Name+"-"+p.hash())
	return p, nil
}

func placesDir(project string) (string, error) {
	dir, err := state.Dir()
	if err != nil {
		return "", fmt.Errorf("finding the scheduled jobs of %q: %w", project, err)
	}
	return filepath.Join(dir, "projects", project, "schedule"), nil
}

// hash tells the checkouts of a project apart, in names of files and units.
func (p Place) hash() string { return fmt.Sprintf("%.4x", sha256.Sum256([]byte(p.Folder))) }

// unit is the name of the job's systemd units, without their type.
func (p Place) unit() string { return "compose-mage-" + p.Project + "-" + p.hash() + "-" + p.Job.Name }

// title names the job in units, scripts and messages.
func (p Place) title() string {
	if p.Job.Always() {
		return p.Job.Name + " of " + p.Project
	}
	return "daily " + p.Job.Name + " of " + p.Project
}

func (p Place) script() string { return filepath.Join(p.Dir, "run.sh") }

// LogFile is where the job's output goes.
func (p Place) LogFile() string { return filepath.Join(p.Dir, "log") }

// outputFile has what was printed round the last run: by go, where the targets did not compile.
func (p Place) outputFile() string { return filepath.Join(p.Dir, "output") }

// clock is a time of day.
const clock = "15:04"

// CheckTime refuses what is no time of day.
func CheckTime(at string) error {
	if _, err := time.Parse(clock, at); err != nil || len(at) != len(clock) {
		return fault.New(fault.Usage, "go tool mage schedule cleanup -at=03:30",
			"-at=%s is no time of day, such as 03:30", at)
	}
	return nil
}

// due is the last time at or before now when a daily job was to run; at is a time of day that CheckTime has passed.
func due(at string, now time.Time) time.Time {
	t, _ := time.Parse(clock, at)
	on := time.Date(now.Year(), now.Month(), now.Day(), t.Hour(), t.Minute(), 0, 0, now.Location())
	if on.After(now) {
		on = time.Date(now.Year(), now.Month(), now.Day()-1, t.Hour(), t.Minute(), 0, 0, now.Location())
	}
	return on
}

// next is the first time after now when a daily job is to run.
func next(at string, now time.Time) time.Time {
	d := due(at, now)
	t, _ := time.Parse(clock, at)
	return time.Date(d.Year(), d.Month(), d.Day()+1, t.Hour(), t.Minute(), 0, 0, now.Location())
}
