//go:build integration

package restic

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestIntegrationBehindAGateThereIsNoSnapshot holds that a run of restic that is ended while it stands before the last
// of its paths leaves no snapshot, and no lock, and that it does not take its time for that: services may stand still.
func TestIntegrationBehindAGateThereIsNoSnapshot(t *testing.T) {
	program, err := Find(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	r := Repository{Program: program, Location: dir + "/repository", PasswordFile: dir + "/password"}
	s := Source{Dir: dir, Paths: []string{"data", "end"}, Tags: []string{"good"}}
	if err := errors.Join(os.WriteFile(r.PasswordFile, []byte("of a test"), 0o600),
		os.WriteFile(dir+"/data", []byte("data"), 0o600), r.Init(t.Context())); err != nil {
		t.Fatal(err)
	}
	gate, err := program.NewGate(filepath.Join(dir, "end"))
	if err != nil {
		t.Skip(err) // it goes without, then
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := r.Backup(ctx, s)
		ended <- err
	}()
	if err := gate.Reached(t.Context()); err != nil {
		t.Fatal(err)
	}
	began, why := time.Now(), errors.New("of a test")
	cancel(why)
	if err := <-ended; !errors.Is(err, why) {
		t.Errorf("it ended with %v", err)
	}
	if took := time.Since(began); took > grace {
		t.Errorf("it took %s to end", took)
	}
	_ = gate.Open()
	if all, err := r.Snapshots(t.Context(), "good"); err != nil || len(all) > 0 {
		t.Errorf("%d snapshots, %v", len(all), err)
	}
	if locks, err := os.ReadDir(dir + "/repository/locks"); err != nil || len(locks) > 0 {
		t.Errorf("%d locks, %v", len(locks), err)
	}
	if _, err := r.Backup(t.Context(), s); err != nil {
		t.Error(err)
	}
}
