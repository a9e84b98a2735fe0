package targets

import (
	"context"

	"github.com/25eloquence/compose-mage/stack"
)

// Setup installs what this machine lacks: engine, builder, registry, bases.
//
// It prints each thing it did or found and touches only what is missing: the Docker engine (Debian and Ubuntu, as
// root), a BuildKit builder, a local registry, base images where Docker Hub can't be reached, and the secrets and .env
// file that the Compose file asks for. It can be run again at any time, also after having been killed.
func Setup(ctx context.Context,
	backup *bool, // restic too, by which go tool mage backup saves the volumes
	dryRun *bool, // -dry-run: print what would be done, and change nothing
) error {
	o := stack.SetupOptions{DryRun: value(dryRun, false), Backup: value(backup, false)}
	if err := stack.SetupMachine(ctx, o); err != nil || !o.Backup {
		return err
	}
	return setupVolumeImage(ctx, o.DryRun)
}

// Teardown stops what setup started; data and images stay.
//
// Only processes that setup recorded as its own are stopped. It says where their data is, for you to remove.
func Teardown(ctx context.Context) error {
	return stack.Teardown(ctx)
}
