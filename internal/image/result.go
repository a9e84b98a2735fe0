package image

import (
	"fmt"
	"io"
	"time"

	"github.com/25eloquence/compose-mage/internal/explain"
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
	Target   Target
	State    State
	ID       string // sha256:…, as the builder says it: of the configuration, or of the manifest where it was pushed
	Steps    int    // of its Dockerfile
	Cached   int    // how many of them the build cache had
	Built    int    // how many of them ran; of a failed image some did neither
	Loaded   int64  // bytes streamed to the engine; 0 where it had the image or built it itself
	Took     time.Duration
	Warnings []string // the build is right, but its cache was not read or written
	Err      error

	ran []explain.Step
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
			r.Target.title(), fmt.Sprintf("%d/%d", r.Cached, r.Steps), fmt.Sprint(r.Built), state, sent, ui.Seconds(r.Took),
		})
	}
	ui.Table(out.Writer(), []string{"IMAGE", "CACHED", "BUILT", "RESULT", "SENT", "TIME"}, rows)
	for _, r := range results {
		for _, w := range r.Warnings {
			out.Warn("%s: %s", r.Target.Service, w)
		}
	}
}

// title names the image, and how many services' it is where there are several.
func (t Target) title() string {
	if len(t.Services) < 2 {
		return t.Names[0]
	}
	return fmt.Sprintf("%s (%d services)", t.Names[0], len(t.Services))
}

// WriteJSON writes the results as one JSON object on a line: {"images":[{"service","services","image","id","state","steps","cached","built",
// "loadedBytes","seconds","warnings","error"}]}. services is there where the image is that of several.
func WriteJSON(w io.Writer, results []Result) error {
	type row struct {
		Service     string   `json:"service"`
		Services    []string `json:"services,omitempty"`
		Image       string   `json:"image"`
		ID          string   `json:"id,omitempty"`
		State       State    `json:"state"`
		Steps       int      `json:"steps"`
		Cached      int      `json:"cached"`
		Built       int      `json:"built"`
		LoadedBytes int64    `json:"loadedBytes"`
		Seconds     float64  `json:"seconds"`
		Warnings    []string `json:"warnings,omitempty"`
		Error       string   `json:"error,omitempty"`
	}
	rows := make([]row, 0, len(results))
	for _, r := range results {
		x := row{r.Target.Service, nil, r.Target.Names[0], r.ID, r.State, r.Steps, r.Cached, r.Built, r.Loaded, r.Took.Seconds(), r.Warnings, ""}
		if len(r.Target.Services) > 1 {
			x.Services = r.Target.Services
		}
		if r.Err != nil {
			x.Error = r.Err.Error()
		}
		rows = append(rows, x)
	}
	return ui.WriteJSON(w, map[string]any{"images": rows}, "")
}
