// Package measured gives the memory limits and runtime settings that follow from what a project's services were seen to
// need while a watcher recorded them.
package measured

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/25eloquence/compose-mage/internal/compose"
	"github.com/25eloquence/compose-mage/internal/confined"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/fit"
	"github.com/25eloquence/compose-mage/internal/history"
	"github.com/25eloquence/compose-mage/internal/record"
	"github.com/25eloquence/compose-mage/internal/shape"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// Least is how much history a service needs, unless Options say otherwise.
const Least = time.Hour

// Options are the choices of a look at what was measured.
type Options struct {
	Files    []string      // Compose files, as -f of docker compose takes them; found where none is named
	Services []string      // only these; empty is all
	Least    time.Duration // how much history a service needs; 0 is Least
	Write    string        // the file that is made, below the working directory; "" writes none
}

// Report is what was measured, and what follows from that; its JSON is in docs/json.md.
type Report struct {
	Project  string    `json:"project"`
	Services []Service `json:"services"`          // by name
	Overlay  string    `json:"overlay"`           // the changes as a Compose file; "" where there are none
	Written  string    `json:"written,omitempty"` // the file that was made
	Use      string    `json:"use,omitempty"`     // the command line that takes it
	Notes    []string  `json:"notes,omitempty"`   // of parts of the history that could not be read
}

// Need is what a service was seen to use, in bytes.
type Need struct {
	Recorded float64 `json:"recorded_seconds"` // while its memory was looked at
	// P99 and Most are of the memory that nobody else can have; 0 where that is not known.
	P99  int64 `json:"unreclaimable_p99_bytes"`
	Most int64 `json:"unreclaimable_most_bytes"`
	Rest int64 `json:"unreclaimable_rest_bytes"` // the median of five minutes' least: what stays when garbage is gone
	// WorkingP99 and WorkingMost are of the working set: with the file cache that is in use.
	WorkingP99  int64 `json:"working_set_p99_bytes"`
	WorkingMost int64 `json:"working_set_most_bytes"`
	Kills       int   `json:"oom_kills"`  // for want of memory
	Started     bool  `json:"start_seen"` // of a container of it: what it needs then is in the figures
}

// Service is what a service was seen to need, and what follows from that.
type Service struct {
	Service string   `json:"service"`
	Need    Need     `json:"need"`
	Changes []Change `json:"changes"`
	Notes   []string `json:"notes,omitempty"` // why something stays as it is
}

// Change is one value of a service that fitting to the machine changed.
type Change struct {
	Service string `json:"service"`
	// as the Compose file spells it: mem_limit, deploy.resources.limits.memory, environment.GOMAXPROCS
	Key string `json:"key"`
	Old string `json:"old"` // "" where the file sets none
	New string `json:"new"`
	Why string `json:"why,omitempty"` // of a clamp; "" for a runtime's setting
}

// Fit says which limits and settings follow from the history of the project, and writes them where that is asked for.
// That there is not enough history of any service is an error, which says how it is got.
func Fit(ctx context.Context, o Options) (Report, error) {
	report, err := measure(ctx, o)
	return report, fault.Exit(ctx, err)
}

func measure(ctx context.Context, o Options) (Report, error) {
	o.Least = cmp.Or(o.Least, Least)
	e, err := engine.Connect(ctx)
	if err != nil {
		return Report{}, err
	}
	model, err := compose.Load(ctx, compose.Request{
		Files: o.Files, Services: o.Services, Machine: e.Machine(), CLI: e.CLI, NoEnvFiles: true,
	})
	if err != nil {
		return Report{}, err
	}
	out := Report{Project: model.Project.Name, Services: []Service{}}
	dir, err := history.Dir(out.Project)
	if err != nil {
		return out, err
	}
	store, err := history.ReadOnly(dir)
	if err != nil {
		return out, err
	}
	now := time.Now()
	needs, err := record.Needs(store, now.Add(-history.Kept), now)
	if err != nil {
		return out, err
	}
	out.Notes = store.Notes()
	enough, changes, all := false, 0, []fit.Measured{}
	for _, name := range model.Project.ServiceNames() {
		m := fit.Measure(model.Project.Services[name], needs[name], o.Least)
		enough = enough || m.Need.Recorded >= o.Least.Seconds()
		changes += len(m.Changes)
		all = append(all, m)
	}
	if out.Services, err = shape.Into[[]Service](all); err != nil {
		return out, err
	}
	if !enough {
		return out, fault.New(fault.Failed, "go tool mage monitor -serve, for "+fault.Quote(o.Least.String())+
			" under the usual load and over a restart of the services; then the same command again",
			"the history of %q has not %s of any service", out.Project, o.Least)
	}
	if changes > 0 {
		out.overlay(all, model.Files, o.Write, now)
	}
	return out, out.write(o.Write)
}

// overlay makes the file's text, and the command line that takes it.
func (r *Report) overlay(all []fit.Measured, files []string, path string, now time.Time) {
	path = cmp.Or(path, "compose/measured.yaml")
	var words []string
	here, _ := os.Getwd()
	for _, file := range append(files, path) {
		if rel, err := filepath.Rel(here, file); err == nil && filepath.IsLocal(rel) {
			file = rel
		}
		words = append(words, file)
	}
	r.Use = "COMPOSE_FILE=" + fault.Quote(strings.Join(words, string(filepath.ListSeparator)))
	r.Overlay = fit.Overlay([]string{
		"What " + r.Project + " was measured to need, as of " + now.Format(time.DateOnly) +
			" (go tool mage fit -measured).",
		"It goes on top of the other files: " + r.Use,
	}, all)
}

func (r *Report) write(path string) error {
	if path == "" {
		return nil
	}
	if r.Overlay == "" {
		return fault.New(fault.Failed, "go tool mage fit -measured", "nothing changes: %q is not written", path)
	}
	here, err := os.Getwd()
	if err != nil {
		return fmt.Errorf("finding the working directory: %w", err)
	}
	made, err := confined.Create(here, path, []byte(r.Overlay), -1)
	switch {
	case errors.Is(err, confined.ErrOutside), errors.Is(err, confined.ErrLink), errors.Is(err, fs.ErrPermission):
		return fault.New(fault.Usage, "go tool mage fit -measured -write=compose/measured.yaml",
			"writing %q: %w", path, err)
	case err != nil:
		return fmt.Errorf("writing %q: %w", path, err)
	case !made:
		return fault.New(fault.Usage, "rm "+fault.Quote(path)+
			", or another name in -write; then the same command again", "writing %q: something is there already", path)
	}
	r.Written = path
	return nil
}

// Print writes what changes and why, and what stays.
func (r Report) Print(w io.Writer) {
	out := ui.New(w)
	var rows [][]string
	for _, s := range r.Services {
		for _, c := range s.Changes {
			rows = append(rows, []string{s.Service, c.Key, cmp.Or(c.Old, "not set"), c.New, c.Why})
		}
	}
	out.Title("%s: what its services were measured to need", r.Project)
	if len(rows) > 0 {
		ui.Table(out.Writer(), []string{"SERVICE", "KEY", "IS", "WOULD BE", "WHY"}, rows)
		ui.Fprintf(out.Writer(), "\n")
	} else {
		out.Done("nothing changes")
	}
	for _, s := range r.Services {
		for _, note := range s.Notes {
			out.Info("%s: %s", s.Service, note)
		}
	}
	for _, note := range r.Notes {
		out.Warn("history: %s", note)
	}
	switch {
	case r.Written != "":
		out.Done("%s is written", r.Written)
		out.Info("next: %s go tool mage start, or docker compose up -d with the same variable", r.Use)
	case r.Overlay != "":
		out.Info("nothing is written; go tool mage fit -measured -write=compose/measured.yaml makes a file of it")
	}
}
