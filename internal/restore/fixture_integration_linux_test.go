//go:build integration

package restore

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/backup"
	"github.com/25eloquence/compose-mage/internal/compose"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/enginetest"
	"github.com/25eloquence/compose-mage/internal/snapshots"
	"github.com/25eloquence/compose-mage/internal/sources"
	"github.com/25eloquence/compose-mage/internal/state"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// fixture is a project with volumes of its own, whose container is made by hand and labelled as Compose's.
type fixture struct {
	t      *testing.T
	engine *engine.Engine
	name   string
	dir    string // of the project, and the working directory
	repo   string
	out    bytes.Buffer
}

// backupVariable makes the test's program back the project of the working directory up, to be killed meanwhile.
const backupVariable = "BACKUP_TEST"

func TestMain(m *testing.M) {
	if os.Getenv(backupVariable) != "" {
		ctx := context.Background()
		e, err := engine.Connect(ctx)
		if err == nil {
			_, err = backUp(ctx, e, ui.Stdout())
		}
		fmt.Println("ended:", err)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// backUp backs the project of the working directory up.
func backUp(ctx context.Context, e *engine.Engine, out *ui.Out) (backup.Result, error) {
	model, err := compose.Load(ctx, compose.Request{})
	if err != nil {
		return backup.Result{}, err
	}
	o := backup.Options{Engine: e, Model: model, Out: out}
	plan, err := backup.Prepare(ctx, o)
	if err != nil {
		return backup.Result{}, err
	}
	return backup.Run(ctx, o, plan)
}

func newFixture(t *testing.T, composeFile string) *fixture {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("the volumes' files are root's")
	}
	if _, err := exec.LookPath("restic"); err != nil {
		t.Fatal("this test needs restic: go tool mage setup -backup")
	}
	f := &fixture{
		t: t, engine: enginetest.Connect(t), name: fmt.Sprintf("bk-%d", time.Now().UnixNano()), dir: t.TempDir(),
	}
	f.repo = filepath.Join(t.TempDir(), "repository")
	f.cheapRepository(f.repo)
	t.Setenv(state.Variable, t.TempDir())
	t.Setenv("COMPOSE_FILE", "")
	_ = os.Unsetenv("COMPOSE_FILE")
	t.Setenv("COMPOSE_PROJECT_NAME", f.name)
	t.Setenv(snapshots.RepositoryVariable, f.repo)
	t.Chdir(f.dir)
	f.write("compose.yaml", composeFile)
	t.Cleanup(f.removeVolumes)
	return f
}

// cheapRepository makes a repository whose key is cheap to derive from the password: half a second less for each run of
// restic. It is restic's own but for the parameters of its key; TestIntegrationPasswords and remote ones begin without.
func (f *fixture) cheapRepository(path string) {
	f.t.Helper()
	made := filepath.Join(sources.Root(f.t), "internal", "restore", "testdata")
	f.must(os.CopyFS(path, os.DirFS(filepath.Join(made, "repository"))))
	f.t.Setenv(snapshots.PasswordVariable, filepath.Join(made, "password"))
}

func (f *fixture) write(name, text string) {
	f.t.Helper()
	f.must(os.MkdirAll(filepath.Dir(name), 0o700))
	f.must(os.WriteFile(name, []byte(text), 0o600))
}

func (f *fixture) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatalf("%v\n%s", err, f.out.String())
	}
}

// volume makes a volume of the project, and gives the path of its files.
func (f *fixture) volume(key string) string {
	f.t.Helper()
	made, err := f.engine.VolumeCreate(context.Background(), client.VolumeCreateOptions{
		Name: f.name + "_" + key, Labels: map[string]string{
			"com.docker.compose.project": f.name, "com.docker.compose.volume": key, "mine": "yes",
		},
	})
	f.must(err)
	return made.Volume.Mountpoint
}

// path is that of a volume's files, by its full name.
func (f *fixture) path(name string) string {
	f.t.Helper()
	found, err := f.engine.VolumeInspect(context.Background(), name, client.VolumeInspectOptions{})
	f.must(err)
	return found.Volume.Mountpoint
}

func (f *fixture) removeVolumes() {
	all, err := f.engine.VolumeList(context.Background(), client.VolumeListOptions{
		Filters: client.Filters{}.Add("name", f.name+"_"),
	})
	if err != nil {
		f.t.Error(err)
	}
	for _, v := range all.Items {
		if _, err := f.engine.VolumeRemove(context.Background(), v.Name, client.VolumeRemoveOptions{}); err != nil {
			f.t.Error(err)
		}
	}
}

// run runs a service's container, with volumes by key at /key.
func (f *fixture) run(service, image string, command []string, check *moby.HealthConfig, keys ...string) string {
	f.t.Helper()
	host := &moby.HostConfig{}
	for _, key := range keys {
		host.Mounts = append(host.Mounts, mount.Mount{
			Type: mount.TypeVolume, Source: f.name + "_" + key, Target: "/" + key,
		})
	}
	return enginetest.Container(f.t, f.engine, f.name+"-"+service+"-1", &moby.Config{
		Image: image, Cmd: command, Healthcheck: check, Labels: enginetest.Labels(f.name, service, "False"),
	}, host, true)
}

func (f *fixture) backup() backup.Result {
	f.t.Helper()
	r, err := backUp(context.Background(), f.engine, ui.New(&f.out))
	f.must(err)
	return r
}

// target opens the project's repository.
func (f *fixture) target() snapshots.Target {
	f.t.Helper()
	target, err := f.tryTarget(false)
	f.must(err)
	return target
}

// tryTarget opens the project's repository, and where make says so makes one.
func (f *fixture) tryTarget(make bool) (snapshots.Target, error) {
	model, err := compose.Load(context.Background(), compose.Request{})
	if err != nil {
		return snapshots.Target{}, err
	}
	return snapshots.Open(context.Background(), model.Project, ui.New(&f.out), make)
}

func (f *fixture) restore(o Options) Restored {
	f.t.Helper()
	o.Engine, o.Out, o.Project, o.Target = f.engine, ui.New(&f.out), f.name, f.target()
	r, err := Run(context.Background(), o)
	f.must(err)
	return r
}

// numbers reads what the probe has appended: numbers from 1 on without a gap, a part of a last line aside.
func (f *fixture) numbers(path string) int {
	f.t.Helper()
	text, err := os.ReadFile(path)
	f.must(err)
	n := 0
	for line := range strings.Lines(string(text)) {
		if !strings.HasSuffix(line, "\n") {
			break
		}
		if n++; strings.TrimSpace(line) != strconv.Itoa(n) {
			f.t.Fatalf("line %d of %s is %q", n, path, line)
		}
	}
	return n
}

// count is a number of the environment, such as BACKUPS=50.
func count(t *testing.T, variable string, otherwise int) int {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
