// Package heal restarts a project's unhealthy services, which no restart policy does: those that ask for it, at most
// three times an hour each.
package heal

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/compose"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/freezer"
	"github.com/25eloquence/compose-mage/internal/heal"
	"github.com/25eloquence/compose-mage/internal/restarts"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// Options are the choices of a healer.
type Options struct {
	Files    []string  // Compose files, as -f of docker compose takes them; found where none is named
	Services []string  // just these; empty for those with x-compose-mage: {heal: true}
	Output   io.Writer // os.Stdout where it is nil
}

// Run restarts the services while they are unhealthy, until ctx ends, which is no error. It never acts while another
// run is at work on the project, and goes on where the engine was away.
func Run(ctx context.Context, o Options) error { return fault.Exit(ctx, run(ctx, o)) }

// Check says what would keep Run from its work: no engine, no project, no service that asks for it.
func Check(ctx context.Context, o Options) error {
	options, err := prepare(ctx, o)
	if err == nil {
		_, err = heal.Check(ctx, options)
	}
	return fault.Exit(ctx, err)
}

func run(ctx context.Context, o Options) error {
	options, err := prepare(ctx, o)
	if err != nil {
		return err
	}
	return heal.Run(ctx, options)
}

func prepare(ctx context.Context, o Options) (heal.Options, error) {
	if o.Output == nil {
		o.Output = os.Stdout
	}
	e, err := engine.Connect(ctx)
	if err != nil {
		return heal.Options{}, err
	}
	s := &source{engine: e, files: o.Files}
	return heal.Options{
		Engine: e, Project: s.project, Services: o.Services, Bound: restarts.Hourly, Every: heal.DefaultEvery,
		Out: ui.New(o.Output),
	}, freezer.ThawLeft(ctx, e)
}

// source is the project as its files are now.
type source struct {
	engine *engine.Engine
	files  []string

	model *compose.Model
	seen  []string // of each file: how it was when the model was read from it
}

// project reads the project again where one of its files has changed.
func (s *source) project(ctx context.Context) (*types.Project, error) {
	if s.model != nil && slices.Equal(s.seen, s.look()) {
		return s.model.Project, nil
	}
	model, err := compose.Load(ctx, compose.Request{
		Files: s.files, Machine: s.engine.Machine(), CLI: s.engine.CLI, NoEnvFiles: true,
	})
	if err != nil {
		return nil, err
	}
	s.model = model
	s.seen = s.look()
	return model.Project, nil
}

// look says how the files are that the model was read from.
func (s *source) look() (out []string) {
	for _, path := range append(slices.Clone(s.model.Files), filepath.Join(s.model.Project.WorkingDir, ".env")) {
		if info, err := os.Stat(path); err == nil {
			out = append(out, fmt.Sprint(path, info.Size(), info.ModTime().Format(time.RFC3339Nano)))
		}
	}
	return out
}
