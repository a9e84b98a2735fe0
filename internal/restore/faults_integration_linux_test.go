//go:build integration

package restore

import (
	"context"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/25eloquence/compose-mage/internal/enginetest"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/restic"
	"github.com/25eloquence/compose-mage/internal/snapshots"
	"github.com/25eloquence/compose-mage/internal/ui"
	"github.com/25eloquence/compose-mage/internal/volumes"
)

// TestIntegrationKilled kills backups at random moments, BACKUP_KILLS times: nothing stands still for over 5 s, the
// repository is sound, and the next backup works.
func TestIntegrationKilled(t *testing.T) {
	f, id := writerFixture(t, checked)
	f.backup() // so that there is a repository
	for range count(t, "BACKUP_KILLS", 1) {
		after := time.Duration(rand.Int64N(int64(4 * time.Second)))
		c := exec.Command(os.Args[0])
		c.Env = append(os.Environ(), backupVariable+"=1")
		var said strings.Builder
		c.Stdout = &said
		f.must(c.Start())
		time.Sleep(after)
		_ = c.Process.Kill()
		_ = c.Wait()
		f.writesOn(5 * time.Second)
		f.soundRepository()
		t.Logf("killed after %s, at %q", after, lastLine(said.String()))
	}
	b := f.backup()
	r := f.restore(Options{At: b.Snapshot})
	f.numbers(filepath.Join(f.path(r.Volumes[0].Name), "log"))
	f.healthy(id)
	for _, tag := range []string{snapshots.PartTag} {
		left, err := f.target().Repository.Snapshots(t.Context(), tag)
		if err != nil || len(left) > 0 {
			t.Errorf("left in the repository: %v, %v", left, err)
		}
	}
}

// TestIntegrationKilledWhileStopped kills a backup that has stopped the container: that is found, and the next run
// starts it.
func TestIntegrationKilledWhileStopped(t *testing.T) {
	f, id := writerFixture(t, nil)
	f.write("compose.yaml", "services: {writer: {image: probe, volumes: ['first:/first', 'second:/second'], "+
		"x-compose-mage: {backup: stop}}}\nvolumes: {first: {}, second: {}}\n")
	f.wrapRestic("sleep 2") // there is time to kill it
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), backupVariable+"=1")
	f.must(c.Start())
	enginetest.Until(t, time.Minute, "the container is stopped", func() bool { return !f.inspect(id).State.Running })
	if found := f.found(); slices.Contains(found, "backup.stopped") {
		t.Errorf("found while the backup is at work: %v", found)
	}
	_ = c.Process.Kill()
	_ = c.Wait()
	// A child that it was just making has its lock until it becomes restic, or ends.
	enginetest.Until(t, 5*time.Second, "what is left stopped is found", func() bool {
		return slices.Contains(f.found(), "backup.stopped")
	})
	names, err := volumes.StartLeft(t.Context(), f.engine, f.name)
	if err != nil || names != f.name+"-writer-1" || !f.inspect(id).State.Running {
		t.Errorf("started %q, %v", names, err)
	}
	if found := f.found(); len(found) > 0 {
		t.Errorf("found when it was started: %v", found)
	}
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

// writesOn fails unless the writer goes on within the time.
func (f *fixture) writesOn(within time.Duration) {
	f.t.Helper()
	log := filepath.Join(f.path(f.name+"_first"), "log")
	size := func() int64 {
		info, err := os.Stat(log)
		f.must(err)
		return info.Size()
	}
	before := size()
	enginetest.Until(f.t, within, "the writer goes on", func() bool { return size() > before })
}

// soundRepository has restic check the repository, all of its data too.
func (f *fixture) soundRepository() {
	f.t.Helper()
	r := f.target().Repository
	var err error
	for range 10 { // one that was killed takes a moment to end, and its lock is not stale before
		f.must(r.Unlock(context.Background()))
		if err = r.Check(context.Background(), "100%"); restic.CauseOf(err) != fault.ResticLocked {
			break
		}
		time.Sleep(500 * time.Millisecond)
	}
	f.must(err)
}

// TestIntegrationTargetFaults has a target that is full, not reached or gone, and with BACKUP_FAULTS=1 read-only: a
// clear error, nothing stands still, what was saved before is as it was, and the next backup works.
func TestIntegrationTargetFaults(t *testing.T) {
	f, _ := writerFixture(t, nil)
	disk := t.TempDir()
	f.must(unix.Mount("tmpfs", disk, "tmpfs", 0, "size=8m"))
	t.Cleanup(func() { _ = unix.Unmount(disk, unix.MNT_DETACH) })
	t.Setenv(snapshots.RepositoryVariable, filepath.Join(disk, "repository"))
	f.cheapRepository(filepath.Join(disk, "repository"))
	f.backup()
	fails := func(what string, code fault.Code) {
		t.Helper()
		_, err := backUp(t.Context(), f.engine, ui.New(&f.out))
		t.Log(what)
		wantCode(t, err, code)
		f.writesOn(5 * time.Second)
		if !slices.Contains(f.found(), "backup.failed") {
			t.Error("nothing is found")
		}
	}
	noise := filepath.Join(f.path(f.name+"_first"), "noise")
	text := make([]byte, 12<<20)
	for i := range text {
		text[i] = byte(rand.Uint32())
	}
	f.must(os.WriteFile(noise, text, 0o600))
	fails("full", fault.Resources)
	f.must(os.Remove(noise))
	if count(t, "BACKUP_FAULTS", 0) > 0 { // restic tries for half a minute
		f.must(unix.Mount("", disk, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""))
		fails("read-only", fault.Config)
		f.must(unix.Mount("", disk, "", unix.MS_REMOUNT, ""))
	}
	t.Setenv(snapshots.RepositoryVariable, "rest:http://127.0.0.1:1/")
	fails("not reached", fault.Failed)
	t.Setenv(snapshots.RepositoryVariable, filepath.Join(disk, "repository"))
	f.must(os.Rename(filepath.Join(disk, "repository"), filepath.Join(disk, "elsewhere")))
	fails("gone", fault.Failed)
	f.must(os.Rename(filepath.Join(disk, "elsewhere"), filepath.Join(disk, "repository")))
	f.backup()
	f.soundRepository()
	if found := f.found(); len(found) > 0 {
		t.Errorf("found after a good backup: %v", found)
	}
}

// TestIntegrationLostInMidBackup takes the target away while it is written to.
func TestIntegrationLostInMidBackup(t *testing.T) {
	f, _ := writerFixture(t, nil)
	f.backup()
	// A restic that loses its target once it has begun to save.
	f.wrapRestic("echo 'Save(<data/1>) returned error: write tcp 10.0.0.1:1->10.0.0.2:22: connection reset by " +
		"peer' >&2; kill -9 $$")
	_, err := backUp(t.Context(), f.engine, ui.New(&f.out))
	wantCode(t, err, fault.Failed)
	f.writesOn(5 * time.Second)
	t.Setenv(restic.Variable, "")
	f.backup()
	f.soundRepository()
}

// wrapRestic has a shell's command run before each of restic's that saves.
func (f *fixture) wrapRestic(command string) {
	f.t.Helper()
	program, err := restic.Find(context.Background())
	f.must(err)
	wrapper := filepath.Join(f.t.TempDir(), "restic")
	f.must(os.WriteFile(wrapper, []byte("#!/bin/sh\ncase \"$*\" in *' backup '*) "+command+" ;; esac\nexec "+
		program.Path+" \"$@\"\n"), 0o755))
	f.t.Setenv(restic.Variable, wrapper)
}
