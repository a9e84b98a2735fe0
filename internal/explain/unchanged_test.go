package explain

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/25eloquence/compose-mage/internal/buildcontext"
	"github.com/25eloquence/compose-mage/internal/buildinputs"
)

func TestUnchanged(t *testing.T) {
	w, dir := newWorkspace(t, goDockerfile, goFiles()), t.TempDir()
	unchanged := func() bool { return NewStore(dir).Inputs.Unchanged(context.Background(), w.in) }
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

// Two checkouts of equal names, sizes and times have each their own contents.
func TestAnotherDirectoryIsReadAnew(t *testing.T) {
	store := t.TempDir()
	then := time.Unix(1_700_000_000, 0)
	inputs := func(content string) buildinputs.Inputs {
		dir := t.TempDir()
		file := filepath.Join(dir, "f")
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(file, then, then); err != nil {
			t.Fatal(err)
		}
		return buildinputs.Inputs{
			Project: "p", Service: "s", Dockerfile: "Dockerfile",
			Text: "FROM scratch\nCOPY f /f\n", Context: buildinputs.Tree{Dir: dir},
		}
	}
	one, two := inputs("one"), inputs("two")
	two.Context.Files = func() (all []buildcontext.File, err error) { // as a build has walked it
		err = buildcontext.Walk(t.Context(), two.Context.Dir, nil, func(f buildcontext.File) error {
			all = append(all, f)
			return nil
		})
		return all, err
	}
	if err := NewStore(store).Remember(t.Context(), one, []buildinputs.Step{{Name: "[1/1] COPY f /f"}}); err != nil {
		t.Fatal(err)
	}
	if !NewStore(store).Inputs.Unchanged(t.Context(), one) {
		t.Error("the same directory is another")
	}
	if NewStore(store).Inputs.Unchanged(t.Context(), two) {
		t.Error("another directory's file passes for the first one's")
	}
}
