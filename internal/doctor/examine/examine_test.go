package examine

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"unicode/utf8"

	"github.com/25eloquence/compose-mage/internal/compose"
	"github.com/25eloquence/compose-mage/internal/doctor/check"
	"github.com/25eloquence/compose-mage/internal/doctor/subject"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/finding"
	"github.com/25eloquence/compose-mage/internal/golden"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// of is the subject of a Compose file's text, without an engine.
func of(t *testing.T, text string) *subject.Subject {
	t.Helper()
	t.Setenv("COMPOSE_FILE", "")
	_ = os.Unsetenv("COMPOSE_FILE")
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "compose.yaml"), []byte("name: shop\n"+text), 0o600); err != nil {
		t.Fatal(err)
	}
	m, err := compose.Load(t.Context(), compose.Request{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	return subject.New(subject.Given{Model: m, EngineErr: errors.New("none")})
}

// giving is a check that gives these.
func giving(err error, found ...check.Finding) Check {
	var rules []check.Rule
	for _, f := range found {
		rules = append(rules, check.Rule{ID: f.ID})
	}
	return Check{Rules: rules, Look: func(context.Context, *subject.Subject) ([]check.Finding, error) {
		return found, err
	}}
}

const two = `services:
  a: {image: x}
  b: {image: x}
`

func examined(t *testing.T, text string, checks ...Check) Report {
	t.Helper()
	r, err := Run(t.Context(), of(t, text), checks)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// told is what a report says, a line each.
func told(r Report) string {
	var lines []string
	for _, f := range r.Findings {
		lines = append(lines, f.Severity.String()+" "+f.ID+" "+strings.Join(f.Subjects, ","))
	}
	for _, i := range r.Ignored {
		lines = append(lines, "ignored "+i.ID+" "+strings.Join(i.Subjects, ",")+": "+i.Reason)
	}
	for _, u := range r.Unseen {
		lines = append(lines, "unseen "+strings.Join(u.IDs, ",")+": "+u.Why)
	}
	return strings.Join(lines, "\n")
}

func TestIgnores(t *testing.T) {
	warn := giving(nil, check.Warn("x.y", "", "it is so").Of("a", "b"))
	for name, c := range map[string]struct {
		text   string
		checks []Check
		want   string
	}{
		"none": {two, []Check{warn}, "warning x.y a,b"},
		"of the project": {
			two + "x-compose-mage: {doctor: {ignore: {x.y: meant so}}}", []Check{warn}, "ignored x.y a,b: meant so",
		},
		"of a service": {
			"services:\n  a: {image: x, x-compose-mage: {doctor: {ignore: {x.y: meant so}}}}\n  b: {image: x}\n",
			[]Check{warn},
			"warning x.y b\nignored x.y a: meant so",
		},
		"stale": {
			two + "x-compose-mage: {doctor: {ignore: {x.y: meant so}}}",
			[]Check{{Rules: []check.Rule{{ID: "x.y"}}, Look: giving(nil).Look}},
			"warning ignore.stale ",
		},
		"stale of a service": {
			"services:\n  a: {image: x}\n  c: {image: x, x-compose-mage: {doctor: {ignore: {x.y: meant so}}}}\n",
			[]Check{warn},
			"warning ignore.stale c\nwarning x.y a,b",
		},
		"not stale where nobody could look": {
			two + "x-compose-mage: {doctor: {ignore: {x.y: meant so}}}",
			[]Check{{Rules: []check.Rule{{ID: "x.y"}}, Look: giving(check.NotSeen("dark")).Look}},
			"unseen x.y: dark",
		},
		"unknown": {
			two + "x-compose-mage: {doctor: {ignore: {x.z: meant so}}}",
			[]Check{warn},
			"warning ignore.unknown \nwarning x.y a,b",
		},
	} {
		if got := told(examined(t, c.text, c.checks...)); got != c.want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, c.want)
		}
	}
}

func TestStaleIgnoreHasItsLineAndItsEdit(t *testing.T) {
	r := examined(t, two+"x-compose-mage:\n  doctor:\n    ignore:\n      x.y: meant so\n",
		Check{Rules: []check.Rule{{ID: "x.y"}}, Look: giving(nil).Look})
	f := r.Findings[0]
	if len(f.Places) != 1 || f.Places[0].Line != 8 || len(f.Edits) != 1 || !f.Edits[0].Delete ||
		strings.Join(f.Edits[0].Path, "/") != "x-compose-mage/doctor/ignore/x.y" {
		t.Errorf("%+v", f)
	}
}

func TestOrderAndVerdict(t *testing.T) {
	r := examined(t, two, giving(nil, check.Tell("z.z", "", "so"), check.Warn("b.b", "w", "so").Of("b"),
		check.Warn("b.b", "w", "so").Of("a"), check.Fail(fault.Resources, "c.c", "f", "so"),
		check.Finding{Finding: finding.Good("g.g", "well")}))
	if got, want := told(r), "failure c.c \nwarning b.b a\nwarning b.b b\ninfo z.z "; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	notes := examined(t, two, giving(nil, check.Tell("z.z", "", "so")))
	warned := examined(t, two, giving(nil, check.Warn("b.b", "w", "so")))
	for _, c := range []struct {
		r      Report
		failOn string
		want   fault.Code
	}{
		{r, FailOnError, fault.Resources},
		{r, FailOnWarning, fault.Resources},
		{r, FailOnNever, 0},
		{warned, FailOnError, 0},
		{warned, FailOnWarning, fault.Failed},
		{notes, FailOnWarning, 0},
	} {
		var f *fault.Error
		err := c.r.Verdict(c.failOn)
		if errors.As(err, &f); (err == nil) != (c.want == 0) || err != nil && f.Code != c.want {
			t.Errorf("-fail-on=%s of %s: %v", c.failOn, c.r.severities(), err)
		}
	}
	if err := CheckFailOn("warnings"); err == nil || !strings.Contains(err.Error(), `did you mean "warning"`) {
		t.Errorf("got %v", err)
	}
}

// A check that does not come to an end is one that could not look, and the others' findings are told.
func TestCheckThatHangs(t *testing.T) {
	s := of(t, two)
	synctest.Test(t, func(t *testing.T) {
		stop := make(chan struct{})
		hangs := Check{Rules: []check.Rule{{ID: "h.h"}}, Look: func(context.Context, *subject.Subject) ([]check.Finding,
			error,
		) {
			<-stop
			return nil, nil
		}}
		r, err := Run(t.Context(), s, []Check{hangs, giving(nil, check.Tell("z.z", "", "so"))})
		close(stop)
		if want := "info z.z \nunseen h.h: it took longer than 20s"; err != nil || told(r) != want {
			t.Errorf("%v, got\n%s\nwant\n%s", err, told(r), want)
		}
	})
}

// Of services that nobody asked for nothing is told.
func TestAskedFor(t *testing.T) {
	s := of(t, two)
	s.Services = []string{"a"}
	delete(s.Model.Project.Services, "b")
	all := giving(nil, check.Warn("x.a", "", "so").Of("a"), check.Warn("x.b", "", "so").Of("b"),
		check.Warn("x.c", "", "so").Of("b", "a"), check.Warn("x.d", "", "so"))
	r, err := Run(t.Context(), s, []Check{all})
	const want = "warning x.a a\nwarning x.c b,a\nwarning x.d "
	if err != nil || told(r) != want {
		t.Errorf("%v, got\n%s\nwant\n%s", err, told(r), want)
	}
}

func TestChecksRunAtOnce(t *testing.T) {
	met := make(chan int)
	meets := func(say bool) Check {
		return Check{Look: func(context.Context, *subject.Subject) ([]check.Finding, error) {
			if say {
				met <- 1
			} else {
				<-met
			}
			return nil, nil
		}}
	}
	examined(t, two, meets(true), meets(false))
}

func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Run(ctx, of(t, two), []Check{giving(nil)}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// full is a report with everything in it.
func full(t *testing.T) Report {
	t.Helper()
	r := examined(t, two+"x-compose-mage: {doctor: {ignore: {x.y: meant so}}}",
		giving(nil, check.Warn("x.y", "", "it is so").Of("a"),
			check.Fail(fault.Config, "f.f", "write it better, as the page says that is written for such cases", "%s",
				"a text that is rather long and has to be broken where eighty columns end, since nobody reads further").
				Of("a", "b").At(check.Place{File: "compose.yaml", Line: 7}, check.Place{File: "other.yaml"}).
				Because("of a reason").In("shop-a-1"),
			check.Finding{
				Finding: finding.Warn("l.l", "", "a | pipe, *stars*, <b>, @someone and \x1b[31mred"),
				Lines:   []string{"ERROR \x1b[2J no " + strings.Repeat("x", 100)},
			}.Edited(check.Safe, check.Edit{})),
		Check{Rules: []check.Rule{{ID: "u.u"}, {ID: "u.v"}}, Look: giving(check.NotSeen("it is dark")).Look})
	r.Seconds = 1.5
	return r
}

func TestText(t *testing.T) {
	var b strings.Builder
	full(t).Print(ui.New(&b))
	golden.Check(t, "report.txt", b.String())
	for line := range strings.Lines(b.String()) {
		if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > columns {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}

func TestMarkdown(t *testing.T) { golden.Check(t, "report.md", string(full(t).Markdown())) }
