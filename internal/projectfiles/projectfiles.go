// Package projectfiles makes the files that a Compose project names and a clone of it lacks: secrets whose entry says
// how they are made, and .env. Read looks at what there is, and Write makes what is missing. Nothing is ever
// overwritten, and nothing is made outside of the project.
package projectfiles

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/bounded"
	"github.com/25eloquence/compose-mage/internal/confined"
	"github.com/25eloquence/compose-mage/internal/extension"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/state"
	"github.com/25eloquence/compose-mage/internal/ui"
)

const (
	// ContainerUID is the user as whom the containers run, and who so owns their secrets, where setup runs as root.
	// Other users cannot give files away: there the containers run as them, by STACK_UID in the .env file.
	ContainerUID = 10001
	// uidVariable is what compose.yaml reads the containers' user from.
	uidVariable = "STACK_UID"
	// nofileVariable is what compose.yaml reads its nofile limit from.
	nofileVariable = "STACK_NOFILE"
)

// Files are the project's files as they are, and what is missing.
type Files struct {
	root    string
	secrets []secret
	env     string     // the path of .env
	old     []byte     // what is in it
	exists  bool       // it is there
	example []byte     // what .env.example beside it says
	add     []variable // that .env lacks
}

// secret is a secret whose entry says how it is made.
type secret struct {
	name, path, template string
	exists               bool
}

// variable is a line of .env that this machine needs.
type variable struct{ name, value string }

// Read looks at the project's files. openFiles is how many files a container may open at most, 0 where that is not
// known. It writes nothing.
func Read(project *types.Project, openFiles int64) (*Files, error) {
	f := &Files{root: projectRoot(project), env: filepath.Join(composeDir(project), ".env")}
	for name, entry := range project.Secrets {
		template, ok := extension.Generated(entry)
		if !ok {
			continue
		}
		s := secret{name: name, path: entry.File, template: template}
		if !filepath.IsAbs(s.path) {
			s.path = filepath.Join(project.WorkingDir, s.path)
		}
		_, err := os.Stat(s.path) // through links too
		s.exists = err == nil
		f.secrets = append(f.secrets, s)
	}
	slices.SortFunc(f.secrets, func(a, b secret) int { return strings.Compare(a.name, b.name) })
	return f, f.readEnv(needed(project, openFiles))
}

func (f *Files) readEnv(needs []variable) error {
	var err error
	f.old, err = bounded.ReadFile(f.env)
	if f.exists = err == nil; f.exists {
		f.add = slices.DeleteFunc(needs, func(v variable) bool { return v.setIn(f.old) })
		return nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return fault.New(fault.Config, fault.Correct, "reading .env: %w", err)
	}
	f.add = needs
	f.example, err = bounded.ReadFile(f.env + ".example")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fault.New(fault.Config, fault.Correct, "reading .env.example: %w", err)
	}
	return nil
}

// Secrets names the secrets that Write makes, and counts those that are there.
func (f *Files) Secrets() (missing []string, existing int) {
	for _, s := range f.secrets {
		if s.exists {
			existing++
		} else {
			missing = append(missing, s.name)
		}
	}
	return missing, existing
}

// Env says what Write does with .env: "make", "add", "found", or "none" where nobody needs the file; and what it adds.
func (f *Files) Env() (action string, lines []string) {
	for _, v := range f.add {
		lines = append(lines, v.name+"="+v.value)
	}
	switch {
	case !f.exists && f.example == nil && len(f.add) == 0:
		return "none", nil
	case !f.exists:
		return "make", lines
	case len(f.add) > 0:
		return "add", lines
	}
	return "found", nil
}

// Write makes what is missing and says so.
func (f *Files) Write(out *ui.Out) error {
	var made []string
	found := 0
	for _, s := range f.secrets {
		fresh, err := s.write(f.root)
		if err != nil {
			return err
		}
		if fresh {
			made = append(made, s.name)
		} else {
			found++
		}
	}
	if len(made) > 0 {
		out.Done("secrets: %s made", strings.Join(made, ", "))
	}
	if found > 0 {
		out.Done("secrets: %d already there", found)
	}
	return f.writeEnv(out)
}

// write makes the secret's file below root, mode 0600 in a folder of mode 0700, unless it is there. It says whether
// it did.
func (s secret) write(root string) (made bool, err error) {
	if _, err := os.Stat(s.path); err == nil {
		return false, nil
	}
	text, err := generate(s.template)
	if err == nil {
		owner := -1
		if os.Geteuid() == 0 {
			owner = ContainerUID
		}
		made, err = confined.Create(root, s.path, []byte(text), owner)
	}
	switch {
	case errors.Is(err, confined.ErrOutside), errors.Is(err, confined.ErrLink):
		return false, fault.New(fault.Config,
			"make "+fault.Quote(s.path)+" yourself, or name a file below "+fault.Quote(root),
			"making the secret %q: setup makes files in the project only: %w", s.name, err)
	case err != nil:
		return false, fault.New(fault.Config, "go tool mage setup", "making the secret %q: %w", s.name, err)
	}
	return made, nil
}

// writeEnv makes .env from .env.example, unless it is there, and has it say what this machine needs the Compose file
// to know.
func (f *Files) writeEnv(out *ui.Out) error {
	action, lines := f.Env()
	switch action {
	case "make":
		if _, err := confined.Create(filepath.Dir(f.env), f.env, withLines(f.example, lines), -1); err != nil {
			return fault.New(fault.Config, "make "+fault.Quote(f.env)+" yourself", "making .env: %w", err)
		}
		out.Done(".env: made from .env.example")
	case "add": // nothing of what is there changes: lines come at its end
		if err := state.WriteFile(f.env, withLines(f.old, lines), 0o600); err != nil {
			return fault.New(fault.Config, "add to "+fault.Quote(f.env)+" yourself what is missing",
				"adding to .env: %w", err)
		}
		for _, line := range lines {
			out.Done(".env: %s added", line)
		}
	case "found":
		out.Done(".env: already there")
	}
	return nil
}

// projectRoot is the directory below which files are made for the project: its own, or the current one where that is
// above it.
func projectRoot(project *types.Project) string {
	here, err := os.Getwd()
	if err != nil {
		return project.WorkingDir
	}
	if rel, err := filepath.Rel(here, project.WorkingDir); err != nil || !filepath.IsLocal(rel) {
		return project.WorkingDir
	}
	return here
}

// composeDir is the folder of the first Compose file.
func composeDir(project *types.Project) string {
	if len(project.ComposeFiles) > 0 && filepath.IsAbs(project.ComposeFiles[0]) {
		return filepath.Dir(project.ComposeFiles[0])
	}
	return project.WorkingDir
}

var placeholder = regexp.MustCompile(`\{([^{}]*)\}`)

// generate fills a template: {hex:N} is N random bytes in hexadecimal, at most 1024; other text stays.
func generate(template string) (string, error) {
	var failed error
	text := placeholder.ReplaceAllStringFunc(template, func(match string) string {
		kind, size, _ := strings.Cut(match[1:len(match)-1], ":")
		n, err := strconv.Atoi(size)
		if kind != "hex" || err != nil || n < 1 || n > 1024 {
			failed = fmt.Errorf("reading generate %q: %q is not {hex:N} with N from 1 to 1024", template, match)
			return match
		}
		random := make([]byte, n)
		_, _ = rand.Read(random) // never fails: it ends the program where the system has no randomness
		return hex.EncodeToString(random)
	})
	return text, failed
}

func (v variable) setIn(env []byte) bool {
	return regexp.MustCompile(`(?m)^\s*(export\s+)?` + v.name + `\s*=`).Match(env)
}

// needed lists what the machine has different from what the Compose file assumes: the user that owns the secrets, and
// how many open files a container may ask for.
func needed(project *types.Project, openFiles int64) []variable {
	var needs []variable
	if id := os.Geteuid(); id > 0 && runtime.GOOS == "linux" {
		needs = append(needs, variable{uidVariable, strconv.Itoa(id)})
	}
	for _, service := range project.Services {
		if u := service.Ulimits["nofile"]; u != nil && openFiles > 0 && int64(max(u.Hard, u.Single)) > openFiles {
			return append(needs, variable{nofileVariable, strconv.FormatInt(openFiles, 10)})
		}
	}
	return needs
}

// withLines appends lines to text, which need not end in a newline.
func withLines(text []byte, lines []string) []byte {
	out := slices.Clone(text)
	if len(lines) > 0 && len(out) > 0 && out[len(out)-1] != '\n' {
		out = append(out, '\n')
	}
	for _, line := range lines {
		out = append(out, line+"\n"...)
	}
	return out
}
