//go:build integration

package enginetest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/tonistiigi/fsutil"
)

// solve builds the Dockerfile and says how many of its steps came from the cache.
func solve(t *testing.T, c *client.Client, dockerfile string) (steps, cached int, err error) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(dockerfile), 0o600); err != nil {
		t.Fatal(err)
	}
	fs, err := fsutil.NewFS(dir)
	if err != nil {
		t.Fatal(err)
	}
	status := make(chan *client.SolveStatus)
	drained := make(chan struct{})
	seen := map[string]bool{}
	go func() {
		defer close(drained)
		for s := range status {
			for _, v := range s.Vertexes {
				if v.Completed != nil && strings.Contains(v.Name, "] RUN ") { // FROM is never said to be cached
					seen[v.Digest.String()] = seen[v.Digest.String()] || v.Cached
				}
			}
		}
	}()
	_, err = c.Solve(t.Context(), nil, client.SolveOpt{
		Frontend: "dockerfile.v0", LocalMounts: map[string]fsutil.FS{"context": fs, "dockerfile": fs},
	}, status)
	<-drained
	for _, hit := range seen {
		steps++
		if hit {
			cached++
		}
	}
	return steps, cached, err
}

func TestIntegrationBuilderIsFreshAndOutlivesKills(t *testing.T) {
	b := Builder(t)
	const dockerfile = "FROM debian:bookworm-slim\nRUN echo one >/one\nRUN echo two >/two\n"
	steps, cached, err := solve(t, b.Client(), dockerfile)
	if err != nil || steps == 0 || cached != 0 {
		t.Fatalf("first build: %d of %d steps cached, %v", cached, steps, err)
	}
	if steps, cached, err = solve(t, b.Client(), dockerfile); err != nil || cached != steps {
		t.Errorf("second build: %d of %d steps cached, %v", cached, steps, err)
	}
	failed := make(chan error, 1)
	go func() {
		_, _, err := solve(t, b.Client(), "FROM debian:bookworm-slim\nRUN sleep 100\n")
		failed <- err
	}()
	time.Sleep(2 * time.Second)
	b.Kill()
	select {
	case err := <-failed:
		if err == nil {
			t.Error("a build went on without its builder")
		}
	case <-time.After(20 * time.Second):
		t.Fatal("a build did not notice that its builder is gone")
	}
	b.Start()
	if steps, cached, err = solve(t, b.Client(), dockerfile); err != nil || cached != steps {
		t.Errorf("after a kill: %d of %d steps cached, %v", cached, steps, err)
	}
	other := Builder(t)
	if steps, cached, err = solve(t, other.Client(), dockerfile); err != nil || cached != 0 {
		t.Errorf("another builder: %d of %d steps cached, %v", cached, steps, err)
	}
}
