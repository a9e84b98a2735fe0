package provision

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/moby/api/types/system"

	"github.com/25eloquence/compose-mage/internal/extension"
	"github.com/25eloquence/compose-mage/internal/golden"
	"github.com/25eloquence/compose-mage/internal/state"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// The dry run's text, of a new machine and of one where all is there.
func TestDryRunText(t *testing.T) {
	var out bytes.Buffer
	for _, f := range []facts{debian(), ready()} {
		p, err := decide(f)
		if err != nil {
			t.Fatal(err)
		}
		p.compare(running{runs: len(f.missing) == 0}, running{runs: len(f.missing) == 0, asWanted: len(f.missing) == 0})
		printOperations(ui.New(&out), p.operations(f))
		out.WriteString("\n")
	}
	golden.Check(t, "dry-run.txt", out.String())
}

// fakeEngine answers what setup asks of an engine before it changes anything, and fails the test where it is asked
// more.
func fakeEngine(t *testing.T) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Api-Version", "1.44")
		switch {
		case strings.HasSuffix(r.URL.Path, "/_ping"):
		case strings.HasSuffix(r.URL.Path, "/info"):
			_ = json.NewEncoder(w).Encode(system.Info{ServerVersion: "29.0.0", OSType: "linux"})
		case r.Method == http.MethodGet:
			http.NotFound(w, r)
		default:
			t.Errorf("the engine is asked to %s %s", r.Method, r.URL.Path)
		}
	}))
	t.Cleanup(server.Close)
	t.Setenv("DOCKER_HOST", "tcp://"+strings.TrimPrefix(server.URL, "http://"))
}

// everything lists the files below dir with their modes, times and contents.
func everything(t *testing.T, dir string) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		var data []byte
		if !d.IsDir() {
			data = read(t, path)
		}
		_, err = fmt.Fprintf(&all, "%s %s %s %q\n", path, info.Mode(), info.ModTime(), data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}

// A dry run makes, starts and changes nothing: not on a new machine, and not over what an earlier setup left.
func TestDryRunTouchesNothing(t *testing.T) {
	fakeEngine(t)
	dir := t.TempDir()
	t.Setenv(state.Variable, filepath.Join(dir, "state"))
	work := filepath.Join(dir, "project")
	write(t, filepath.Join(work, ".env.example"), "A=1\n")
	secret := types.SecretConfig{
		File:       filepath.Join(work, "secrets", "one"),
		Extensions: types.Extensions{extension.Key: map[string]any{"generate": "{hex:8}"}},
	}
	project := &types.Project{
		WorkingDir: work, ComposeFiles: []string{filepath.Join(work,
			"compose.yaml")}, Secrets: types.Secrets{"one": secret},
	}
	run := func(name string) string {
		t.Helper()
		before, processes := everything(t, dir), children(t)
		var said bytes.Buffer
		err := Setup(t.Context(), Options{Out: ui.New(&said), Project: project, DryRun: true})
		if err != nil && strings.Contains(err.Error(), "making the base images") {
			t.Logf("%s: this machine can't make the base images: %v", name, err)
		} else if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if after := everything(t, dir); after != before {
			t.Errorf("%s: before\n%s\nafter\n%s", name, before, after)
		}
		if left := children(t); !slices.Equal(left, processes) {
			t.Errorf("%s: it started something: %v", name, left)
		}
		return said.String()
	}
	t.Setenv("BUILDKIT_HOST", "")
	run("a new machine")
	// What is damaged stays where it is, too.
	write(t, filepath.Join(dir, "state", "state.json"), "{")
	write(t, filepath.Join(dir, "state", "tmp", "left"), "by a killed setup")
	run("over a damaged state")
	t.Setenv("BUILDKIT_HOST", "tcp://127.0.0.1:1")
	said := run("with a builder")
	for _, want := range []string{"BUILDKIT_HOST=tcp://127.0.0.1:1", "secrets", "one", ".env", "from .env.example"} {
		if !strings.Contains(said, want) {
			t.Errorf("%q is not said:\n%s", want, said)
		}
	}
}

// children are this process's children that still run; none where the system does not tell.
func children(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", os.Getpid()))
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, file := range files {
		if data, err := os.ReadFile(file); err == nil {
			all = append(all, strings.Fields(string(data))...)
		}
	}
	slices.Sort(all)
	return all
}
