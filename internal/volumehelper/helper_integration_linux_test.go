//go:build integration

package volumehelper

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/enginetest"
	"github.com/25eloquence/compose-mage/internal/restic"
	"github.com/25eloquence/compose-mage/internal/sources"
	"github.com/25eloquence/compose-mage/internal/state"
)

// fixture is a container, and a helper that can have it stand still.
type fixture struct {
	*testing.T
	*Helper
	other string // the container's ID
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	t.Setenv(state.Variable, t.TempDir())
	e := enginetest.Connect(t)
	enginetest.Image(t, e, "volume-helper-test:latest", nil)
	f := &fixture{T: t}
	f.other = enginetest.Container(t, e, "volume-helper-test", &moby.Config{
		Image: "volume-helper-test",
	}, nil, true)
	f.begin(Options{Engine: e, Owner: "volume-helper-test", Freezes: true})
	return f
}

func (f *fixture) begin(o Options) {
	f.T.Helper()
	var err error
	if f.Helper, err = Start(f.Context(), o); err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = f.Close() })
}

// close ends the helper.
func (f *fixture) close() {
	f.T.Helper()
	if err := f.Close(); err != nil {
		f.Error(err)
	}
}

// frozen says whether the container stands still.
func (f *fixture) frozen() bool {
	f.T.Helper()
	for _, pattern := range []string{
		"/sys/fs/cgroup/freezer/*/%s/freezer.state", "/sys/fs/cgroup/*/*%s*/cgroup.freeze",
	} {
		files := glob(strings.ReplaceAll(pattern, "%s", f.other))
		if len(files) == 0 {
			continue
		}
		text, err := os.ReadFile(files[0])
		if err != nil {
			f.Fatal(err)
		}
		return strings.TrimSpace(string(text)) == "FROZEN" || strings.TrimSpace(string(text)) == "1"
	}
	f.Fatal("the container's cgroup is not found")
	return false
}

func glob(pattern string) []string {
	all, _ := filepath.Glob(pattern)
	return all
}

func (f *fixture) freeze(limit time.Duration) {
	f.T.Helper()
	if err := errors.Join(f.Find(f.Context(), []string{f.other}), f.Freeze(f.Context(), limit)); err != nil {
		f.Fatal(err)
	}
	if !f.frozen() {
		f.Fatal("it does not stand still")
	}
}

// goesOn fails unless the container goes on within a time.
func (f *fixture) goesOn(within time.Duration) {
	f.T.Helper()
	enginetest.Until(f.T, within, "the container goes on", func() bool { return !f.frozen() })
}

// Who stands still goes on when told to, when the time is over, when this process is gone, and where the helper was
// killed.
func TestIntegrationFreeze(t *testing.T) {
	f := newFixture(t)
	o := f.Options
	f.freeze(10 * time.Second)
	if err := f.Thaw([]string{f.other}); err != nil || f.frozen() {
		t.Errorf("thawing: %v, frozen %v", err, f.frozen())
	}
	f.freeze(300 * time.Millisecond)
	f.goesOn(5 * time.Second)
	if err := f.Thaw([]string{f.other}); !errors.Is(err, ErrLate) {
		t.Errorf("after its time: %v", err)
	}
	f.freeze(30 * time.Second)
	f.stream.Close() // as the end of this process does
	f.goesOn(5 * time.Second)
	f.begin(o)
	if !f.Left {
		t.Error("that one before was killed is not known")
	}
	f.freeze(30 * time.Second)
	if _, err := f.Engine.ContainerKill(t.Context(), f.id, client.ContainerKillOptions{Signal: "KILL"}); err != nil {
		t.Fatal(err)
	}
	if err := f.Thaw([]string{f.other}); err == nil || f.frozen() {
		t.Errorf("after its end: %v, frozen %v", err, f.frozen())
	}
	f.close()
	if err := f.Find(t.Context(), []string{f.other}); err == nil {
		t.Error("a helper that is gone finds a container")
	}
}

// Of a password and credentials nothing is in what the engine tells of the container, or in its processes; the
// container has no right but to read; and a lock that restic leaves in the repository where the container is killed is
// removed by the next one.
func TestIntegrationSecretsAndLocks(t *testing.T) {
	f := newFixture(t)
	o := f.Options
	secret := "hush-" + time.Now().Format("150405.000000000")
	program, err := restic.Find(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	made := filepath.Join(sources.Root(t), "internal", "restore", "testdata")
	r := restic.Repository{
		Program: program, Location: filepath.Join(t.TempDir(), "repository"),
		PasswordFile: filepath.Join(made, "password"), Elsewhere: f.Helper,
		Env: []string{"AWS_SECRET_ACCESS_KEY=" + secret},
	}
	dir := t.TempDir()
	password, err := os.ReadFile(r.PasswordFile)
	if err := errors.Join(err, os.CopyFS(r.Location, os.DirFS(filepath.Join(made, "repository"))),
		os.WriteFile(filepath.Join(dir, "file"), []byte("x"), 0o600), f.Put(t.Context(), dir)); err != nil {
		t.Fatal(err)
	}
	ended := f.atGate(r)
	inspected, err := f.Engine.ContainerInspect(t.Context(), f.id, client.ContainerInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(inspected)
	if err != nil {
		t.Fatal(err)
	}
	processes, err := exec.Command("ps", "-ewwo", "args").Output()
	if err != nil || !bytes.Contains(processes, []byte("restic -o rclone.program=")) {
		t.Errorf("restic is not seen: %v, %s", err, processes)
	}
	for where, text := range map[string][]byte{"the engine's answer": text, "the processes": processes} {
		if bytes.Contains(text, []byte(secret)) || bytes.Contains(text, bytes.TrimSpace(password)) {
			t.Errorf("a secret is in %s", where)
		}
	}
	for _, script := range []string{"touch /x", "chown 5 /stage/file", "mknod /stage/null c 1 3"} {
		if said, err := f.run(t.Context(), script); err == nil {
			t.Errorf("it may %s: %s", script, said)
		}
	}
	if _, err := f.Engine.ContainerKill(t.Context(), f.id, client.ContainerKillOptions{Signal: "KILL"}); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err == nil {
		t.Error("a backup whose container was killed works")
	}
	locks := func() int { return len(glob(filepath.Join(r.Location, "locks", "*"))) }
	if n := locks(); n != 1 {
		t.Fatalf("%d locks", n)
	}
	f.begin(o)
	r.Elsewhere = f.Helper
	if err := r.UnlockElsewhere(t.Context()); err != nil || locks() != 0 {
		t.Errorf("%v, %d locks are left", err, locks())
	}
	f.close()
}

// atGate has restic stand before a gate, and gives what tells of its end.
func (f *fixture) atGate(r restic.Repository) <-chan error {
	f.T.Helper()
	gate, list, err := f.NewGate(f.Context())
	if err != nil {
		f.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := r.Backup(context.Background(), restic.Source{
			Paths: []string{"file"}, List: list, Mounts: []restic.Mount{{}},
		})
		ended <- err
	}()
	if err := gate.Reached(f.Context()); err != nil {
		f.Fatal(err)
	}
	return ended
}
