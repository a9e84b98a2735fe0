package measured

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/fit"
	"github.com/25eloquence/compose-mage/internal/shape"
)

func changed(t *testing.T) (Report, []fit.Measured) {
	t.Helper()
	all := []fit.Measured{
		{Service: "db", Notes: []string{"nothing is recorded of it"}},
		{Service: "web", Changes: []fit.Change{
			{Service: "web", Key: "mem_limit", Old: "1GiB", New: "80MiB", Why: "it needs no more"},
			{Service: "web", Key: "environment.GOGC", New: "50", Why: "collects earlier"},
		}},
	}
	services, err := shape.Into[[]Service](all)
	if err != nil {
		t.Fatal(err)
	}
	return Report{Project: "shop", Services: services}, all
}

func TestTheFileIsWrittenBelowTheWorkingDirectoryAndOnce(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	if err := os.Symlink(t.TempDir(), filepath.Join(dir, "out")); err != nil {
		t.Skip(err)
	}
	r, all := changed(t)
	r.overlay(all, []string{filepath.Join(dir, "compose.yaml"), "/elsewhere/tier.yaml"}, "compose/measured.yaml",
		time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC))
	if want := "COMPOSE_FILE=compose.yaml:/elsewhere/tier.yaml:compose/measured.yaml"; r.Use != want {
		t.Errorf("it is used with %s", r.Use)
	}
	for _, path := range []string{"../x.yaml", "/tmp/x.yaml", "out/x.yaml", "."} {
		var refused *fault.Error
		if err := r.write(path); !errors.As(err, &refused) || refused.Next == "" || r.Written != "" {
			t.Errorf("writing %s: %v", path, err)
		}
	}
	if err := r.write("compose/measured.yaml"); err != nil || r.Written != "compose/measured.yaml" {
		t.Fatal(err)
	}
	text, err := os.ReadFile("compose/measured.yaml")
	want := `# What shop was measured to need, as of 2026-11-27 (go tool mage fit -measured).
# It goes on top of the other files: COMPOSE_FILE=compose.yaml:/elsewhere/tier.yaml:compose/measured.yaml
services:
  "web":
    environment:
      GOGC: "50" # collects earlier
    mem_limit: "80MiB" # it needs no more
`
	if err != nil || string(text) != want {
		t.Errorf("%v\n%s", err, text)
	}
	var refused *fault.Error
	if err := r.write("compose/measured.yaml"); !errors.As(err, &refused) ||
		!strings.HasPrefix(refused.Next, "rm compose/measured.yaml") {
		t.Errorf("writing again: %v", err)
	}
	if err := (&Report{}).write("x.yaml"); !errors.As(err, &refused) {
		t.Errorf("writing nothing: %v", err)
	}
}

func TestPrint(t *testing.T) {
	var out bytes.Buffer
	r, all := changed(t)
	r.overlay(all, []string{"compose.yaml"}, "", time.Now())
	r.Print(&out)
	for _, words := range []string{
		"environment.GOGC", "not set", "1GiB", "80MiB", "it needs no more", "db: nothing is recorded of it",
		"nothing is written",
	} {
		if !strings.Contains(out.String(), words) {
			t.Errorf("%q is not in\n%s", words, &out)
		}
	}
}
