package examine

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/25eloquence/compose-mage/internal/doctor/check"
	"github.com/25eloquence/compose-mage/internal/sources"
)

// TestPageHasEveryFix holds the table of fixes in docs/doctor.md against the rules; UPDATE=1 writes it.
func TestPageHasEveryFix(t *testing.T) {
	var b strings.Builder
	b.WriteString("| id | what is done | agreed to |\n| --- | --- | --- |\n")
	all := rules()
	slices.SortStableFunc(all, func(a, b check.Rule) int { return strings.Compare(a.ID, b.ID) })
	for _, r := range all {
		action, class := check.ActionOf(r.ID)
		what := map[check.Action]string{
			check.NoAction: "an edit", check.Restart: "`restart` of its services", check.Cleanup: "`cleanup`",
		}[action]
		if r.Fix != check.NoFix {
			class = r.Fix
		}
		if class != check.NoFix {
			who := map[check.Fix]string{check.Safe: "also by `-yes`", check.Asked: "one by one"}[class]
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", r.ID, what, who)
		}
	}
	path := filepath.Join(sources.Root(t), "docs", "doctor.md")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, _ := strings.Cut(string(text), "<!-- fixes -->\n")
	_, after, ok := strings.Cut(rest, "<!-- end of fixes -->\n")
	if !ok {
		t.Fatal("docs/doctor.md has no place for the fixes")
	}
	want := before + "<!-- fixes -->\n" + b.String() + "<!-- end of fixes -->\n" + after
	if want != string(text) && os.Getenv("UPDATE") == "1" {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if want != string(text) {
		t.Error("docs/doctor.md has other fixes: UPDATE=1 go test ./internal/doctor/examine")
	}
}
