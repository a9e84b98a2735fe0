//go:build integration

package drill

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/backup"
	"github.com/25eloquence/compose-mage/internal/compose"
	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/enginetest"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/lifecycle"
	"github.com/25eloquence/compose-mage/internal/restic"
	"github.com/25eloquence/compose-mage/internal/snapshots"
	"github.com/25eloquence/compose-mage/internal/sources"
	"github.com/25eloquence/compose-mage/internal/state"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// shop is a redis that runs as a user of its own and says which schema its data has, and one who needs it. Everything
// that would meet the running project, or the machine, is in it.
const shop = `
services:
  redis:
    image: %[1]s
    entrypoint: [redis-server, --dir, /data, --appendonly, "yes", --save, ""]
    command: []
    user: "10001:10001"
    container_name: %[2]s-mine
    restart: always
    labels: {traefik.enable: "true"}
    ports: ["127.0.0.1:${PORT}:6379"]
    networks: {default: {ipv4_address: 172.29.7.10}}
    volumes: [data:/data, notes:/notes, "/etc:/host-etc:ro", "./settings:/settings:ro"]
    secrets: [token]
    healthcheck: {test: [CMD-SHELL, redis-cli ping | grep -q PONG], interval: 1s, timeout: 2s, retries: 3}
    x-compose-mage:
      backup:
        facts: [sh, -c, 'echo keys $$(redis-cli dbsize); echo schema $$(redis-cli get schema)']
  asks:
    image: %[1]s
    entrypoint: [sh, -c]
    command: ['test -s /run/secrets/token && test -s /settings/level && redis-cli -h redis get schema && sleep 1000']
    secrets: [token]
    volumes: ["./settings:/settings:ro", scratch:/scratch]
    depends_on: {redis: {condition: service_healthy}}
  beside:
    image: %[1]s
    entrypoint: [sh, -c]
    user: root
    network_mode: host
    volumes: [scratch:/scratch]
    command: ['test "$$(grep -c docker0 /scratch/net)" = "$$(ls /sys/class/net | grep -c docker0)" && sleep 1000']
    pre_start: [{command: ['ls /sys/class/net >/scratch/net']}]
volumes:
  data:
  notes:
  scratch: {labels: {com.25eloquence.volume: cache}}
networks:
  default: {ipam: {config: [{subnet: 172.29.7.0/24}]}}
secrets:
  token: {file: ./token}
x-compose-mage:
  backup: {keep: {last: 100}}
`

// fixture is the project, running, with two snapshots: of schema 1, and of schema 2.
type fixture struct {
	*testing.T
	engine   *engine.Engine
	name     string
	repo     string
	password string
	old, new snapshots.Snapshot
	said     bytes.Buffer
}

func (f *fixture) must(err error) {
	f.Helper()
	if err != nil {
		f.Fatalf("%v\n%s", err, f.said.String())
	}
}

func (f *fixture) model() *compose.Model {
	f.Helper()
	m, err := compose.Load(f.Context(), compose.Request{})
	f.must(err)
	return m
}

// bareFixture has a project's name, directory and repository, and nothing of the engine.
func bareFixture(t *testing.T) *fixture {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("the volumes' files are root's")
	}
	f := &fixture{
		T: t, engine: enginetest.Connect(t), name: fmt.Sprintf("drill-%d", time.Now().UnixNano()),
		repo: filepath.Join(t.TempDir(), "repository"),
	}
	// A repository whose key is cheap to derive from the password: half a second less for each run of restic.
	made := filepath.Join(sources.Root(t), "internal", "restore", "testdata")
	f.password = filepath.Join(made, "password")
	f.must(os.CopyFS(f.repo, os.DirFS(filepath.Join(made, "repository"))))
	for name, value := range map[string]string{
		state.Variable: t.TempDir(), "COMPOSE_PROJECT_NAME": f.name, snapshots.RepositoryVariable: f.repo,
		snapshots.PasswordVariable: f.password, "COMPOSE_FILE": "",
		"PORT": fmt.Sprint(20000 + time.Now().UnixNano()%9000),
	} {
		t.Setenv(name, value)
	}
	_ = os.Unsetenv("COMPOSE_FILE")
	t.Chdir(t.TempDir())
	t.Cleanup(func() { f.must(removeAll(context.Background(), f.engine, f.name)) })
	return f
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	shipped, err := compose.Load(t.Context(), compose.Request{Dir: filepath.Join("..", "..")})
	if err != nil {
		t.Fatal(err)
	}
	f := bareFixture(t)
	f.must(os.Mkdir("settings", 0o755))
	for name, text := range map[string]string{
		"compose.yaml": fmt.Sprintf(shop, shipped.Project.Services["redis"].Image, f.name),
		"token":        "hush\n", "settings/level": "3\n",
	} {
		f.must(os.WriteFile(name, []byte(text), 0o644))
	}
	for _, key := range []string{"data", "notes"} {
		made, err := f.engine.VolumeCreate(t.Context(), client.VolumeCreateOptions{
			Name:   f.name + "_" + key,
			Labels: map[string]string{container.ProjectLabel: f.name, container.VolumeLabel: key},
		})
		f.must(err)
		f.must(os.Chown(made.Volume.Mountpoint, 10001, 10001))
		if key == "notes" {
			f.must(os.WriteFile(filepath.Join(made.Volume.Mountpoint, "note"), []byte("x"), 0o644))
		}
	}
	f.must(lifecycle.Start(t.Context(), f.engine, f.model().Project, lifecycle.StartOptions{Out: ui.New(&f.said)}))
	f.redis("set", "schema", "1")
	f.old = f.save()
	f.redis("set", "schema", "2")
	f.new = f.save()
	return f
}

// removeAll removes what a project has on the engine.
func removeAll(ctx context.Context, e *engine.Engine, project string) error {
	mine := make(client.Filters).Add("label", container.ProjectLabel+"="+project)
	containers, err := e.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: mine})
	for _, c := range containers.Items {
		_, failed := e.ContainerRemove(ctx, c.ID, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
		err = errors.Join(err, failed)
	}
	networks, failed := e.NetworkList(ctx, client.NetworkListOptions{Filters: mine})
	err = errors.Join(err, failed)
	for _, n := range networks.Items {
		_, failed := e.NetworkRemove(ctx, n.ID, client.NetworkRemoveOptions{})
		err = errors.Join(err, failed)
	}
	volumes, failed := e.VolumeList(ctx, client.VolumeListOptions{Filters: mine})
	err = errors.Join(err, failed)
	for _, v := range volumes.Items {
		_, failed := e.VolumeRemove(ctx, v.Name, client.VolumeRemoveOptions{})
		err = errors.Join(err, failed)
	}
	return err
}

func (f *fixture) redis(words ...string) {
	f.Helper()
	done, err := engine.Exec(f.Context(), f.engine, f.name+"-mine", append([]string{"redis-cli"}, words...))
	f.must(err)
	if done.Code != 0 {
		f.Fatalf("%v: %s%s", words, done.Stdout, done.Stderr)
	}
}

// save backs the project up.
func (f *fixture) save() snapshots.Snapshot {
	f.Helper()
	o := backup.Options{Engine: f.engine, Model: f.model(), Out: ui.New(&f.said)}
	plan, err := backup.Prepare(f.Context(), o)
	f.must(err)
	_, err = backup.Run(f.Context(), o, plan)
	f.must(err)
	all, err := f.target().List(f.Context(), f.name)
	f.must(err)
	return all[len(all)-1]
}

func (f *fixture) target() snapshots.Target {
	f.Helper()
	t, err := snapshots.Open(f.Context(), f.model().Project, ui.New(&f.said), false)
	f.must(err)
	return t
}

// try runs a drill, after which nothing of it is left and the running project is as before.
func (f *fixture) try(target snapshots.Target, at string) (Result, error) {
	f.Helper()
	f.said.Reset()
	result, err := Run(f.Context(), Options{
		Engine: f.engine, Out: ui.New(&f.said), Target: target, Project: f.name, At: at, Timeout: time.Minute,
	})
	f.nothingLeft()
	f.redis("ping")
	return result, err
}

// plant makes a snapshot of the new one as change leaves it, and gives its ID.
func (f *fixture) plant(change func(dir string, m *snapshots.Manifest, counted sizes)) string {
	f.Helper()
	target, dir := f.target(), f.TempDir()
	f.must(target.Repository.Restore(f.Context(), f.new.ID, dir, []string{"/"}, nil))
	// What the others are for, the good snapshot has tried; without them a drill is over sooner.
	model := filepath.Join(dir, snapshots.FilesDir, "compose.yaml")
	services, err := os.ReadFile(model)
	f.must(err)
	for _, name := range []string{"asks", "beside"} {
		services = bytes.Replace(services, []byte("  "+name+":\n"), []byte("  "+name+":\n    profiles: [others]\n"), 1)
	}
	f.must(os.WriteFile(model, services, 0o600))
	file := filepath.Join(dir, snapshots.ManifestName)
	text, err := os.ReadFile(file)
	f.must(err)
	var m snapshots.Manifest
	f.must(json.Unmarshal(text, &m))
	counted := m.Sizes
	m.Sizes = map[string]snapshots.Size{} // without hashes, so that what else finds the fault is tried
	for key, size := range counted {
		m.Sizes[key] = snapshots.Size{Files: size.Files, Bytes: size.Bytes}
	}
	change(dir, &m, counted)
	text, err = json.Marshal(m)
	f.must(errors.Join(err, os.WriteFile(file, text, 0o600)))
	entries, err := os.ReadDir(dir)
	f.must(err)
	source := restic.Source{Dir: dir, Tags: []string{snapshots.GoodTag, snapshots.ProjectTag + f.name}}
	for _, e := range entries {
		source.Paths = append(source.Paths, e.Name())
	}
	saved, err := target.Repository.Backup(f.Context(), source)
	f.must(err)
	return saved.ID[:8]
}

// appendOnly are the files that redis appends to, the one it appends to now last.
func appendOnly(dir string) []string {
	var out []string
	_ = filepath.WalkDir(filepath.Join(dir, snapshots.VolumesDir, "data"),
		func(path string, e fs.DirEntry, err error) error {
			if err == nil && strings.HasSuffix(path, ".aof") {
				out = append(out, path)
			}
			return nil
		})
	slices.Sort(out)
	return out
}

// spoil changes each pack of a copy of the repository, and gives the copy.
func (f *fixture) spoil(change func(path string, size int64) error) snapshots.Target {
	f.Helper()
	at := filepath.Join(f.TempDir(), "copy")
	f.must(os.CopyFS(at, os.DirFS(f.repo)))
	f.must(filepath.WalkDir(filepath.Join(at, "data"), func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		if err := os.Chmod(path, 0o600); err != nil {
			return err
		}
		return change(path, info.Size())
	}))
	t := f.target()
	t.Repository.Location = at
	return t
}

// A drill passes on a good snapshot, and finds each of eleven faults in others; it says of each what a person has to
// know.
func TestIntegrationDrillFindsFaults(t *testing.T) {
	f := newFixture(t)
	result, err := f.try(f.target(), "")
	if err != nil || len(result.Services) != 3 || result.Facts != 2 || len(result.Volumes) != 2 ||
		result.Snapshot != f.new.ID {
		t.Fatalf("a good snapshot: %v, %+v\n%s", err, result, f.said.String())
	}
	for _, note := range []string{
		"redis does not see /etc of the host",
		"settings is not in the snapshot: asks sees that of this machine, and can't write there",
	} {
		if !slices.Contains(result.Notes, note) {
			t.Errorf("the notes are %q", result.Notes)
		}
	}
	if got := snapshots.Findings(f.name); len(got) > 0 {
		t.Errorf("after a good drill: %v", got)
	}
	t.Run("under load", func(t *testing.T) { f.T = t; passesUnderLoad(t, f) })
	f.T = t
	f.redis("flushall")
	f.redis("set", "schema", "2")
	f.new = f.save()
	spoilt := map[string]struct {
		change func(path string, size int64) error
		says   string
	}{
		"damaged packs": {func(path string, size int64) error {
			file, err := os.OpenFile(path, os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			_, err = file.WriteAt([]byte("damage"), 10)
			return errors.Join(err, file.Close())
		}, ""},
		"missing packs":   {func(path string, _ int64) error { return os.Remove(path) }, ""},
		"truncated packs": {func(path string, size int64) error { return os.Truncate(path, size/2) }, ""},
	}
	for name, c := range spoilt {
		if name != "damaged packs" && os.Getenv("DRILLS") == "" {
			continue // restic tries again for three quarters of a minute
		}
		t.Run(name, func(t *testing.T) {
			f.T = t
			f.fails(f.spoil(c.change), "", c.says)
		})
	}
	t.Run("wrong password", func(t *testing.T) {
		f.T = t
		wrong := f.target()
		wrong.Repository.PasswordFile = filepath.Join(t.TempDir(), "password")
		f.must(os.WriteFile(wrong.Repository.PasswordFile, []byte("another\n"), 0o600))
		f.fails(wrong, "", "password")
	})
	for name, c := range planted(f) {
		t.Run(name, func(t *testing.T) {
			f.T = t
			f.fails(f.target(), f.plant(c.change), c.says)
		})
	}
	f.T = t
	t.Run("somebody else's", func(t *testing.T) { f.T = t; removesItsOwnAlone(t, f) })
	f.T = t
	found := snapshots.Findings(f.name)
	if len(found) != 1 || found[0].ID != "backup.drill" {
		t.Errorf("after bad drills: %v", found)
	}
}

// sizes are those that a snapshot has counted.
type sizes = map[string]snapshots.Size

type plantedFault struct {
	change func(dir string, m *snapshots.Manifest, counted sizes)
	says   string
}

// planted are the faults of what was saved.
func planted(f *fixture) map[string]plantedFault {
	data := func(dir string) string { return filepath.Join(dir, snapshots.VolumesDir, "data") }
	return map[string]plantedFault{
		"empty volume": {func(dir string, _ *snapshots.Manifest, _ sizes) {
			f.must(errors.Join(os.RemoveAll(data(dir)), os.Mkdir(data(dir), 0o755), os.Chown(data(dir), 10001, 10001)))
		}, `the volume "data" is empty`},
		"emptied before it was saved": {func(dir string, m *snapshots.Manifest, _ sizes) {
			f.must(errors.Join(os.RemoveAll(data(dir)), os.Mkdir(data(dir), 0o755), os.Chown(data(dir), 10001, 10001)))
			m.Sizes["data"] = snapshots.Size{}
		}, `the volume "data" is empty in the snapshot: in the one before`},
		"torn append-only file": {func(dir string, _ *snapshots.Manifest, _ sizes) {
			all := appendOnly(dir)
			last := all[len(all)-1]
			info, err := os.Stat(last)
			f.must(err)
			f.must(os.Truncate(last, info.Size()-5))
		}, "redis: keys is 0; it was 1"},
		"volume left out": {func(dir string, m *snapshots.Manifest, _ sizes) {
			f.must(os.RemoveAll(filepath.Join(dir, snapshots.VolumesDir, "notes")))
			m.Volumes = slices.DeleteFunc(m.Volumes, func(v snapshots.Volume) bool { return v.Key == "notes" })
		}, `the snapshot lacks a volume: "notes" of redis`},
		"old schema": {func(dir string, _ *snapshots.Manifest, _ sizes) {
			f.must(os.RemoveAll(data(dir)))
			f.must(f.target().Repository.Restore(f.Context(), f.old.ID, dir, []string{"/volumes/data"}, nil))
		}, "redis: schema is 1; it was 2"},
		"file that nobody asks for": {func(dir string, m *snapshots.Manifest, counted sizes) {
			m.Sizes = counted
			f.must(os.WriteFile(filepath.Join(dir, snapshots.VolumesDir, "notes", "note"), []byte("y"), 0o644))
		}, `the volume "notes" is not as it was`},
		"lost permission": {func(dir string, _ *snapshots.Manifest, _ sizes) {
			for _, path := range appendOnly(dir) {
				f.must(errors.Join(os.Chown(path, 0, 0), os.Chmod(path, 0o600)))
			}
		}, "redis"},
		"another project's": {
			func(_ string, m *snapshots.Manifest, _ sizes) { m.Project = "other" }, `is of project "other"`,
		},
	}
}

// fails has a drill fail with these words, and a next step.
func (f *fixture) fails(target snapshots.Target, at, says string) {
	f.Helper()
	_, err := f.try(target, at)
	var known *fault.Error
	switch {
	case err == nil:
		f.Fatalf("a drill passes:\n%s", f.said.String())
	case !strings.Contains(err.Error(), says):
		f.Errorf("it says %q, not %q", err, says)
	case !errors.As(err, &known) || known.Next == "":
		f.Errorf("it says nothing of what to do: %v", err)
	}
	f.Log(err)
}

// passesUnderLoad makes drills of snapshots that were taken while the data changed: DRILLS of them, 1 by default.
func passesUnderLoad(t *testing.T, f *fixture) {
	load, err := engine.StartExec(t.Context(), f.engine, f.name+"-mine", []string{
		"sh", "-c",
		`i=0; while [ ! -e /notes/stop ]; do i=$((i+1)); echo "set key$i $i"; [ $((i%3)) != 0 ] || echo "del ` +
			`key$((i-2))"; done | redis-cli`,
	}, false)
	f.must(err)
	defer func() {
		_, err := engine.Exec(context.Background(), f.engine, f.name+"-mine", []string{"touch", "/notes/stop"})
		f.must(err)
		_, err = load.Wait(context.Background())
		f.must(err)
	}()
	n := 1
	if text := os.Getenv("DRILLS"); text != "" {
		_, err := fmt.Sscan(text, &n)
		f.must(err)
	}
	for i := range n {
		f.save()
		if result, err := f.try(f.target(), ""); err != nil || result.Facts != 2 {
			t.Fatalf("drill %d: %v, %+v\n%s", i, err, result, f.said.String())
		}
	}
}

// removesItsOwnAlone: what a drill that was killed has left is removed, and what is somebody else's is not touched.
func removesItsOwnAlone(t *testing.T, f *fixture) {
	_, err := f.engine.VolumeCreate(t.Context(), client.VolumeCreateOptions{
		Name: Name(f.name) + "_data", Labels: map[string]string{label: f.name, container.ProjectLabel: Name(f.name)},
	})
	f.must(err)
	f.must(Sweep(t.Context(), f.engine, f.name))
	_, err = f.engine.VolumeInspect(t.Context(), Name(f.name)+"_data", client.VolumeInspectOptions{})
	if !cerrdefs.IsNotFound(err) {
		t.Errorf("what a drill has left: %v", err)
	}
	image := f.name + ":mine"
	enginetest.Image(t, f.engine, image, nil)
	other := enginetest.Container(t, f.engine, Name(f.name)+"-web-1", &moby.Config{
		Image: image, Labels: enginetest.Labels(Name(f.name), "web", "False"),
	}, nil, true)
	if _, err := f.try(f.target(), f.new.ID); err == nil ||
		!strings.Contains(err.Error(), "somebody has a project of that name") {
		t.Errorf("beside a project of the same name: %v", err)
	}
	if got, err := f.engine.ContainerInspect(t.Context(), other, client.ContainerInspectOptions{}); err != nil ||
		!got.Container.State.Running {
		t.Errorf("somebody's container: %v", err)
	}
}
