package targets

import (
	"context"
	"os"
	"path/filepath"

	"github.com/25eloquence/compose-mage/internal/compose"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/provision"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// Setup installs what this machine lacks: engine, builder, registry, bases.
//
// It prints each thing it did or found and touches only what is missing: the Docker engine (Debian and Ubuntu, as
// root), a BuildKit builder, a local registry, base images where Docker Hub can't be reached, and the secrets and .env
// file that the Compose file asks for. It can be run again at any time, also after having been killed.
func Setup(ctx context.Context,
	dryRun *bool, // -dry-run: print what would be done, and change nothing
) error {
	return fault.Exit(ctx, setup(ctx, value(dryRun, false)))
}

func setup(ctx context.Context, dryRun bool) error {
	o, err := provisionOptions(ctx)
	if err != nil {
		return err
	}
	o.DryRun = dryRun
	return provision.Setup(ctx, o)
}

// Teardown stops what setup started; data and images stay.
//
// Only processes that setup recorded as its own are stopped. It says where their data is, for you to remove.
func Teardown(ctx context.Context) error {
	return fault.Exit(ctx, teardown(ctx))
}

func teardown(ctx context.Context) error {
	o, err := provisionOptions(ctx)
	if err != nil {
		return err
	}
	return provision.Teardown(ctx, o)
}

// provisionOptions loads the stack without an engine, which may not be there yet; every profile's services count.
func provisionOptions(ctx context.Context) (provision.Options, error) {
	o := provision.Options{Out: ui.Stdout()}
	if _, err := os.Stat(filepath.Join("tools", "go.mod")); err == nil {
		o.ToolsDir = "tools"
	}
	s, err := compose.Load(ctx, compose.Request{AllProfiles: true, NoEnvFiles: true})
	if err != nil {
		return o, err
	}
	for _, notice := range s.Notices {
		o.Out.Warn("%s", notice)
	}
	o.Project = s.Project
	return o, nil
}
