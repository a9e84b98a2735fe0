package examine

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/25eloquence/compose-mage/internal/compose"
	"github.com/25eloquence/compose-mage/internal/doctor/subject"
	"github.com/25eloquence/compose-mage/internal/finding"
)

// shape is a project of the shape of a public one. Its text is a sentence about it, and a line "id: reason" for each
// rule of which something above a note may be found; then its files follow, each after a line "-- name --".
type shape struct {
	name, about string
	reasons     map[string]string
	files       map[string]string
}

func shapes(t *testing.T) []shape {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "shapes", "*.txtar"))
	if err != nil || len(files) < 8 {
		t.Fatalf("%d shapes: %v", len(files), err)
	}
	known := ids(rules())
	var all []shape
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		s := shape{
			name: strings.TrimSuffix(filepath.Base(file), ".txtar"), reasons: map[string]string{},
			files: map[string]string{},
		}
		in := ""
		for line := range strings.Lines(string(text)) {
			plain := strings.TrimSpace(line)
			id, reason, is := strings.Cut(plain, ": ")
			switch {
			case strings.HasPrefix(line, "-- ") && strings.HasSuffix(plain, " --"):
				in = strings.Trim(plain, "- ")
			case in != "":
				s.files[in] += line
			case is && slices.Contains(known, id):
				s.reasons[id] = reason
			default:
				s.about = strings.TrimSpace(s.about + " " + plain)
			}
		}
		all = append(all, s)
	}
	return all
}

// examine runs all checks that need no engine.
func (s shape) examine(t *testing.T) Report {
	t.Helper()
	for _, v := range []string{"COMPOSE_FILE", "COMPOSE_PROFILES", "COMPOSE_PROJECT_NAME"} {
		t.Setenv(v, "")
		_ = os.Unsetenv(v)
	}
	dir := t.TempDir()
	for name, text := range s.files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	m, err := compose.Load(t.Context(), compose.Request{Dir: dir})
	if err != nil {
		t.Fatalf("%s: %v", s.name, err)
	}
	r, err := Run(t.Context(), subject.New(subject.Given{Model: m, EngineErr: errors.New("none")}), Checks())
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range r.Unseen {
		if slices.Contains(u.IDs, "secret.written") || slices.Contains(u.IDs, "build.copy-early") {
			t.Errorf("%s: not looked for: %s", s.name, u.Why)
		}
	}
	return r
}

// TestShapes: on projects of the shapes of eight public ones nothing above a note is found but what has its reason
// there; and each reason is of something that is found. docs/doctor.md has them all; UPDATE=1 writes it.
func TestShapes(t *testing.T) {
	basis := map[string]string{}
	for _, r := range rules() {
		basis[r.ID] = r.Basis
	}
	var b strings.Builder
	b.WriteString("| shape | found | of | right, since | says who |\n| --- | --- | --- | --- | --- |\n")
	for _, s := range shapes(t) {
		services := map[string][]string{}
		for _, f := range s.examine(t).Findings {
			if f.Severity <= finding.Info || f.ID == "engine.reach" {
				continue
			}
			if s.reasons[f.ID] == "" {
				t.Errorf("%s: %s of %s: %s, and nothing bears that out", s.name, f.ID, f.Subjects, f.Evidence)
			}
			services[f.ID] = append(services[f.ID], f.Subjects...)
		}
		for _, id := range slices.Sorted(maps.Keys(s.reasons)) {
			if len(services[id]) == 0 {
				t.Errorf("%s: %s is not found any more", s.name, id)
				continue
			}
			slices.Sort(services[id])
			fmt.Fprintf(&b, "| %s | `%s` | %s | %s | %s |\n", s.name, id,
				strings.Join(slices.Compact(services[id]), ", "), s.reasons[id], basis[id])
		}
	}
	b.WriteString("\n")
	for _, s := range shapes(t) {
		fmt.Fprintf(&b, "- %s: %s\n", s.name, s.about)
	}
	between(t, "shapes", b.String())
}
