package provision

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/restic"
	"github.com/25eloquence/compose-mage/internal/state"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// Restic makes restic be there, by which backups are made: it installs the distribution's where there is none that
// will do. With dryRun it only says so.
func Restic(ctx context.Context, out *ui.Out, dryRun bool) error {
	found, err := restic.Find(ctx)
	if err == nil {
		out.Done("restic: %s at %s (already there)", found.Version, found.Path)
		return nil
	}
	if _, apt := exec.LookPath("apt-get"); apt != nil || os.Geteuid() != 0 || os.Getenv(restic.Variable) != "" {
		return fault.New(fault.Config,
			"sudo apt-get install restic, or one of https://github.com/restic/restic/releases in PATH",
			"restic is installed by root, and with apt-get alone: %w", err)
	}
	if dryRun {
		out.Info("would install restic, for backups")
		return nil
	}
	dir, err := state.Dir()
	if err != nil {
		return err
	}
	if err := state.MakeDir(filepath.Join(dir, "logs")); err != nil {
		return err
	}
	err = out.Step(ctx, "installing restic", func(ctx context.Context, report func(string)) error {
		return apt{log: filepath.Join(dir, "logs", "apt.log"), report: report}.install(ctx, []string{"restic"})
	})
	if err != nil {
		return err
	}
	if found, err = restic.Find(ctx); err != nil {
		return err
	}
	out.Done("restic: %s at %s", found.Version, found.Path)
	return nil
}
