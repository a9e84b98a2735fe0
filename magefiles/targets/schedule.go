package targets

import (
	"context"
	"os"
	"strings"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/stack/schedule"
)

// Schedule lists what runs by itself, or has the machine run a job daily.
//
// Jobs follow it: schedule cleanup and schedule backup have the machine run that every day; schedule monitor and
// schedule heal keep monitor -serve and heal running. systemd does that or, where there is none, the crontab. It prints
// what it writes, and -remove takes all of it away. A run that fails or does not take place is a finding of status,
// monitor and check.
func Schedule(ctx context.Context,
	jobs *string, // comma-separated jobs: cleanup, backup, drill, monitor, heal
	at *string, // the time of day of a daily job; 03:30 by default, and 02:30 of backup
	remove *bool, // no longer run the jobs
	run *string, // run this job now, as the machine does
	json *bool, // print the list as JSON
	dryRun *bool, // -dry-run: only print what would be written
) error {
	o := schedule.Options{
		At: value(at, ""), Remove: value(remove, false), DryRun: value(dryRun, false), Target: calledAs("schedule"),
	}
	if run != nil {
		if jobs != nil || o.At != "" || o.Remove || o.DryRun {
			return fault.Exit(ctx, fault.New(fault.Usage, "go tool mage schedule -run="+fault.Quote(*run),
				"-run runs a job now: it goes with nothing that schedules one"))
		}
		return fault.Exit(ctx, schedule.Run(ctx, *run, o))
	}
	return fault.Exit(ctx, scheduled(ctx, jobs, o, value(json, false)))
}

func scheduled(ctx context.Context, jobs *string, o schedule.Options, asJSON bool) (err error) {
	if o.Jobs, err = names(jobs); err != nil {
		return err
	}
	if len(o.Jobs) > 0 {
		return schedule.Change(ctx, o)
	}
	if o.At != "" || o.Remove || o.DryRun {
		return fault.New(fault.Usage, "go tool mage schedule cleanup -dry-run",
			"-at, -remove and -dry-run are of jobs, and none is named")
	}
	report, err := schedule.List(ctx)
	if err != nil {
		return err
	}
	return show(report, asJSON)
}

// calledAs is the target's name on this command line, in whichever namespace the magefile has it.
func calledAs(target string) string {
	for _, word := range os.Args[1:] {
		if strings.EqualFold(word, target) || strings.HasSuffix(strings.ToLower(word), ":"+target) {
			return word
		}
	}
	return target
}
