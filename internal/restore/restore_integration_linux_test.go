//go:build integration

package restore

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/compose"
	"github.com/25eloquence/compose-mage/internal/enginetest"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/snapshots"
	"github.com/25eloquence/compose-mage/internal/state"
	"github.com/25eloquence/compose-mage/internal/ui"
)

const writer = `
services:
  writer: {image: probe, volumes: ["first:/first", "second:/second"], secrets: [token]}
volumes: {first: {}, second: {}}
secrets: {token: {file: ./secrets/token}}
`

// checked is a health check within which a container may stand still for a moment.
var checked = &moby.HealthConfig{
	Test: []string{"CMD", "/probe", "health", "50", "0"}, Interval: 4 * time.Second, Timeout: 3 * time.Second,
}

// writerFixture has a container that appends numbers to a file in each of two volumes: to the first one before the
// second. check is its health check, for whose next run a backup waits; nil for none.
func writerFixture(t *testing.T, check *moby.HealthConfig) (*fixture, string) {
	f := newFixture(t, writer)
	f.write("secrets/token", "hush")
	image := f.name + ":latest"
	enginetest.Image(t, f.engine, image, nil)
	f.volume("first")
	f.volume("second")
	id := f.run("writer", image, []string{"append", "/first/log", "/second/log", "500"}, check, "first", "second")
	enginetest.Until(t, 10*time.Second, "numbers are written", func() bool {
		info, err := os.Stat(filepath.Join(f.path(f.name+"_second"), "log"))
		return err == nil && info.Size() > 10
	})
	return f, id
}

// TestIntegrationBackupsAreOfOneMoment backs a stack up that writes on, BACKUPS times: each restore has the numbers
// without a gap, and those of both volumes are of one moment. The container stays healthy, and is not started again.
func TestIntegrationBackupsAreOfOneMoment(t *testing.T) {
	f, id := writerFixture(t, checked)
	began := f.inspect(id).State.StartedAt
	for range count(t, "BACKUPS", 5) {
		before := f.numbers(filepath.Join(f.path(f.name+"_first"), "log"))
		b := f.backup()
		r := f.restore(Options{At: b.Snapshot})
		if len(r.Volumes) != 2 || !r.Volumes[0].Copy || !r.Volumes[1].Copy {
			t.Fatalf("restored %+v", r.Volumes)
		}
		first := f.numbers(filepath.Join(f.path(r.Volumes[0].Name), "log"))
		second := f.numbers(filepath.Join(f.path(r.Volumes[1].Name), "log"))
		t.Logf("frozen %.2fs, %d and %d numbers of at least %d", b.Frozen, first, second, before)
		if first < before || second != first && second != first-1 {
			t.Errorf("%d numbers in the first volume, %d in the second; %d were written before", first, second, before)
		}
		for _, v := range r.Volumes {
			_, err := f.engine.VolumeRemove(t.Context(), v.Name, client.VolumeRemoveOptions{})
			f.must(err)
		}
	}
	f.healthy(id)
	if now := f.inspect(id).State.StartedAt; now != began {
		t.Errorf("the container was started at %s, and again at %s", began, now)
	}
}

func (f *fixture) inspect(id string) moby.InspectResponse {
	f.t.Helper()
	found, err := f.engine.ContainerInspect(context.Background(), id, client.ContainerInspectOptions{})
	f.must(err)
	return found.Container
}

// healthy fails where a check of the container's health has failed.
func (f *fixture) healthy(id string) {
	f.t.Helper()
	s := f.inspect(id).State
	if s.Health == nil || s.Health.Status == moby.Unhealthy || s.Health.FailingStreak > 0 || len(s.Health.Log) == 0 {
		f.t.Fatalf("health: %+v", s.Health)
	}
	for _, l := range s.Health.Log {
		if l.ExitCode != 0 {
			f.t.Errorf("a check failed: %+v", l)
		}
	}
}

// TestIntegrationSwap puts the data back under the volumes' own names while the container is stopped for a moment, and
// keeps what was there. On an engine that has neither volume any more, they come back with their labels.
func TestIntegrationSwap(t *testing.T) {
	f, id := writerFixture(t, nil)
	b := f.backup()
	saved := f.numbers(filepath.Join(f.path(f.restore(Options{At: b.Snapshot}).Volumes[0].Name), "log"))
	time.Sleep(500 * time.Millisecond)
	f.must(os.WriteFile("secrets/token", []byte("other"), 0o600))
	f.must(os.Remove("compose.yaml"))
	f.write("compose.yaml", writer)
	r := f.restore(Options{Swap: true, Root: f.dir, Order: []string{"writer"}})
	for _, v := range r.Volumes {
		if now := f.numbers(filepath.Join(f.path(v.Before), "log")); now <= saved {
			t.Errorf("%s has %d numbers, and the snapshot %d", v.Before, now, saved)
		}
	}
	if !f.inspect(id).State.Running {
		t.Error("the container is stopped")
	}
	if text, _ := os.ReadFile("secrets/token"); string(text) != "other" || len(r.Files) != 0 {
		t.Errorf("a file that is there was written: %q, %v", text, r.Files)
	}
	enginetest.Until(t, 10*time.Second, "the writer goes on where the snapshot ends", func() bool {
		return f.numbers(filepath.Join(f.path(f.name+"_first"), "log")) > saved
	})
	_, err := f.engine.ContainerRemove(t.Context(), id, client.ContainerRemoveOptions{Force: true})
	f.must(err)
	f.removeVolumes()
	f.must(os.RemoveAll("secrets"))
	r = f.restore(Options{Root: f.dir, At: b.Snapshot})
	found, err := f.engine.VolumeInspect(t.Context(), f.name+"_first", client.VolumeInspectOptions{})
	f.must(err)
	if l := found.Volume.Labels; l["mine"] != "yes" || l["com.docker.compose.volume"] != "first" {
		t.Errorf("labels: %v", l)
	}
	if n := f.numbers(filepath.Join(found.Volume.Mountpoint, "log")); n != saved {
		t.Errorf("%d numbers, want %d", n, saved)
	}
	if text, err := os.ReadFile("secrets/token"); string(text) != "hush" || len(r.Files) != 1 {
		t.Errorf("the secret: %q, %v, %v", text, err, r.Files)
	}
}

// TestIntegrationBackupByStop stops the container for the backup, and starts it again.
func TestIntegrationBackupByStop(t *testing.T) {
	f, id := writerFixture(t, nil)
	f.write("compose.yaml", "services: {writer: {image: probe, volumes: ['first:/first', 'second:/second'], "+
		"x-compose-mage: {backup: stop}}}\nvolumes: {first: {}, second: {}}\n")
	before := f.inspect(id).State.StartedAt
	b := f.backup()
	c := f.inspect(id).State
	if !c.Running || c.StartedAt == before || b.Frozen != 0 {
		t.Errorf("running %v, started at %s and before at %s, frozen %v", c.Running, c.StartedAt, before, b.Frozen)
	}
	r := f.restore(Options{})
	first := f.numbers(filepath.Join(f.path(r.Volumes[0].Name), "log"))
	if second := f.numbers(filepath.Join(f.path(r.Volumes[1].Name), "log")); first == 0 || second < first-1 ||
		second > first {
		t.Errorf("%d and %d numbers", first, second)
	}
}

// TestIntegrationDamage: what is damaged in the repository is never taken for a restored volume.
func TestIntegrationDamage(t *testing.T) {
	f := newFixture(t, "services: {a: {image: a, volumes: ['data:/data']}}\nvolumes: {data: {}}\n")
	path := f.volume("data")
	f.must(os.WriteFile(filepath.Join(path, "f"), []byte("some text that is saved"), 0o644))
	f.backup()
	target := f.target()
	packs, err := filepath.Glob(filepath.Join(f.repo, "data", "*", "*"))
	f.must(err)
	for _, pack := range packs {
		text, err := os.ReadFile(pack)
		f.must(err)
		for i := range text {
			text[i] ^= 0xff
		}
		f.must(os.Chmod(pack, 0o600))
		f.must(os.WriteFile(pack, text, 0o600))
	}
	_, err = Run(t.Context(), Options{Engine: f.engine, Out: ui.New(&f.out), Project: f.name, Target: target})
	if err == nil {
		t.Fatal("a damaged snapshot was restored")
	}
	t.Log(err)
	if text, err := os.ReadFile(filepath.Join(path, "f")); string(text) != "some text that is saved" {
		t.Errorf("the volume: %q, %v", text, err)
	}
	all, err := f.engine.VolumeList(t.Context(), client.VolumeListOptions{
		Filters: client.Filters{}.Add("name", f.name+"_"),
	})
	f.must(err)
	if len(all.Items) != 1 {
		t.Errorf("%d volumes are left", len(all.Items))
	}
}

// TestIntegrationPasswords: a repository whose password is not known here is left alone, and no wrong password stays;
// the one of the recovery sheet opens it, and stays where a restore has worked.
func TestIntegrationPasswords(t *testing.T) {
	f := newFixture(t, "services: {a: {image: a, volumes: ['data:/data']}}\nvolumes: {data: {}}\n")
	f.must(os.WriteFile(filepath.Join(f.volume("data"), "f"), []byte("text"), 0o644))
	f.must(os.RemoveAll(f.repo)) // the first backup makes its own
	f.must(os.Unsetenv(snapshots.PasswordVariable))
	f.backup()
	model, err := compose.Load(t.Context(), compose.Request{})
	f.must(err)
	sheet, err := snapshots.SheetOf(t.Context(), model.Project, ui.New(&f.out))
	f.must(err)
	info, err := os.Stat(f.target().Repository.PasswordFile)
	f.must(err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the password's file has the mode %s", info.Mode())
	}
	if strings.Contains(f.out.String(), sheet.Password) {
		t.Error("the password was printed")
	}
	t.Setenv(state.Variable, t.TempDir()) // as on a machine that knows nothing
	for range 2 {
		_, err = backUp(t.Context(), f.engine, ui.New(&f.out))
		wantCode(t, err, fault.Config)
		if err != nil && !strings.Contains(err.Error(), "its password is not known here") {
			t.Errorf("a password that opens nothing has stayed: %v", err)
		}
	}
	from := func(password string) error {
		target, done, err := snapshots.OpenFrom(t.Context(), f.repo, model.Project, strings.NewReader(password+"\n"),
			ui.New(&f.out))
		if err == nil {
			_, err = Run(t.Context(), Options{Engine: f.engine, Out: ui.New(&f.out), Project: f.name, Target: target})
		}
		done(err == nil)
		return err
	}
	wantCode(t, from("wrong"), fault.Config)
	wantCode(t, from(""), fault.Usage)
	f.must(from(sheet.Password))
	f.backup()
}

// wantCode fails unless err has the code.
func wantCode(t *testing.T, err error, code fault.Code) {
	t.Helper()
	var f *fault.Error
	if !errors.As(err, &f) || f.Code != code || f.Next == "" {
		t.Errorf("got %v, want exit code %d", err, code)
		return
	}
	t.Log(err)
}

// found says what status, monitor and check find of the project's backups.
func (f *fixture) found() (ids []string) {
	for _, one := range snapshots.Findings(f.name) {
		ids = append(ids, one.ID)
	}
	return ids
}
