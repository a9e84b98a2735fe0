package compose

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime/metrics"
	"strings"
	"sync/atomic"
	"time"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/bounded"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// What Compose's library may take to read a project's files; variables for tests. It reads each whole, however long, and waits for a pipe
// as long as nobody writes to it.
var (
	readWithin       = 45 * time.Second // without what is fetched from afar
	readBytes  int64 = 1 << 30
)

// guard watches over what Compose's library reads.
type guard struct {
	files   []string // that are known, for the error
	remotes []loader.ResourceLoader
	fetches atomic.Bool // something is fetched, which may take as long as it takes
	dirs    []string    // that paths may be relative to
}

func newGuard(files []string, remotes []loader.ResourceLoader) *guard {
	g := &guard{remotes: remotes}
	for _, file := range files {
		switch {
		case file == "-":
		case !local(file, remotes):
			g.fetches.Store(true)
		default:
			g.files, g.dirs = append(g.files, file), append(g.dirs, filepath.Dir(file))
		}
	}
	return g
}

// check refuses a known file that has no end, or is too large.
func (g *guard) check() error {
	for _, file := range g.files {
		if err := bounded.CheckFile(file); err != nil {
			return err
		}
	}
	return nil
}

// Accept implements loader.ResourceLoader: of what is included and extended, this loader takes what is refused.
func (g *guard) Accept(path string) bool {
	if !local(path, g.remotes) {
		g.fetches.Store(true)
		return false
	}
	return g.refused(path) != nil
}

// Load implements loader.ResourceLoader.
func (g *guard) Load(_ context.Context, path string) (string, error) { return "", g.refused(path) }

// Dir implements loader.ResourceLoader.
func (g *guard) Dir(path string) string { return filepath.Dir(path) }

func (g *guard) refused(path string) error {
	if filepath.IsAbs(path) {
		return bounded.CheckFile(path)
	}
	for _, dir := range g.dirs {
		if err := bounded.CheckFile(filepath.Join(dir, path)); err != nil {
			return err
		}
	}
	return nil
}

// guarded calls read, which can't be called off, and gives up where it takes more time or memory than any project's files do.
func guarded[T any](ctx context.Context, g *guard, read func() (T, error)) (result T, err error) {
	if err := g.check(); err != nil {
		return result, err
	}
	type outcome struct {
		result T
		err    error
	}
	began, before, done := time.Now(), heap(), make(chan outcome, 1)
	go func() {
		r, err := read()
		done <- outcome{r, err}
	}()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case o := <-done:
			return o.result, o.err
		case <-ctx.Done():
			return result, context.Cause(ctx)
		case <-tick.C:
		}
		if err := g.exceeded(time.Since(began), heap()-before); err != nil {
			return result, err
		}
	}
}

// exceeded says what takes more time or memory than it may; nil where nothing does.
func (g *guard) exceeded(took time.Duration, used int64) error {
	if used > readBytes {
		return fault.New(fault.Config, g.next(), "reading the Compose files %s: %w: what they name has more than %s", g, bounded.ErrTooLarge, ui.Bytes(readBytes))
	}
	if took > readWithin && !g.fetches.Load() {
		return fault.New(fault.Config, g.next(), "reading the Compose files %s has not ended within %s: one of the files that they name is a pipe that nobody writes to", g, readWithin)
	}
	return nil
}

// String names the files, those first that may be the cause.
func (g *guard) String() string {
	var pipes []string
	for _, file := range g.files {
		if bounded.IsPipe(file) {
			pipes = append(pipes, file)
		}
	}
	if len(pipes) > 0 {
		return strings.Join(pipes, ", ")
	}
	return strings.Join(g.files, ", ")
}

func (g *guard) next() string {
	var quoted []string
	for _, file := range g.files {
		quoted = append(quoted, fmt.Sprintf("%q", file))
	}
	return "ls -lL " + strings.Join(quoted, " ") + " and what they include"
}

// heap is how much memory is in use, in bytes.
func heap() int64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return int64(sample[0].Value.Uint64()) //nolint:gosec // no machine has half of that
}

// resolve gives the services what is in their env_file.
func resolve(ctx context.Context, project *types.Project) (*types.Project, error) {
	g := &guard{}
	for _, s := range project.Services {
		for _, file := range s.EnvFiles {
			g.files = append(g.files, file.Path)
		}
	}
	if err := checkProfiles(project); err != nil {
		return nil, err
	}
	return guarded(ctx, g, func() (*types.Project, error) { return project.WithServicesEnvironmentResolved(true) })
}

// checkProfiles refuses what is no file in place of a seccomp profile, which Compose's library reads whole when it makes a container.
func checkProfiles(project *types.Project) error {
	for _, s := range project.Services {
		for _, option := range s.SecurityOpt {
			kind, path, found := strings.Cut(option, "=")
			if !found {
				kind, path, _ = strings.Cut(option, ":")
			}
			if kind != "seccomp" || path == "unconfined" || path == "builtin" {
				continue
			}
			path = project.RelativePath(path)
			if err := bounded.CheckFile(path); err != nil {
				return err
			}
			if bounded.IsPipe(path) {
				return fault.New(fault.Config, fmt.Sprintf("ls -lL %q", path), "service %q: its seccomp profile %q is a pipe, not a file", s.Name, path)
			}
		}
	}
	return nil
}
