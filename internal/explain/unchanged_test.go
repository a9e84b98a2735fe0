package explain

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestUnchanged(t *testing.T) {
	w, dir := newWorkspace(t, goDockerfile, goFiles()), t.TempDir()
	unchanged := func() bool { return NewStore(dir).Unchanged(context.Background(), w.in) }
	if unchanged() {
		t.Fatal("before the first build")
	}
	w.remember(dir, shownSteps(digestA, 2, 3, 4, 5, 6, 7, 8, 9))
	if !unchanged() {
		t.Fatal("after a build")
	}
	file := filepath.Join(w.in.Context.Dir, "nobody-copies-this")
	w.do(os.WriteFile(file, []byte("x"), 0o600))
	if !unchanged() {
		t.Fatal("with a file that no step reads")
	}
	w.do(os.Chtimes(filepath.Join(w.in.Context.Dir, "services", "go.mod"), time.Time{}, time.Now().Add(time.Hour)))
	if !unchanged() {
		t.Fatal("with a file's time alone")
	}
	w.do(os.WriteFile(filepath.Join(w.in.Context.Dir, "services", "go.mod"), []byte("module other"), 0o600))
	if unchanged() {
		t.Fatal("with other content of a file that a step reads")
	}
	w.remember(dir, shownSteps(digestA, 4, 5))
	w.in.Args = map[string]string{"VERSION": "another"}
	if unchanged() {
		t.Fatal("with another argument")
	}
}
