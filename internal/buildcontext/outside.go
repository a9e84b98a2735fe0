package buildcontext

import (
	"os"
	"path/filepath"
)

// Outside says whether a build context lies outside the project: a build may use it, but what is in it is not
// versioned with the Compose files. The project ends at the root of its Git work tree. Without one it ends at the
// directory of the Compose files, or at that one's parent where it is called "compose", as in this repository, whose
// contexts are "..". A link counts as what it points to.
func Outside(projectDir, contextDir string) bool {
	project, context := resolve(projectDir), resolve(contextDir)
	rel, err := filepath.Rel(boundary(project), context)
	return err != nil || !filepath.IsLocal(rel)
}

// boundary is the project's outermost directory. A work tree's .git may be a file (a submodule, `git worktree`).
func boundary(project string) string {
	for dir := project; ; dir = filepath.Dir(dir) {
		if _, err := os.Lstat(filepath.Join(dir, ".git")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			break
		}
	}
	if filepath.Base(project) == "compose" {
		return filepath.Dir(project)
	}
	return project
}

// resolve gives a path without links, as far as that can be told.
func resolve(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	if resolved, err := filepath.EvalSymlinks(path); err == nil {
		return resolved
	}
	return filepath.Clean(path)
}
