package restic

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/25eloquence/compose-mage/internal/sources"
)

func TestEndedOf(t *testing.T) {
	gone := func(pid int) bool { return pid == 7 }
	mine, lives, other, unread := lock{"a", "me", 7}, lock{"b", "me", 8}, lock{"c", "else", 7}, lock{id: "d"}
	for _, c := range []struct {
		all  []lock
		want string
	}{
		{[]lock{mine}, "[{a me 7}] true"},
		{[]lock{mine, lives}, "[{a me 7}] false"},
		{[]lock{other}, "[] false"},
		{[]lock{mine, unread}, "[{a me 7}] false"},
		{nil, "[] true"},
	} {
		out, every := endedOf(c.all, "me", gone)
		if got := fmt.Sprint(out, every); got != c.want {
			t.Errorf("%v: got %s, want %s", c.all, got, c.want)
		}
	}
}

// A restic that was killed, and that nobody has waited for, holds no lock; one that lives does.
func TestLockOfAnEndedProcess(t *testing.T) {
	program, err := Find(t.Context())
	if err != nil {
		t.Skip(err)
	}
	made := filepath.Join(sources.Root(t), "internal", "restore", "testdata")
	r := Repository{
		Program: program, Location: filepath.Join(t.TempDir(), "repository"),
		PasswordFile: filepath.Join(made, "password"),
	}
	if err := os.CopyFS(r.Location, os.DirFS(filepath.Join(made, "repository"))); err != nil {
		t.Fatal(err)
	}
	locks := func() int {
		all, _ := filepath.Glob(filepath.Join(r.Location, "locks", "*"))
		return len(all)
	}
	command := exec.Command(r.Path, "--no-cache", "backup", "--stdin")
	command.Env = r.environment()
	input, err := command.StdinPipe() // never ended
	if err != nil {
		t.Fatal(err)
	}
	defer input.Close()
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); locks() == 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("restic has no lock")
		}
	}
	if err := r.Unlock(t.Context()); err != nil || locks() != 1 {
		t.Errorf("while restic lives: %v, %d locks", err, locks())
	}
	if err := command.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); !ended(command.Process.Pid); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("restic goes on")
		}
	}
	if err := r.Prune(t.Context()); err != nil || locks() != 0 {
		t.Errorf("once restic was killed: %v, %d locks", err, locks())
	}
	_ = command.Wait()
}
