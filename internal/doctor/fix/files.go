package fix

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/25eloquence/compose-mage/internal/doctor/check"
	"github.com/25eloquence/compose-mage/internal/doctor/edit"
	"github.com/25eloquence/compose-mage/internal/doctor/source"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/regular"
	"github.com/25eloquence/compose-mage/internal/secret"
)

// mostBytes bounds a file, as the loader does.
const mostBytes = 8 << 20

func refuse(format string, args ...any) error {
	return &edit.Refusal{Why: fmt.Sprintf(format, args...)}
}

// dir is the project's directory.
func (p *planner) dir() string {
	if p.Model == nil {
		return ""
	}
	return p.Model.Project.WorkingDir
}

// shortest is a path as seen from the project's directory, where it is in there.
func (p *planner) shortest(path string) string { return shortest(p.dir(), path) }

func shortest(dir, path string) string {
	if rel, err := filepath.Rel(dir, path); err == nil && filepath.IsLocal(rel) {
		return rel
	}
	return path
}

// fileOf gives the file of an edit. A key that is to be changed is in the last file that has it; one that is to be
// added goes to the last file that has most of its path, and where that is a service by itself, to the file that says
// what its image is.
func (p *planner) fileOf(e check.Edit) (string, error) {
	if e.File != "" {
		return e.File, p.mayChange(e.File, len(e.Lines) > 0)
	}
	if p.Model == nil {
		return "", refuse("the Compose files do not load")
	}
	depth := map[string]int{}
	files := slices.Concat(p.Model.Files, p.Model.Read)
	best, deepest := "", 0
	for _, f := range files {
		have := p.depth(f, e.Path)
		own := slices.Contains(p.Model.Files, f)
		if have > deepest || have == deepest && have > 0 && (own || e.Old != "" || e.Delete) {
			best, deepest = f, have
		}
		depth[f] = have
	}
	if deepest == 0 || (e.Old != "" || e.Delete) && deepest < len(e.Path) {
		return "", refuse("%s is in none of the project's files", strings.Join(e.Path, "."))
	}
	if len(e.Path) > 2 && deepest == 2 && e.Path[0] == "services" {
		for _, f := range p.Model.Files {
			if depth[f] == deepest && p.defines(f, e.Path[1]) {
				best = f
			}
		}
	}
	return best, p.mayChange(best, false)
}

// parsed reads a file with its nodes, as it is by now.
func (p *planner) parsed(path string) (source.File, bool) {
	text := p.texts[path].after
	if text == nil {
		var err error
		if text, err = regular.Read(path, mostBytes); err != nil {
			return source.File{}, false
		}
	}
	return source.Parse(path, text)
}

// depth is how many of the keys of a path a file has.
func (p *planner) depth(file string, path []string) int {
	f, ok := p.parsed(file)
	for n := len(path); ok && n > 0; n-- {
		if _, value := source.Find(f.Root, path[:n]...); value != nil {
			return n
		}
	}
	return 0
}

// defines says whether a file says what a service's image is.
func (p *planner) defines(file, service string) bool {
	return slices.ContainsFunc([]string{"image", "build", "extends", "provider"}, func(key string) bool {
		return p.depth(file, []string{"services", service, key}) == 3
	})
}

// mayChange says why a file is not changed, whatever the edit; nil where it may be. new says that the file need not be
// there.
func (p *planner) mayChange(path string, new bool) error {
	short := p.shortest(path)
	own := p.Model != nil && slices.Contains(p.Model.Files, path)
	switch {
	case !new && !own:
		return refuse("%s is included or extended, and may be another project's too", short)
	case !new && slices.Contains(p.Model.Read, path):
		return refuse("%s is extended by itself", short)
	case filepath.Ext(path) == ".json":
		return refuse("%s is JSON", short)
	}
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && new:
		info, err = os.Stat(filepath.Dir(path))
		if err != nil || !info.IsDir() {
			return refuse("there is no directory for %s", short)
		}
	case err != nil:
		return refuse("%s is not on this machine", short)
	case info.Mode()&fs.ModeSymlink != 0, links(info) > 1:
		return refuse("%s is a link, and may be another's file", short)
	case !info.Mode().IsRegular():
		return refuse("%s is no regular file", short)
	}
	return p.notLinked(path, short)
}

// notLinked refuses a file that is below the project's directory by its name, and elsewhere by a link on the way.
func (p *planner) notLinked(path, short string) error {
	rel, err := filepath.Rel(p.dir(), path)
	if err != nil || !filepath.IsLocal(rel) {
		return nil
	}
	root, err := filepath.EvalSymlinks(p.dir())
	if err != nil {
		return nil //nolint:nilerr // reading the file says it
	}
	real, err := filepath.EvalSymlinks(filepath.Dir(path))
	if err == nil && real != filepath.Join(root, filepath.Dir(rel)) {
		return refuse("%s is below a link, and may be another's file", short)
	}
	return nil
}

// read reads a file that is to be changed.
func (p *planner) read(path string, new bool) (content, error) {
	text, err := regular.Read(path, mostBytes)
	if errors.Is(err, fs.ErrNotExist) && new {
		return content{path: path, made: true}, nil
	}
	if err != nil {
		return content{}, fault.New(fault.Config, fault.Correct, "reading %q: %w", path, err)
	}
	return content{path: path, before: text, after: text}, nil
}

// pair is a key with a value on its line.
var pair = regexp.MustCompile(`([\w.-]+)(["']?\s*:\s+)("[^"]*"|'[^']*'|[^\s,}\]#{\[][^,}\]]*)`)

// shown gives the diff of a file, for people who may be many: without secrets.
func shown(c content, dir string) []string {
	diff := edit.Diff(shortest(dir, c.path), c.before, c.after)
	for i, line := range diff {
		line = secret.Masked(string(bytes.TrimRight([]byte(line), "\r")))
		diff[i] = pair.ReplaceAllStringFunc(line, func(text string) string {
			if part := pair.FindStringSubmatch(text); secret.Named(part[1]) {
				return part[1] + part[2] + "…"
			}
			return text
		})
	}
	return diff
}
