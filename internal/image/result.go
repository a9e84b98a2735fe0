package image

import (
	"errors"
	"fmt"
	"time"

	"github.com/25eloquence/compose-mage/internal/buildinputs"
	"github.com/25eloquence/compose-mage/internal/buildplan"
	"github.com/25eloquence/compose-mage/internal/solve"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// State says what became of an image.
type State string

// The states that a build ends in.
const (
	Unchanged State = "unchanged" // the engine had it
	Loaded    State = "loaded"    // the engine has it now
	Pushed    State = "pushed"    // its registry has it now
	Failed    State = "failed"
)

// Result is what became of one image.
type Result struct {
	Target   buildplan.Target
	State    State
	ID       string // sha256:…, as the builder says it: of the configuration, or of the manifest where it was pushed
	Steps    int    // of its Dockerfile
	Cached   int    // how many of them the build cache had
	Built    int    // how many of them ran; of a failed image some did neither
	Loaded   int64  // bytes streamed to the engine; 0 where it had the image or built it itself
	Took     time.Duration
	Warnings []string // the build is right, but its cache was not read or written
	Err      error
}

// setSteps notes what became of the Dockerfile's steps, and gives those that BuildKit told of.
func (r *Result) setSteps(rec *solve.Recorder) []buildinputs.Step {
	steps := rec.Steps()
	r.Steps, r.Cached, r.Built = steps.Total, steps.Cached, steps.Built
	return steps.Ran
}

// printResults writes the summary table.
func printResults(out *ui.Out, results []Result) {
	if len(results) == 0 {
		return
	}
	rows := make([][]string, 0, len(results))
	for _, r := range results {
		state := ui.Green(string(r.State))
		if r.State == Failed {
			state = ui.Red(string(r.State))
		}
		sent := "-"
		if r.Loaded > 0 {
			sent = ui.Bytes(r.Loaded)
		}
		rows = append(rows, []string{
			r.Target.Title(), fmt.Sprintf("%d/%d", r.Cached, r.Steps), fmt.Sprint(r.Built), state, sent,
			ui.Seconds(r.Took),
		})
	}
	ui.Table(out.Writer(), []string{"IMAGE", "CACHED", "BUILT", "RESULT", "SENT", "TIME"}, rows)
	for _, r := range results {
		for _, w := range r.Warnings {
			out.Warn("%s: %s", r.Target.Service, w)
		}
	}
}

// failures joins what failed; the exit code is the first failure's. Images that only stopped since another failed are
// counted, not listed.
func failures(results []Result) error {
	var failed []error
	stopped := 0
	for _, r := range results {
		switch {
		case errors.Is(r.Err, errFailFast):
			stopped++
		case r.Err != nil:
			failed = append(failed, r.Err)
		}
	}
	if stopped > 0 {
		failed = append(failed, fmt.Errorf("%d images were not finished: %w", stopped, errFailFast))
	}
	return errors.Join(failed...)
}
