package positional

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/magefile/mage/mg"
	"golang.org/x/mod/modfile"

	"github.com/25eloquence/compose-mage/internal/bounded"
	"github.com/25eloquence/compose-mage/internal/state"
)

// renewedVariable marks a process that has been compiled again, so that none does so twice.
const renewedVariable = "COMPOSE_MAGE_RENEWED"

// mayBeStale says whether Mage may have run this program without asking Go whether it is up to date.
func mayBeStale() bool { return mg.HashFast() && os.Getenv(renewedVariable) == "" }

// renew makes MAGEFILE_HASHFAST safe. With it Mage starts the compiled targets without asking Go whether they are
// up to date, which is most of the time that an unchanged build takes, but also runs old ones after a pull. Where
// the sources are not those that this program was compiled from, renew runs the same command compiled again and
// gives its exit code; done is false where there was nothing to do. magefiles is their directory, and args are the
// program's own, without its name.
func renew(magefiles string, args []string) (code int, done bool) {
	if !mayBeStale() {
		return 0, false
	}
	program, err := os.Executable()
	if err != nil {
		return 0, false
	}
	dir, err := state.Dir()
	if err != nil || !stale(magefiles, program, filepath.Join(dir, "compiled")) {
		return 0, false
	}
	here, err := os.Getwd()
	if err != nil {
		return 0, false
	}
	again := exec.Command("go", append([]string{"tool", "mage", "-f", "-w", here}, args...)...)
	again.Dir, again.Env = mageRunsIn(magefiles), append(os.Environ(), renewedVariable+"=1")
	again.Stdin, again.Stdout, again.Stderr = os.Stdin, os.Stdout, os.Stderr
	err = again.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode(), true
	}
	return 0, err == nil // without Go the old targets are better than none
}

// mageRunsIn is the directory in which Mage finds the magefiles.
func mageRunsIn(magefiles string) string {
	if filepath.Base(magefiles) == magefilesName {
		return filepath.Dir(magefiles)
	}
	return magefiles
}

// above is the nearest directory from dir upwards that has a file of that name; the working directory where none has.
func above(dir, name string) string {
	for ; filepath.IsAbs(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			break
		}
	}
	return "."
}

// compilation is what a program was compiled from, as its first run found it.
type compilation struct {
	Time   time.Time `json:"time"` // of the program
	Embeds []string  `json:"embeds,omitempty"`
	Files  string    `json:"files"` // a digest of the sources' names: one that was removed is none that is newer
}

// stale says whether the sources of these magefiles are not those that the program was compiled from. dir keeps
// what is known of programs.
func stale(magefiles, program, dir string) bool {
	info, err := os.Stat(program)
	if err != nil {
		return false
	}
	record := filepath.Join(dir, fmt.Sprintf("%.8x.json", sha256.Sum256([]byte(program))))
	files := sources(magefiles)
	var known compilation
	if state.ReadJSON(record, &known) != nil || !known.Time.Equal(info.ModTime()) {
		known = compilation{Time: info.ModTime(), Embeds: embeds(files)}
		known.Files = digestOf(slices.Concat(files, expand(known.Embeds)))
		if text, err := json.Marshal(known); err == nil {
			_ = state.Keep(record, text)
		}
	}
	all := slices.Concat(files, expand(known.Embeds))
	newer := func(path string) bool { return changedAfter(path, known.Time) }
	return digestOf(all) != known.Files || slices.ContainsFunc(all, newer)
}

// sources lists what the targets are compiled from: the files of the module and the workspace that the magefiles
// are in, their Go files and, as far as they are in this module or replaced by a directory, those of what they
// import.
func sources(magefiles string) []string {
	root := above(magefiles, "go.mod")
	var out []string
	for _, path := range []string{
		filepath.Join(root, "go.mod"), filepath.Join(root, "go.sum"),
		filepath.Join(above(magefiles, "go.work"), "go.work"),
	} {
		if changedAfter(path, time.Time{}) { // it is there
			out = append(out, path)
		}
	}
	var dirs []string
	if filepath.Base(magefiles) == magefilesName {
		dirs = append(dirs, magefiles)
		// The rest of the repository is below
	} else if beside, err := filepath.Glob(filepath.Join(magefiles, "*.go")); err == nil {
		out = append(out, beside...)
	}
	if data, err := bounded.ReadFile(filepath.Join(root, "go.mod")); err == nil {
		if mod, err := modfile.Parse("go.mod", data, nil); err == nil {
			dirs = append(dirs, filepath.Join(root, "internal"), filepath.Join(root, "stack"))
			for _, r := range mod.Replace {
				if r.New.Version != "" {
					continue
				}
				if !filepath.IsAbs(r.New.Path) {
					r.New.Path = filepath.Join(root, r.New.Path)
				}
				dirs = append(dirs, r.New.Path)
			}
		}
	}
	for _, dir := range dirs {
		_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			source := err == nil && !d.IsDir() && strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go")
			if source && d.Name() != mageOutput {
				out = append(out, path)
			}
			return nil
		})
	}
	return out
}

// mageOutput is the main function that Mage writes beside the magefiles while it compiles.
const mageOutput = "mage_output_file.go"

// embeds lists the patterns of files that the sources embed, as paths.
func embeds(files []string) []string {
	var out []string
	for _, file := range files {
		text, err := bounded.ReadFile(file)
		if err != nil || !strings.Contains(string(text), "//go:embed ") {
			continue
		}
		for line := range strings.Lines(string(text)) {
			patterns, ok := strings.CutPrefix(line, "//go:embed ")
			if !ok {
				continue
			}
			for pattern := range strings.FieldsSeq(patterns) {
				pattern = strings.TrimPrefix(strings.Trim(pattern, "\"`"), "all:")
				out = append(out, filepath.Join(filepath.Dir(file), filepath.FromSlash(pattern)))
			}
		}
	}
	return out
}

// expand gives the files of the patterns, those in directories that they name included.
func expand(patterns []string) []string {
	var out []string
	for _, pattern := range patterns {
		found, _ := filepath.Glob(pattern) // Go has refused a pattern that is none
		for _, top := range found {
			_ = filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
				if err == nil && !d.IsDir() {
					out = append(out, path)
				}
				return nil
			})
		}
	}
	return out
}

func digestOf(names []string) string {
	return fmt.Sprintf("%x", sha256.Sum256([]byte(strings.Join(names, "\n"))))
}

func changedAfter(path string, then time.Time) bool {
	info, err := os.Stat(path)
	return err == nil && info.ModTime().After(then)
}
