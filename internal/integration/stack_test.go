//go:build integration

package integration

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/buildcache"
	"github.com/25eloquence/compose-mage/internal/builder"
	"github.com/25eloquence/compose-mage/internal/buildplan"
	"github.com/25eloquence/compose-mage/internal/builds"
	"github.com/25eloquence/compose-mage/internal/compose"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/image"
	"github.com/25eloquence/compose-mage/internal/lifecycle"
	"github.com/25eloquence/compose-mage/internal/solve"
	"github.com/25eloquence/compose-mage/internal/ui"
	"github.com/25eloquence/compose-mage/internal/verify"
)

// fixture is a project of its own on the shared engine, removed when the test ends.
type fixture struct {
	t       *testing.T
	dir     string
	name    string
	engine  *engine.Engine
	out     bytes.Buffer
	memory  string               // what builds leave for the next
	with    func(*image.Options) // a last word on the options of a build; nil for none
	noCache bool                 // every step of a build runs
}

// newFixture writes the files (names and contents in turn); a compose.yaml needs no name.
func newFixture(t *testing.T, files ...string) *fixture {
	t.Helper()
	for _, v := range []string{"COMPOSE_FILE", "COMPOSE_PROFILES", "COMPOSE_PROJECT_NAME", compose.TierVariable} {
		t.Setenv(v, "")
		_ = os.Unsetenv(v)
	}
	f := &fixture{t: t, dir: t.TempDir(), memory: t.TempDir(), name: fmt.Sprintf("it-%d", time.Now().UnixNano())}
	t.Setenv("COMPOSE_PROJECT_NAME", f.name)
	for i := 0; i < len(files); i += 2 {
		f.write(files[i], files[i+1])
	}
	e, err := engine.Connect(context.Background())
	if err != nil {
		t.Fatalf("integration tests need an engine: %v", err)
	}
	f.engine = e
	t.Cleanup(f.remove)
	return f
}

func (f *fixture) write(name, content string) {
	f.t.Helper()
	path := filepath.Join(f.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		f.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		f.t.Fatal(err)
	}
}

var serviceBinary = sync.OnceValues(func() (string, error) {
	path := filepath.Join(os.TempDir(), fmt.Sprintf("integration-service-%d", os.Getpid()))
	command := exec.Command("go", "build", "-ldflags=-s -w", "-o", path, "./testdata/service")
	command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	out, err := command.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, nil
})

// withService puts the test service's program and Dockerfile into the fixture's directory.
func (f *fixture) withService() *fixture {
	f.t.Helper()
	path, err := serviceBinary()
	if err != nil {
		f.t.Fatal(err)
	}
	program, err := os.ReadFile(path)
	if err != nil {
		f.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(f.dir, "service"), program, 0o755); err != nil {
		f.t.Fatal(err)
	}
	f.write("Dockerfile", "FROM scratch\nCOPY service /service\nUSER 10001\nENTRYPOINT [\"/service\"]\n")
	return f
}

func (f *fixture) load() *compose.Model {
	f.t.Helper()
	f.t.Setenv("COMPOSE_PROJECT_NAME", f.name)
	s, err := compose.Load(context.Background(), compose.Request{Dir: f.dir, Machine: f.engine.Machine()})
	if err != nil {
		f.t.Fatal(err)
	}
	return s
}

// build builds the fixture's images with a cache in registry ("" for none).
func (f *fixture) build(ctx context.Context, registry string) ([]image.Result, error) {
	f.t.Helper()
	return f.buildProject(ctx, f.load().Project, registry)
}

func (f *fixture) buildProject(ctx context.Context, project *types.Project, registry string) ([]image.Result, error) {
	f.t.Helper()
	cache, err := buildcache.Parse(registry)
	if err != nil {
		return nil, err
	}
	b, err := builder.Connect(context.Background(), os.Getenv(verify.BuilderVariable))
	if err != nil {
		f.t.Fatalf("integration tests need a builder: %v", err)
	}
	defer b.Close()
	o := image.Options{
		Builders: []*builder.Builder{b}, Engine: f.engine, Out: ui.New(&f.out), Progress: "auto", Cache: cache,
		Memory: f.memory, Builds: f.builds(),
		Environment: solve.Environment{Lookup: project.Environment.Resolve, Secrets: project.Secrets},
	}
	if f.with != nil {
		f.with(&o)
	}
	p, err := buildplan.Make(project, buildplan.Options{NoCache: f.noCache, Push: o.Push})
	if err != nil {
		return nil, err
	}
	return image.Build(ctx, p, o)
}

// builds is the record of what was built.
func (f *fixture) builds() *builds.Store {
	return builds.Open(f.memory, f.name, f.dir, f.engine.Info.ID)
}

func (f *fixture) mustBuild() []image.Result {
	f.t.Helper()
	results, err := f.build(context.Background(), "")
	if err != nil {
		f.t.Fatalf("%v\n%s", err, f.out.String())
	}
	return results
}

func (f *fixture) start(ctx context.Context) error {
	return lifecycle.Start(ctx, f.engine, f.load().Project, lifecycle.StartOptions{Out: ui.New(&f.out)})
}

// inspect gives the project's containers by service.
func (f *fixture) inspect() map[string]client.ContainerInspectResult {
	f.t.Helper()
	list, err := f.engine.ContainerList(context.Background(), client.ContainerListOptions{
		All:     true,
		Filters: client.Filters{}.Add("label", "com.docker.compose.project="+f.name),
	})
	if err != nil {
		f.t.Fatal(err)
	}
	out := map[string]client.ContainerInspectResult{}
	for _, c := range list.Items {
		found, err := f.engine.ContainerInspect(context.Background(), c.ID, client.ContainerInspectOptions{})
		if err != nil {
			f.t.Fatal(err)
		}
		out[c.Labels["com.docker.compose.service"]] = found
	}
	return out
}

// removeContainers removes the project's containers and nothing else, but for their anonymous volumes.
func (f *fixture) removeContainers() {
	list, err := f.engine.ContainerList(context.Background(), client.ContainerListOptions{
		All: true, Filters: client.Filters{}.Add("label", "com.docker.compose.project="+f.name),
	})
	if err != nil {
		f.t.Errorf("removing the containers: %v", err)
	}
	for _, c := range list.Items {
		_, _ = f.engine.ContainerRemove(context.Background(), c.ID,
			client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
	}
}

func (f *fixture) remove() {
	ctx := context.Background()
	f.removeContainers()
	mine := client.Filters{}.Add("label", "com.docker.compose.project="+f.name)
	if volumes, err := f.engine.VolumeList(ctx, client.VolumeListOptions{Filters: mine}); err == nil {
		for _, v := range volumes.Items {
			_, _ = f.engine.VolumeRemove(ctx, v.Name, client.VolumeRemoveOptions{})
		}
	}
	if networks, err := f.engine.NetworkList(ctx, client.NetworkListOptions{Filters: mine}); err == nil {
		for _, n := range networks.Items {
			_, _ = f.engine.NetworkRemove(ctx, n.ID, client.NetworkRemoveOptions{})
		}
	}
	if images, err := f.engine.ImageList(ctx, client.ImageListOptions{All: true, Filters: mine}); err == nil {
		for _, i := range images.Items {
			_, _ = f.engine.ImageRemove(ctx, i.ID, client.ImageRemoveOptions{Force: true})
		}
	}
}

func contains(t *testing.T, text string, wanted ...string) {
	t.Helper()
	for _, w := range wanted {
		if !strings.Contains(text, w) {
			t.Errorf("%q is not in:\n%s", w, text)
		}
	}
}
