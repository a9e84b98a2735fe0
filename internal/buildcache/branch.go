package buildcache

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/25eloquence/compose-mage/internal/bounded"
)

// Branch is the branch whose results a build in dir writes: GitHub's own word for it in a workflow, else Git's HEAD. ""
// where there is none, as on a detached HEAD.
func Branch(dir string, lookup func(string) (string, bool)) string {
	for _, name := range []string{"GITHUB_HEAD_REF", "GITHUB_REF_NAME"} {
		if v, _ := lookup(name); v != "" {
			return v
		}
	}
	head, err := bounded.ReadFile(filepath.Join(gitDir(dir), "HEAD"))
	if err != nil {
		return ""
	}
	branch, found := strings.CutPrefix(strings.TrimSpace(string(head)), "ref: refs/heads/")
	if !found {
		return ""
	}
	return branch
}

// gitDir finds the .git directory of dir or of a directory above it; a worktree has a file there that names it.
func gitDir(dir string) string {
	for {
		path := filepath.Join(dir, ".git")
		info, err := os.Stat(path)
		if err == nil && info.IsDir() {
			return path
		}
		if err == nil {
			text, _ := bounded.ReadFile(path)
			target := strings.TrimSpace(strings.TrimPrefix(string(text), "gitdir:"))
			if !filepath.IsAbs(target) {
				target = filepath.Join(dir, target)
			}
			return target
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return ""
		}
		dir = parent
	}
}
