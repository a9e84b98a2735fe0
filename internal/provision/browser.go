package provision

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/25eloquence/compose-mage/internal/state"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// Browser installs the distribution's Chromium where there is none: it drives the tests of the page. Where there is no
// apt, or this user is not root, nothing is installed, and those tests say what they lack.
func Browser(ctx context.Context, out *ui.Out) error {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if _, err := exec.LookPath(name); err == nil {
			return nil
		}
	}
	if _, err := exec.LookPath("apt-get"); err != nil || os.Geteuid() != 0 {
		out.Warn("no Chromium: the tests of the page are skipped")
		return nil
	}
	dir, err := state.Dir()
	if err != nil {
		return err
	}
	if err := state.MakeDir(filepath.Join(dir, "logs")); err != nil {
		return err
	}
	out.Title("installing chromium, for the tests of the page")
	return apt{log: filepath.Join(dir, "logs", "apt.log"), report: func(text string) { out.Info("%s", text) }}.
		install(ctx, []string{"chromium"})
}
