package targets

import (
	"context"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/ui"
	"github.com/25eloquence/compose-mage/stack/doctor"
)

// Doctor says what is wrong, why, and what to do about it.
//
// It looks at the Compose files, the running services, the engine and this machine, all at once, and changes nothing.
// What can't be looked at is listed. docs/doctor.md says what each id means, and how a Compose file ignores one.
func Doctor(ctx context.Context,
	services *string, // comma-separated services and what they depend on; all by default
	failOn *string, // -fail-on: what the exit code tells of: error (by default), warning or never
	markdown *bool, // print Markdown, for GitHub's summary of a job
	json *bool, // print JSON
) error {
	return fault.Exit(ctx, examined(ctx, services, value(failOn, doctor.FailOnError), value(markdown, false),
		value(json, false)))
}

func examined(ctx context.Context, services *string, failOn string, asMarkdown, asJSON bool) error {
	if asMarkdown && asJSON {
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
	if asMarkdown {
		_, err = ui.Stdout().Writer().Write(report.Markdown())
	} else {
		err = show(report, asJSON)
	}
	if err != nil {
		return err
	}
	return report.Err(failOn)
}
