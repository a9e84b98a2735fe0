// Package host shows what a Docker Engine has of all Compose projects, whichever folders they are of: whose memory,
// CPU, ports and disk it is, and whether each project is as it should be. It goes by Compose's labels: no Compose file
// is read, and none need be there.
package host

import (
	"context"
	"io"
	"os"
	"time"

	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/monitor"
	"github.com/25eloquence/compose-mage/internal/projects"
	"github.com/25eloquence/compose-mage/internal/shape"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// Options are the choices of a look at all projects.
type Options struct {
	// Resources takes CPU too, which needs half a second, and prints what each project uses in place of its services.
	Resources bool
	Every     time.Duration // of Watch: between two looks; 0 is 2 s
	Output    io.Writer     // of Watch; os.Stdout where it is nil
}

// Projects looks once at the engine that docker's own command would take. That a project is not fine is no error of
// Projects, but of the report.
func Projects(ctx context.Context, o Options) (Report, error) {
	e, err := engine.Connect(ctx)
	if err != nil {
		return Report{}, fault.Exit(ctx, err)
	}
	found, err := projects.Take(ctx, e, options(e, o))
	if err != nil {
		return Report{}, fault.Exit(ctx, err)
	}
	out, err := shape.Into[Report](found)
	out.found = found
	return out, fault.Exit(ctx, err)
}

// Watch looks again and again until ctx is cancelled, which is no error: redrawn in place on a terminal, appended as
// lines elsewhere.
func Watch(ctx context.Context, o Options) error {
	e, err := engine.Connect(ctx)
	if err != nil {
		return fault.Exit(ctx, err)
	}
	if o.Every == 0 {
		o.Every = 2 * time.Second
	}
	if o.Output == nil {
		o.Output = os.Stdout
	}
	return fault.Exit(ctx, projects.Watch(ctx, e, func() projects.Options { return options(e, o) }, o.Every,
		ui.New(o.Output)))
}

func options(e *engine.Engine, o Options) projects.Options {
	out := projects.Options{
		Machine: e.Machine(), Now: e.Now(), Local: e.Local(), Root: e.Info.DockerRootDir, Resources: o.Resources,
		Loads: projects.Sampler(e, o.Resources),
	}
	if o.Resources {
		out.Sizes = func(ctx context.Context) projects.Sizes {
			s := monitor.StoredSizes(ctx, e)
			return projects.Sizes{Age: time.Since(s.At), Volumes: s.Volumes, Containers: s.Layers}
		}
	}
	return out
}
