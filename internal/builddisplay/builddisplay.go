// Package builddisplay owns how running builds are shown: BuildKit's own displays, fed with nothing that a terminal
// would obey and with no more of a step's output than a person can read. It builds nothing.
package builddisplay

import (
	"context"
	"io"
	"slices"
	"strings"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/util/progress/progressui"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// Importing is how BuildKit names the step that reads a build cache.
const Importing = "] importing cache manifest"

// Display shows the progress of several solves as one: BuildKit's own display, redrawn on a terminal, plain lines
// elsewhere.
type Display struct {
	ch    chan *client.SolveStatus
	done  chan struct{}
	brief bool // only what ran is shown: the lines of an unchanged build would hide the one step that was not
	raw   bool // nobody but a program reads it
}

// Check says whether there is a display of that name; the error is of code Usage.
func Check(mode string) error {
	if _, err := progressui.NewDisplay(io.Discard, progressui.DisplayMode(mode)); err != nil &&
		mode != string(progressui.TtyMode) {
		return fault.New(fault.Usage, "go tool mage build -progress=plain",
			"-progress=%s: it is auto, plain, tty, quiet or rawjson", mode)
	}
	return nil
}

// New starts showing on w. mode is auto (the terminal's display, brief plain lines elsewhere), plain, tty, quiet or
// rawjson.
func New(w io.Writer, mode string, terminal bool) (*Display, error) {
	brief, raw := mode == "auto" && !terminal, mode == string(progressui.RawJSONMode)
	switch {
	case brief:
		mode = "plain"
	case raw:
		w = ui.JSON(w)
	}
	shown, err := progressui.NewDisplay(w, progressui.DisplayMode(mode), progressui.WithPhase("building"))
	if err != nil {
		return nil, fault.New(fault.Usage, "go tool mage build -progress=plain", "showing progress: %w", err)
	}
	d := &Display{ch: make(chan *client.SolveStatus), done: make(chan struct{}), brief: brief, raw: raw}
	go func() {
		defer close(d.done)
		// The display outlives a cancelled build, so that its last lines are shown.
		_, _ = shown.UpdateFrom(context.Background(), d.ch)
	}()
	return d, nil
}

// Source makes what one solve says fit to be shown.
type Source struct {
	display *Display
	clean   cleaner
}

// Source gives the source for one solve; of no display it is nil, which shows nothing.
func (d *Display) Source() *Source {
	if d == nil {
		return nil
	}
	return &Source{display: d, clean: cleaner{}}
}

// Show passes a status on, and keeps it. Calls come one after another.
func (s *Source) Show(status *client.SolveStatus) {
	if s == nil {
		return
	}
	if s.display.brief {
		status.Vertexes = slices.DeleteFunc(status.Vertexes, func(v *client.Vertex) bool {
			return v.Error == "" &&
				(v.Cached || strings.Contains(v.Name, " internal] ") || strings.Contains(v.Name, Importing))
		})
	}
	if !s.display.raw {
		s.clean.status(status)
	}
	s.display.ch <- status
}

// Close ends the display after what was sent has been shown.
func (d *Display) Close() {
	close(d.ch)
	<-d.done
}
