package provision

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
	"github.com/25eloquence/compose-mage/internal/compose"
	"github.com/25eloquence/compose-mage/internal/confined"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/state"
)

const (
	// ContainerUID is the user as whom the containers run, and who so owns their secrets, where setup runs as root. Other
	// users cannot give files away: there the containers run as them, by STACK_UID in the .env file.
	ContainerUID = 10001
	// uidVariable is what compose.yaml reads the containers' user from.
	uidVariable = "STACK_UID"
	// nofileVariable is what compose.yaml reads its nofile limit from.
	nofileVariable = "STACK_NOFILE"
)

// ensureProject makes the files that the Compose file names and a clone lacks: secrets and .env. Nothing is overwritten.
func (s *setup) ensureProject(project *types.Project) error {
	names := make([]string, 0, len(project.Secrets))
	for name := range project.Secrets {
		names = append(names, name)
	}
	slices.Sort(names)
	var made []string
	there := 0
	for _, name := range names {
		secret := project.Secrets[name]
		template, ok := compose.Generated(secret)
		if !ok {
			continue
		}
		path := secret.File
		if !filepath.IsAbs(path) {
			path = filepath.Join(project.WorkingDir, path)
		}
		fresh, err := writeSecret(projectRoot(project), path, template)
		switch {
		case errors.Is(err, confined.ErrOutside), errors.Is(err, confined.ErrLink):
			return fault.New(fault.Config, "make "+fault.Quote(path)+" yourself, or name a file below "+fault.Quote(projectRoot(project)),
				"making the secret %q: setup makes files in the project only: %w", name, err)
		case err != nil:
			return fault.New(fault.Config, "go tool mage setup", "making the secret %q: %w", name, err)
		}
		if fresh {
			made = append(made, name)
		} else {
			there++
		}
	}
	if len(made) > 0 {
		s.out.Done("secrets: %s made", strings.Join(made, ", "))
	}
	if there > 0 {
		s.out.Done("secrets: %d already there", there)
	}
	return s.ensureEnv(composeDir(project), s.needed(project))
}

// projectRoot is the directory below which files are made for the project: its own, or the current one where that is above it.
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

// writeSecret makes the secret's file below root, mode 0600 in a folder of mode 0700, unless it is there, through links too. It says whether
// it did.
func writeSecret(root, path, template string) (bool, error) {
	if _, err := os.Stat(path); err == nil {
		return false, nil
	}
	text, err := generate(template)
	if err != nil {
		return false, err
	}
	owner := -1
	if os.Geteuid() == 0 {
		owner = ContainerUID
	}
	return confined.Create(root, path, []byte(text), owner)
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

// ensureEnv makes dir/.env from dir/.env.example, unless it is there, and has it say what this machine needs the
// Compose file to know.
func (s *setup) ensureEnv(dir string, needs []variable) error {
	path := filepath.Join(dir, ".env")
	old, err := bounded.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		example, err := bounded.ReadFile(filepath.Join(dir, ".env.example"))
		if errors.Is(err, fs.ErrNotExist) && len(needs) == 0 {
			return nil
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fault.New(fault.Config, fault.Correct, "reading .env.example: %w", err)
		}
		for _, v := range needs {
			example = withLine(example, v.line())
		}
		if _, err := confined.Create(dir, path, example, -1); err != nil {
			return fault.New(fault.Config, "make "+fault.Quote(path)+" yourself", "making .env: %w", err)
		}
		s.out.Done(".env: made from .env.example")
		return nil
	case err != nil:
		return fault.New(fault.Config, fault.Correct, "reading .env: %w", err)
	}
	// Nothing of what is there changes: lines come at its end.
	added := old
	for _, v := range needs {
		if !v.setIn(old) {
			added = withLine(added, v.line())
			s.out.Done(".env: %s=%s added", v.name, v.value)
		}
	}
	if len(added) == len(old) {
		s.out.Done(".env: already there")
		return nil
	}
	if err := state.WriteFile(path, added, 0o600); err != nil {
		return fault.New(fault.Config, "add to "+fault.Quote(path)+" yourself what is missing", "adding to .env: %w", err)
	}
	return nil
}

// variable is a line of .env that this machine needs.
type variable struct{ name, value string }

func (v variable) line() string { return v.name + "=" + v.value + "\n" }

func (v variable) setIn(env []byte) bool {
	return regexp.MustCompile(`(?m)^\s*(export\s+)?` + v.name + `\s*=`).Match(env)
}

// needed lists what the machine has different from what the Compose file assumes: the user that owns the secrets, and
// how many open files a container may ask for.
func (s *setup) needed(project *types.Project) []variable {
	var needs []variable
	if id := os.Geteuid(); id > 0 && runtime.GOOS == "linux" {
		needs = append(needs, variable{uidVariable, strconv.Itoa(id)})
	}
	if s.engine == nil {
		return needs
	}
	limit := s.engine.Machine().OpenFiles
	for _, service := range project.Services {
		if u := service.Ulimits["nofile"]; u != nil && limit > 0 && int64(max(u.Hard, u.Single)) > limit {
			return append(needs, variable{nofileVariable, strconv.FormatInt(limit, 10)})
		}
	}
	return needs
}

// withLine appends line to text, which need not end in a newline.
func withLine(text []byte, line string) []byte {
	out := slices.Clone(text)
	if line != "" && len(out) > 0 && out[len(out)-1] != '\n' {
		out = append(out, '\n')
	}
	return append(out, line...)
}
