package targets

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/magefile/mage/mg"
	"golang.org/x/mod/modfile"
)

// renewedVariable marks a process that has been compiled again, so that none does so twice.
const renewedVariable = "COMPOSE_MAGE_RENEWED"

// Renew makes MAGEFILE_HASHFAST safe. With it Mage starts the compiled targets without asking Go whether they are up to date,
// which is most of the time that an unchanged build takes, but also runs old ones after a pull. Where a source is newer than
// this program, Renew runs the same command compiled again and gives its exit code; done is false where it had nothing to
// do. args are the program's own, without its name.
func Renew(args []string) (code int, done bool) {
	if !mg.HashFast() || os.Getenv(renewedVariable) != "" {
		return 0, false
	}
	program, err := os.Executable()
	if err != nil {
		return 0, false
	}
	compiled, err := os.Stat(program)
	if err != nil || !newer(".", compiled.ModTime()) {
		return 0, false
	}
	again := exec.Command("go", append([]string{"tool", "mage", "-f"}, args...)...)
	again.Env = append(os.Environ(), renewedVariable+"=1")
	again.Stdin, again.Stdout, again.Stderr = os.Stdin, os.Stdout, os.Stderr
	err = again.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode(), true
	}
	return 0, err == nil // without Go the old targets are better than none
}

// newer says whether anything that the targets of the module at root are compiled from was changed after then: its module
// files, the Go files of magefiles and, as far as they are in this module or replaced by a directory, of what those import.
func newer(root string, then time.Time) bool {
	dirs := []string{filepath.Join(root, "magefiles")}
	for _, name := range []string{"go.mod", "go.sum", "go.work"} {
		if changedAfter(filepath.Join(root, name), then) {
			return true
		}
	}
	if data, err := os.ReadFile(filepath.Join(root, "go.mod")); err == nil {
		if mod, err := modfile.Parse("go.mod", data, nil); err == nil {
			dirs = append(dirs, filepath.Join(root, "internal"))
			for _, r := range mod.Replace {
				if r.New.Version == "" {
					dirs = append(dirs, filepath.Join(root, r.New.Path))
				}
			}
		}
	}
	for _, dir := range dirs {
		found := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			source := err == nil && !d.IsDir() && strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go")
			if source && changedAfter(path, then) {
				return fs.ErrExist
			}
			return nil
		})
		if found != nil {
			return true
		}
	}
	return false
}

func changedAfter(path string, then time.Time) bool {
	info, err := os.Stat(path)
	return err == nil && info.ModTime().After(then)
}
