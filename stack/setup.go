package stack

import (
	"context"
	"os"
	"path/filepath"

	"github.com/25eloquence/compose-mage/internal/compose"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/provision"
)

// SetupOptions are the choices of a setup.
type SetupOptions struct {
	Options      // of the project, which is not opened: the engine may not be there yet
	DryRun  bool // print what would be done, and change nothing
	Backup  bool // restic too, by which volumes are saved
}

// SetupMachine makes what the machine lacks for the project: the engine (on Debian and Ubuntu, as root), a BuildKit
// builder, a local registry, base images where Docker Hub can't be reached, and the secrets and the .env file that the
// Compose files ask for. It touches only what is missing, and may run again at any time.
func SetupMachine(ctx context.Context, o SetupOptions) error {
	options, err := provisionOptions(ctx, o.Options)
	if err == nil {
		options.DryRun, options.Restic = o.DryRun, o.Backup
		err = provision.Setup(ctx, options)
	}
	return fault.Exit(ctx, err)
}

// TeardownMachine stops the programs that a setup has started, as far as it recorded them as its own. Data and images
// stay.
func TeardownMachine(ctx context.Context, o SetupOptions) error {
	options, err := provisionOptions(ctx, o.Options)
	if err == nil {
		err = provision.Teardown(ctx, options)
	}
	return fault.Exit(ctx, err)
}

// provisionOptions reads the project without an engine; every profile's services count.
func provisionOptions(ctx context.Context, o Options) (provision.Options, error) {
	s := unconnected(o)
	out := provision.Options{Out: s.out}
	if _, err := os.Stat(filepath.Join("tools", "go.mod")); err == nil {
		out.ToolsDir = "tools"
	}
	model, err := compose.Load(ctx, compose.Request{Files: o.Files, AllProfiles: true, NoEnvFiles: true})
	if err != nil {
		return out, err
	}
	for _, notice := range model.Notices {
		s.out.Warn("%s", notice)
	}
	out.Project = model.Project
	return out, nil
}
