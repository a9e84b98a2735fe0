package examine

import (
	"fmt"
	"go/ast"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/25eloquence/compose-mage/internal/doctor/check"
	"github.com/25eloquence/compose-mage/internal/finding"
	"github.com/25eloquence/compose-mage/internal/sources"
)

// rules are all of them.
func rules() []check.Rule {
	return Rules(append(Checks(), Check{Rules: QuickRules}))
}

func TestRulesAreWhole(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range rules() {
		if seen[r.ID] || r.Title == "" || r.Where == "" || r.Basis == "" || !strings.Contains(r.ID, ".") {
			t.Errorf("%+v", r)
		}
		seen[r.ID] = true
		if strings.HasPrefix(r.Basis, "docs/") {
			if _, err := os.Stat(filepath.Join(sources.Root(t), filepath.FromSlash(r.Basis))); err != nil {
				t.Errorf("%s: %v", r.ID, err)
			}
		}
	}
}

// notDoctors are ids of findings that doctor does not give.
var notDoctors = map[string]string{
	"disk.low":      "check says it of the same disk, as disk.engine",
	"disk.needs":    "check says it of the same disk, as disk.engine",
	"schedule.gone": "whoever runs the jobs is asked by the target schedule alone",
	"log.errors":    "only an observer reads logs: monitor -logs",
	"engine.lost":   "of an observer that goes on",
	"project.ok":    "of a project, whose parts are all well",
}

// TestEveryFindingHasARule finds the ids that packages give to findings, and holds them against the rules: one that
// is in none could not be ignored, and is on no page.
func TestEveryFindingHasARule(t *testing.T) {
	known := ids(rules())
	word := regexp.MustCompile(`^[a-z_]+\.[a-zA-Z_-]+$`)
	found := map[string]bool{}
	sources.Calls(t, func(c sources.Call) {
		dir := filepath.ToSlash(filepath.Dir(c.File))
		if !strings.HasPrefix(dir, "internal/doctor") && !slices.Contains([]string{
			"internal/preflight", "internal/monitor", "internal/jobs", "internal/snapshots",
		}, dir) {
			return
		}
		if !regexp.MustCompile(`^(finding|check)\.(Good|Fail|Warn|Tell)$|^say$`).MatchString(c.Name) {
			return
		}
		for _, arg := range c.Args[:min(2, len(c.Args))] {
			if lit, ok := arg.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				if id, err := strconv.Unquote(lit.Value); err == nil && word.MatchString(id) {
					found[id] = true
				}
			}
		}
	})
	for id := range found {
		if !slices.Contains(known, id) && notDoctors[id] == "" {
			t.Errorf("%s has no rule", id)
		}
	}
	if len(found) < 60 {
		t.Errorf("found only %d", len(found))
	}
}

// TestPageHasEveryRule holds the table of docs/doctor.md against the rules; UPDATE=1 writes it.
func TestPageHasEveryRule(t *testing.T) {
	var b strings.Builder
	b.WriteString("| id | what is wrong | looks at | at worst | says who |\n| --- | --- | --- | --- | --- |\n")
	all := rules()
	slices.SortStableFunc(all, func(a, b check.Rule) int { return strings.Compare(a.ID, b.ID) })
	for _, r := range all {
		if r.Worst == finding.OK {
			continue
		}
		worst := r.Worst.String()
		if r.Worst == finding.Failure {
			worst = "error"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", r.ID, r.Title, r.Where, worst, r.Basis)
	}
	between(t, "rules", b.String())
}

// between holds what docs/doctor.md has between two marks against what it is to have; UPDATE=1 writes it.
func between(t *testing.T, mark, text string) {
	t.Helper()
	path := filepath.Join(sources.Root(t), "docs", "doctor.md")
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	begin, end := "<!-- "+mark+" -->\n", "<!-- end of "+mark+" -->\n"
	before, rest, _ := strings.Cut(string(page), begin)
	_, after, ok := strings.Cut(rest, end)
	if !ok {
		t.Fatalf("docs/doctor.md has no place for the %s", mark)
	}
	want := before + begin + text + end + after
	if want != string(page) && os.Getenv("UPDATE") == "1" {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if want != string(page) {
		t.Errorf("docs/doctor.md has other %s: UPDATE=1 go test ./internal/doctor/examine", mark)
	}
}
