package provision

import (
	"context"
	"path/filepath"
	"strings"
	"time"

	"github.com/25eloquence/compose-mage/internal/daemon"
	"github.com/25eloquence/compose-mage/internal/fault"
)

// lockWait is how long another apt or dpkg is waited for (unattended-upgrades takes minutes).
const lockWait = 5 * time.Minute

// apt installs packages of the host's distribution.
type apt struct {
	log    string
	report func(string)
}

func (a apt) run(ctx context.Context, args ...string) ([]byte, error) {
	// C.UTF-8 for the messages that are looked for below.
	env := []string{"DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8", "NEEDRESTART_MODE=l"}
	return daemon.Run(ctx, daemon.Command{Args: args, Env: env, Log: a.log}, a.report)
}

// install makes packages be there. It recovers from an apt or dpkg that was killed, and refreshes the package lists
// only where they are missing or too old to serve.
func (a apt) install(ctx context.Context, packages []string) error {
	err := a.repair(ctx)
	if err == nil && a.unknown(ctx, packages) {
		err = a.update(ctx)
	}
	if err == nil {
		if err = a.get(ctx, packages); err != nil && ctx.Err() == nil {
			// Old lists name versions that the mirror has no more.
			if err = a.update(ctx); err == nil {
				err = a.get(ctx, packages)
			}
		}
	}
	if err == nil || ctx.Err() != nil {
		return err
	}
	return fault.New(fault.Failed, "apt-get install "+fault.Quote(packages...),
		"installing %s: %w", strings.Join(packages, ", "), err).WithDetail(daemon.OutputOf(err)...)
}

func (a apt) get(ctx context.Context, packages []string) error {
	args := []string{
		"apt-get", "install", "-y", "--no-install-recommends",
		"-o", "DPkg::Lock::Timeout=300", "-o", "Acquire::Retries=3", "-o", "Dpkg::Use-Pty=0",
	}
	_, err := a.run(ctx, append(args, packages...)...)
	return err
}

func (a apt) update(ctx context.Context) error {
	_, err := a.run(ctx, "apt-get", "update", "-o", "DPkg::Lock::Timeout=300", "-o", "Acquire::Retries=3")
	return err
}

// unknown says whether a package is in no list.
func (a apt) unknown(ctx context.Context, packages []string) bool {
	_, err := a.run(ctx, append([]string{"apt-cache", "show", "--no-all-versions"}, packages...)...)
	return err != nil
}

// repair finishes what a killed dpkg left half done: apt refuses to work before.
func (a apt) repair(ctx context.Context) error {
	for deadline := time.Now().Add(lockWait); ; {
		pending, err := filepath.Glob("/var/lib/dpkg/updates/[0-9]*")
		if err != nil {
			return err
		}
		// The audit also names packages that are unpacked and not configured.
		audit, err := a.run(ctx, "dpkg", "--audit")
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil && len(audit) == 0 && len(pending) == 0 {
			return nil
		}
		out, err := a.run(ctx, "dpkg", "--configure", "-a", "--force-confold")
		if err == nil {
			return nil
		}
		if ctx.Err() != nil || !strings.Contains(string(out), "lock") || time.Now().After(deadline) {
			// Half-installed packages are for apt-get install to unpack again; what it can't mend it says itself.
			return ctx.Err()
		}
		a.report("waiting for another apt or dpkg")
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

// installPackages installs the plan's packages.
func (s *setup) installPackages(ctx context.Context, p plan, report func(string)) error {
	if p.engine == install {
		// Kept where the package's own script starts the engine, so that teardown knows whose it is.
		if err := s.Record(daemon.Process{Name: "engine", Args: []string{"dockerd"}}); err != nil {
			return err
		}
	}
	return apt{log: s.logFile("apt"), report: report}.install(ctx, p.packages)
}
