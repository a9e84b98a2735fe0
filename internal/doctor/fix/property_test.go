package fix

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/25eloquence/compose-mage/internal/compose"
	"github.com/25eloquence/compose-mage/internal/doctor/check"
	"github.com/25eloquence/compose-mage/internal/doctor/examine"
	"github.com/25eloquence/compose-mage/internal/doctor/model"
	"github.com/25eloquence/compose-mage/internal/doctor/subject"
	"github.com/25eloquence/compose-mage/internal/finding"
)

// project is a directory with Compose files.
type project struct {
	dir string
	t   *testing.T
}

func newProject(t *testing.T, files map[string]string) project {
	t.Helper()
	for _, v := range []string{"COMPOSE_FILE", "COMPOSE_PROJECT_NAME", "COMPOSE_PROFILES"} {
		t.Setenv(v, "")
		_ = os.Unsetenv(v)
	}
	p := project{t.TempDir(), t}
	for name, text := range files {
		p.write(name, text)
	}
	return p
}

func (p project) write(name, text string) {
	p.t.Helper()
	path := filepath.Join(p.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

func (p project) read(name string) string {
	p.t.Helper()
	text, err := os.ReadFile(filepath.Join(p.dir, name))
	if err != nil {
		p.t.Fatal(err)
	}
	return string(text)
}

func (p project) load(ctx context.Context, instead map[string][]byte) (*compose.Model, error) {
	return compose.Load(ctx, compose.Request{Dir: p.dir, Instead: instead})
}

// logsCheck is the part of check that needs no engine: services whose logs nothing bounds.
var logsCheck = examine.Check{
	Rules: examine.QuickRules,
	Look: func(_ context.Context, s *subject.Subject) ([]check.Finding, error) {
		var endless []string
		for _, name := range s.Model.Project.ServiceNames() {
			if l := s.Model.Project.Services[name].Logging; l == nil {
				endless = append(endless, name)
			}
		}
		if len(endless) == 0 {
			return nil, nil
		}
		found := finding.Warn("logs.rotation", "", "nothing bounds the logs").Of(endless...)
		return examine.Quick(s.Files, []finding.Finding{found}), nil
	},
}

// quiet is a rule of which nothing is found.
var quiet = examine.Check{
	Rules: []check.Rule{{ID: "disk.layer"}, {ID: "health.slow"}},
	Look:  func(context.Context, *subject.Subject) ([]check.Finding, error) { return nil, nil },
}

// examined gives the model and the findings that have a fix.
func (p project) examined() (*compose.Model, []check.Finding) {
	p.t.Helper()
	m, err := p.load(p.t.Context(), nil)
	if err != nil {
		p.t.Fatal(err)
	}
	r, err := examine.Run(p.t.Context(), subject.New(subject.Given{Model: m}),
		append(model.Checks(), logsCheck, quiet))
	if err != nil {
		p.t.Fatal(err)
	}
	return m, r.Findings
}

// agree agrees to everything.
func agree(_ context.Context, f Fix) (bool, string, string, error) {
	return f.State != Refused, "", "", nil
}

// plan makes a plan to which everybody agrees.
func (p project) plan() Report {
	p.t.Helper()
	m, findings := p.examined()
	r, err := Plan(p.t.Context(), Options{Model: m, Load: p.load, Findings: findings, Decide: agree})
	if err != nil {
		p.t.Fatal(err)
	}
	return r
}

// fixed makes all fixes, and proves them.
func (p project) fixed() Report {
	p.t.Helper()
	r := p.plan()
	if err := r.WriteFiles(p.t.Context()); err != nil {
		p.t.Fatal(err)
	}
	_, now := p.examined()
	r.Prove(now)
	return r
}

// Lines that an edit may change: those with what is edited, and lines of services in flow style.
var editable = regexp.MustCompile(`version|disk\.layer|health\.slow|5432|:6379|- |condition|depends_on|image:|` +
	`x-compose-mage|doctor:|ignore:|it is|# slow|^\s*[a-z0-9_.-]+,|ports|test: \[|` +
	`healthcheck: \{|restart: "no"|^\s*[]}]+`)

// What goes whole, and what may be in it that says nothing to YAML.
var (
	whole = regexp.MustCompile(`x-compose-mage|doctor:|ignore:|disk\.layer`)
	aside = regexp.MustCompile(`^\s*(#|$)`)
)

// unfit are the reasons for which a file of these may be left to a person.
var unfit = regexp.MustCompile(`has several documents|has the anchor|is the alias|comes from line \d+ by a merge|` +
	`it would change services|between comments|has comments between`)

// fixedKeys are the keys of services that fixes change.
var fixedKeys = []string{"restart", "logging", "ports", "depends_on"}

// TestGeneratedFiles fixes generated Compose files: each finding goes or is refused with a reason, all else is as it
// was to the byte, the model differs in what was fixed alone, and a second run finds nothing more to do.
// DOCTOR_FIX_FILES says how many; 500 of them take a minute of CPU.
func TestGeneratedFiles(t *testing.T) {
	count := 25
	if n, err := strconv.Atoi(os.Getenv("DOCTOR_FIX_FILES")); err == nil {
		count = n
	}
	p := newProject(t, nil)
	done, refused := 0, map[string]int{}
	for seed := range uint64(count) {
		before := generate(seed)
		p.write("compose.yaml", before)
		if _, err := p.load(t.Context(), nil); err != nil {
			t.Fatalf("seed %d is no Compose file: %v\n%s", seed, err, before)
		}
		old, _ := p.examined()
		r := p.fixed()
		after := p.read("compose.yaml")
		for _, f := range r.Fixes {
			switch {
			case f.State == Done:
				done++
			case f.State == Refused && unfit.MatchString(f.Why):
				refused[unfit.FindString(f.Why)]++
			default:
				t.Errorf("seed %d: %s of %s is %s: %s\n%s", seed, f.ID, f.Subjects, f.State, f.Why, before)
			}
		}
		now, _ := p.examined()
		paths, err := differences(old.Project, now.Project)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			key := path[min(2, len(path)-1)]
			if path[0] != "x-compose-mage" && !slices.Contains(fixedKeys, key) {
				t.Errorf("seed %d: %s differs", seed, strings.Join(path, "."))
			}
		}
		if lost := lostLines(before, after); len(lost) > 0 {
			t.Errorf("seed %d: lost %q\n%s\n---\n%s", seed, lost, before, after)
		}
		if second := p.plan(); second.Made() || p.read("compose.yaml") != after {
			t.Errorf("seed %d: a second run does more: %+v", seed, second.Fixes)
		}
		if t.Failed() {
			return
		}
	}
	left := 0
	for _, why := range slices.Sorted(maps.Keys(refused)) {
		left += refused[why]
		t.Logf("refused %d: %s", refused[why], why)
	}
	t.Logf("%d files, %d fixes, %d refused", count, done, left)
	if left*10 > done+left {
		t.Errorf("%d of %d are refused", left, done+left)
	}
}

// lostLines gives the lines of a text that another one does not have, byte by byte and in their order, but for those
// that an edit may change.
func lostLines(before, after string) []string {
	a := slices.Collect(strings.Lines(before))
	b := slices.Collect(strings.Lines(after))
	same := func(i, j int) bool { return strings.TrimRight(a[i], "\r\n") == strings.TrimRight(b[j], "\r\n") }
	kept := make([][]int, len(a)+1) // how many lines the longest common order of the rests has
	for i := range kept {
		kept[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			kept[i][j] = max(kept[i+1][j], kept[i][j+1])
			if same(i, j) {
				kept[i][j] = max(kept[i][j], kept[i+1][j+1]+1)
			}
		}
	}
	var lost []string
	deleted := false // the line before is gone with what it is in
	for i, j := 0, 0; i < len(a); {
		switch {
		case j < len(b) && same(i, j):
			if last := i == len(a)-1; a[i] != b[j] && !last && j != len(b)-1 {
				lost = append(lost, a[i]) // another end of the line
			}
			i, j, deleted = i+1, j+1, false
		case j < len(b) && kept[i][j+1] >= kept[i+1][j]:
			j++
		default:
			inside := deleted && aside.MatchString(a[i])
			if !inside && !editable.MatchString(a[i]) {
				lost = append(lost, a[i])
			}
			deleted = deleted || whole.MatchString(a[i])
			i++
		}
	}
	return lost
}
