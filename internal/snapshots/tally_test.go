package snapshots

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

// What find(1) prints of a tree, in whatever pieces it comes, counts as what Go sees of it.
func TestTally(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("this find has no -printf")
	}
	dir := t.TempDir()
	at := time.Date(2001, 2, 3, 4, 5, 6, 789, time.UTC)
	modes := map[string]os.FileMode{"a b": 0o644, "line\nbreak": 0o4755 &^ 0o4000, "c": 0, "sticky": 0o600}
	here, want := NewTally(), int64(0)
	for name, mode := range modes {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(name), mode); err != nil {
			t.Fatal(err)
		}
		if name == "sticky" {
			mode |= os.ModeSticky | os.ModeSetuid
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		here.File(name, info, os.Getuid(), os.Getgid())
		want += int64(len(name))
	}
	text, err := exec.Command("find", dir, "-type", "f", "-printf", `%P\0%s\0%T@\0%m\0%U\0%G\0`).Output()
	if err != nil {
		t.Fatal(err)
	}
	there := NewTally()
	for _, b := range text {
		if _, err := there.Write([]byte{b}); err != nil {
			t.Fatal(err)
		}
	}
	if here.Size() != there.Size() || here.Size().Files != 4 || here.Size().Bytes != want {
		t.Errorf("%+v and %+v, %d bytes", here.Size(), there.Size(), want)
	}
	before := here.Size()
	here.add([]byte("more"))
	if before.Tree == here.Size().Tree || NewTally().Size().Tree == before.Tree {
		t.Error("another tree has the same hash")
	}
	if _, err := NewTally().Write([]byte("a\x00many\x00")); err == nil {
		t.Error("a size that is no number is taken")
	}
}
