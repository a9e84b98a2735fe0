package compose

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/docker/compose/v5/pkg/api"

	"github.com/25eloquence/compose-mage/internal/regular"
)

// instead is the library's loader of Compose files that another text stands for.
type instead struct{ texts map[string]string } // the paths of the texts, by those of the files

// Accept says whether the file has another text.
func (i instead) Accept(path string) bool { return i.texts[path] != "" }

// Load gives the path of the text.
func (i instead) Load(_ context.Context, path string) (string, error) { return i.texts[path], nil }

// Dir gives the directory of the file, not that of the text.
func (i instead) Dir(path string) string { return filepath.Dir(path) }

// readInstead has the library read the texts of Request.Instead, which are in a directory of their own until remove is
// called: the library takes Compose files by their paths alone.
func (l *loading) readInstead(o *api.ProjectLoadOptions) (remove func(), err error) {
	if len(l.request.Instead) == 0 {
		return func() {}, nil
	}
	dir, err := os.MkdirTemp("", "compose-mage-")
	if err != nil {
		return nil, fmt.Errorf("making a directory for Compose files that are tried: %w", err)
	}
	tried.Add(1)
	remove = func() {
		_ = os.RemoveAll(dir)
		tried.Add(-1)
	}
	texts := instead{texts: map[string]string{}}
	for n, file := range l.model.Files {
		for path, text := range l.request.Instead {
			if !regular.SameFile(file, path) {
				continue
			}
			texts.texts[file] = filepath.Join(dir, fmt.Sprintf("%d-%s", n, filepath.Base(file)))
			if err := os.WriteFile(texts.texts[file], text, 0o600); err != nil {
				remove()
				return nil, fmt.Errorf("writing a Compose file that is tried: %w", err)
			}
		}
	}
	o.WorkingDir = l.inspection.dir // not that of the texts
	o.ProjectOptionsFns = append(o.ProjectOptionsFns, cli.WithResourceLoader(texts))
	return remove, nil
}
