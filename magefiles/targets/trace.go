package targets

import (
	"context"
	"errors"
	"os"

	"github.com/25eloquence/compose-mage/internal/fault"
	timeline "github.com/25eloquence/compose-mage/internal/trace"
	"github.com/25eloquence/compose-mage/internal/ui"
	"github.com/25eloquence/compose-mage/stack/trace"
)

// errDependency stands for the error of a dependency, which Mage prints.
var errDependency = errors.New("a dependency failed")

// traced does it, and writes a trace of what was done to the file, also after a failure; a file of nil is none. Mage
// tells of a dependency's failure by a panic, which goes on.
func traced(ctx context.Context, file *string, command string, do func(context.Context) error) error {
	if file == nil {
		return do(ctx)
	}
	ctx, t, err := trace.Open(ctx, *file, command)
	if err != nil {
		return err
	}
	returned := false
	defer func() {
		if returned {
			return
		}
		if err := t.Close(errDependency); err != errDependency { //nolint:errorlint // it is joined where more is wrong
			ui.New(os.Stderr).Warn("%v", err)
		}
	}()
	err = do(ctx)
	returned = true
	return t.Close(err)
}

// isTraced says whether a trace is written of what is done under the context.
func isTraced(ctx context.Context) bool { return timeline.Of(ctx) != nil }

// refuseTrace refuses a trace of what is only printed.
func refuseTrace(command string, file *string, dryRun bool) error {
	if file == nil || !dryRun {
		return nil
	}
	return fault.New(fault.Usage, "go tool mage "+fault.Quote(command)+" -trace="+fault.Quote(*file),
		"-trace is for what is done, and -dry-run does nothing")
}
