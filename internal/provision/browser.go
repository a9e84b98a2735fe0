package provision

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/25eloquence/compose-mage/internal/state"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// Browser gives the path of a Chromium, which drives the tests of the page, and installs the distribution's where
// there is none. Where there is no apt, or this user is not root, nothing is installed: the path is empty, and those
// tests say what they lack.
func Browser(ctx context.Context, out *ui.Out) (string, error) {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	if _, err := exec.LookPath("apt-get"); err != nil || os.Geteuid() != 0 {
		out.Warn("no Chromium: the tests of the page are skipped")
		return "", nil
	}
	dir, err := state.Dir()
	if err != nil {
		return "", err
	}
	if err := state.MakeDir(filepath.Join(dir, "logs")); err != nil {
		return "", err
	}
	out.Title("installing chromium, for the tests of the page")
	installer := apt{
		log: filepath.Join(dir, "logs", "apt.log"), report: func(text string) { out.Info("%s", text) },
	}
	return "/usr/bin/chromium", installer.install(ctx, []string{"chromium"})
}
