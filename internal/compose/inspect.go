package compose

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/template"
	"github.com/compose-spec/compose-go/v2/types"
	"go.yaml.in/yaml/v4"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/regular"
)

// Bounds that docker compose's library lacks: the library reads whatever file a path leads to, and its time and
// memory grow with the square of the depth of values and with all that variables stand for. (The number of values,
// aliases expanded, the library counts itself.) The bounds are far above what any stack has.
const (
	maxFileBytes      = 8 << 20  // of one Compose or env file
	maxDepth          = 200      // of a value in values
	maxVariableBytes  = 32 << 20 // of a file, variables put in
	maxNestedDefaults = 30       // ${A:-${B:-…}}
	maxFiles          = 5_000    // that one project reads
)

// inspection reads the Compose files before the library does, and the files that they name, and refuses files that
// would make the library hang or fill memory.
type inspection struct {
	dir     string // the project's
	vars    types.Mapping
	remotes []loader.ResourceLoader
	seen    map[string]bool
	compose []string // what is included and extended, as far as it is there
	env     []string // env and label files
	remote  bool     // something comes from elsewhere, which may take its time
}

// inspect looks at the Compose files and all that they name. Errors are *fault.Error of code Config.
func inspect(files []string, dir string, vars types.Mapping, remotes []loader.ResourceLoader) (*inspection, error) {
	i := &inspection{dir: dir, vars: vars, remotes: remotes, seen: map[string]bool{}}
	for _, file := range files {
		if !local(file, remotes) {
			i.remote = i.remote || file != "-"
			continue
		}
		if err := i.composeFile(file, "", nil); err != nil {
			return i, err
		}
	}
	return i, nil
}

// composeFile inspects one Compose file. by is the file:line that names the file, "" where the user named it; dirs
// are the directories that paths in the file may be relative to.
func (i *inspection) composeFile(file, by string, dirs []string) error {
	content, err := i.content(file, by)
	if err != nil || content == nil {
		return err
	}
	if by != "" {
		i.compose = append(i.compose, file)
	}
	s := scan{
		inspection: i, file: file, dirs: append(slices.Clone(dirs), filepath.Dir(file), i.dir),
		depths: map[*yaml.Node]int{},
	}
	documents := yaml.NewDecoder(bytes.NewReader(content))
	for {
		var root yaml.Node
		if documents.Decode(&root) != nil {
			return nil // the library says what is wrong with it, and where
		}
		if err := s.document(&root); err != nil {
			return err
		}
	}
}

// envFile looks at one file of variables or labels.
func (i *inspection) envFile(file, by string) error {
	content, err := i.content(file, by)
	if err != nil || content == nil {
		return err
	}
	i.env = append(i.env, file)
	return checkExpansion(file, content, i.vars)
}

// content reads a file that has not been looked at; nil where there is none, which is the library's to say.
func (i *inspection) content(file, by string) ([]byte, error) {
	if i.seen[file] || file == os.DevNull {
		return nil, nil
	}
	i.seen[file] = true
	if len(i.seen) > maxFiles {
		return nil, refused(file, by, fmt.Sprintf("the project reads more than %d files", maxFiles))
	}
	content, why := readBounded(file, by == "")
	if why != "" {
		return nil, refused(file, by, why)
	}
	return content, nil
}

func refused(file, by, why string) error {
	if by != "" {
		return fault.New(fault.Config, fault.Correct, "%s: %q %s", by, file, why)
	}
	return fault.New(fault.Config, fault.Correct, "%s: it %s", file, why)
}

// readBounded reads a regular file of a bounded size; why says what else it is. The content is nil where the library
// may go on by itself: there is no file, it is a directory, or a pipe that the user has named by its number ("docker
// compose -f <(…)").
func readBounded(file string, byUser bool) (content []byte, why string) {
	content, err := regular.Read(file, maxFileBytes)
	var refusal *regular.Refusal
	switch {
	case !errors.As(err, &refusal), refusal.Dir:
		return content, ""
	case byUser && (strings.HasPrefix(file, "/dev/fd/") || strings.HasPrefix(file, "/proc/") || file == "/dev/stdin"):
		return nil, ""
	}
	return nil, refusal.Why
}

// named are the files that a value of a Compose file names.
type named struct {
	path string
	line int
	kind string // include, extends, env_file or label_file
	dirs []string
}

// follow inspects a file that a Compose file names. Only the library knows which directory the path is relative to:
// each candidate is tried.
func (i *inspection) follow(file string, n named) error {
	path, err := template.Substitute(n.path, template.Mapping(i.vars.Resolve))
	if err != nil || path == "" {
		return nil // the library's to say
	}
	composes := n.kind == "include" || n.kind == "extends"
	if composes && path != "-" && !local(path, i.remotes) {
		i.remote = true
		return nil
	}
	by := fmt.Sprintf("%s:%d", file, n.line)
	for _, dir := range n.dirs {
		candidate := absolute(dir, path)
		if !composes {
			if err := i.envFile(candidate, by); err != nil {
				return err
			}
			continue
		}
		if err := i.composeFile(candidate, by, n.dirs); err != nil {
			return err
		}
		if n.kind == "include" {
			if err := i.envFile(filepath.Join(filepath.Dir(candidate), ".env"), by); err != nil {
				return err
			}
		}
	}
	return nil
}
