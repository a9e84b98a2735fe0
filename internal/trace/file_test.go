package trace

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/trace/schema"
)

// written reads a trace that was written.
func written(t *testing.T, path string) schema.File {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := schema.Read(data)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestFile(t *testing.T) {
	broken := errors.New("web is unhealthy")
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	for what, c := range map[string]struct {
		ctx    context.Context
		err    error
		result string
	}{
		"it went well":       {context.Background(), nil, done},
		"it failed":          {context.Background(), broken, failed},
		"it was interrupted": {cancelled, broken, interrupted},
	} {
		path := filepath.Join(t.TempDir(), "start.json")
		f, err := Open(path, "start")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(path); err == nil {
			t.Errorf("%s: there is a file before anything was done", what)
		}
		ctx := With(c.ctx, f)
		Of(ctx).Time("read the Compose files")()
		ctx, l := Begin(ctx, "start", "shop")
		Of(ctx).AddAll(Operations(ran(), at(0)))
		l.AddAll(slices.Repeat([]Span{span("a", "x", Step, 0, 1)}, maxSpans))
		l.End(c.err != nil, "job 5.0s → web 4.8s")
		if err := f.Close(c.ctx, c.err); !errors.Is(err, c.err) {
			t.Errorf("%s: %v", what, err)
		}
		got := written(t, path)
		if got.Other["result"] != c.result || got.Other["critical path of start shop"] != "job 5.0s → web 4.8s" {
			t.Errorf("%s: %v", what, got.Other)
		}
		if got.Other["spans left out"] != 14.0 {
			t.Errorf("%s: %v were left out", what, got.Other["spans left out"])
		}
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != fileMode {
			t.Errorf("%s: %v, %v", what, info, err)
		}
		if left, _ := os.ReadDir(filepath.Dir(path)); len(left) != 1 {
			t.Errorf("%s: there are %v", what, left)
		}
	}
}

// What can't be written is said before anything is done, and nothing is left or changed.
func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for what, path := range map[string]string{
		"nothing": "", "standard output": "-", "a directory": dir, "a directory that is not there": dir + "/no/x.json",
		"a file for a directory": dir + "/file/x.json", "a device": os.DevNull,
	} {
		_, err := Open(path, "start")
		var known *fault.Error
		if !errors.As(err, &known) || known.Code != fault.Usage || !strings.Contains(known.Next, "-trace=") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("there are %v", left)
	}
}

// A link stays one, and the file that it leads to is replaced.
func TestALinkStays(t *testing.T) {
	dir := t.TempDir()
	link, real := filepath.Join(dir, "link.json"), filepath.Join(dir, "real.json")
	if err := errors.Join(os.WriteFile(real, []byte("old"), 0o644), os.Symlink(real, link)); err != nil {
		t.Fatal(err)
	}
	f, err := Open(link, "build")
	if err != nil {
		t.Fatal(err)
	}
	if data, _ := os.ReadFile(real); string(data) != "old" {
		t.Error("the old trace is gone before there is a new one")
	}
	if err := f.Close(context.Background(), nil); err != nil {
		t.Fatal(err)
	}
	written(t, real)
	if info, err := os.Lstat(link); err != nil || info.Mode().IsRegular() {
		t.Errorf("the link: %v, %v", info, err)
	}
}

// A trace that can't be written at the end is an error, beside the command's own.
func TestCloseSaysThatNothingWasWritten(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "gone")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	f, err := Open(filepath.Join(dir, "x.json"), "start")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	own := errors.New("web is unhealthy")
	if err := f.Close(context.Background(), own); !errors.Is(err, own) ||
		!strings.Contains(err.Error(), "was not written") {
		t.Error(err)
	}
}
