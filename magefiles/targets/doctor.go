package targets

import (
	"context"
	"errors"
	"os"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/ui"
	"github.com/25eloquence/compose-mage/stack/doctor"
)

// Doctor says what is wrong, why, and what to do about it.
//
// It looks at the Compose files, the running services, the engine and this machine, all at once, and changes nothing.
// What can't be looked at is listed. docs/doctor.md says what each id means, and how a Compose file ignores one. With
// -fix it makes findings go: it shows the change of each, asks on a terminal, and looks again.
func Doctor(ctx context.Context,
	services *string, // comma-separated services and what they depend on; all by default
	failOn *string, // -fail-on: what the exit code tells of: error (by default), warning or never
	fix *bool, // show what makes findings go, ask, and do it; Compose files are changed as a diff says
	only *string, // with -fix: only the findings of these comma-separated ids
	yes *bool, // with -fix: without asking, what can't break a service, and what -only names
	markdown *bool, // print Markdown, for GitHub's summary of a job
	json *bool, // print JSON
	dryRun *bool, // -dry-run: with -fix, only show
) error {
	how := output{markdown: value(markdown, false), json: value(json, false)}
	if value(fix, false) {
		o := doctor.FixOptions{Yes: value(yes, false), DryRun: value(dryRun, false)}
		return fault.Exit(ctx, fixed(ctx, services, only, o, how, failOn != nil))
	}
	if only != nil || yes != nil || dryRun != nil {
		return fault.Exit(ctx, fault.New(fault.Usage, "go tool mage doctor -fix -dry-run",
			"-only, -yes and -dry-run go with -fix"))
	}
	return fault.Exit(ctx, examined(ctx, services, value(failOn, doctor.FailOnError), how))
}

// output is how a report is printed: for people, or as Markdown or JSON.
type output struct{ markdown, json bool }

func examined(ctx context.Context, services *string, failOn string, how output) error {
	if how.markdown && how.json {
		return fault.New(fault.Usage, "go tool mage doctor -json", "-json and -markdown are each alone")
	}
	if err := doctor.CheckFailOn(failOn); err != nil {
		return err
	}
	named, err := names(services)
	if err != nil {
		return err
	}
	collectLess()
	report, err := doctor.Examine(ctx, doctor.Options{Services: named})
	if err != nil {
		return err
	}
	if how.markdown {
		_, err = ui.Stdout().Writer().Write(report.Markdown())
	} else {
		err = show(report, how.json)
	}
	if err != nil {
		return err
	}
	return report.Err(failOn)
}

func fixed(ctx context.Context, services, only *string, o doctor.FixOptions, how output, failOn bool) (err error) {
	if how.markdown || failOn {
		return fault.New(fault.Usage, "go tool mage doctor -fix -dry-run", "-fail-on and -markdown go without -fix")
	}
	if how.json && !o.DryRun && !o.Yes {
		return fault.New(fault.Usage, "go tool mage doctor -fix -dry-run -json",
			"-json of -fix goes with -dry-run or -yes")
	}
	if o.Services, err = names(services); err != nil {
		return err
	}
	if o.Only, err = names(only); err != nil {
		return err
	}
	collectLess()
	if !how.json {
		_, err = doctor.Fix(ctx, o)
		return err
	}
	o.Output = os.Stderr
	report, err := doctor.Fix(ctx, o)
	if err != nil && len(report.Fixes) == 0 {
		return err
	}
	return errors.Join(writeJSON(os.Stdout, report), err)
}
