package examine

import (
	"context"
	"errors"
	"go/ast"
	"go/token"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/25eloquence/compose-mage/internal/doctor/check"
	"github.com/25eloquence/compose-mage/internal/doctor/dockerfiles"
	"github.com/25eloquence/compose-mage/internal/doctor/fixture"
	"github.com/25eloquence/compose-mage/internal/doctor/model"
	"github.com/25eloquence/compose-mage/internal/doctor/records"
	"github.com/25eloquence/compose-mage/internal/doctor/running"
	"github.com/25eloquence/compose-mage/internal/doctor/subject"
	"github.com/25eloquence/compose-mage/internal/sources"
)

// TestRulesHaveFixtures holds the rules of this package.
func TestRulesHaveFixtures(t *testing.T) {
	reach := func(g subject.Given) []check.Finding {
		found, err := projectCheck.Look(t.Context(), subject.New(g))
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	ignored := func(id string, found ...check.Finding) []check.Finding {
		text := two + "x-compose-mage: {doctor: {ignore: {" + id + ": meant so}}}"
		r := examined(t, text, Check{Rules: []check.Rule{{ID: "x.y"}}, Look: func(context.Context, *subject.Subject) (
			[]check.Finding, error,
		) {
			return found, nil
		}})
		return r.Findings
	}
	fixture.Hold(t, append(slices.Clone(projectCheck.Rules), ignoreRules...), map[string]fixture.Fixture{
		"engine.reach":   fixture.Of(reach(subject.Given{EngineErr: errors.New("none")}), reach(subject.Given{})),
		"project.load":   fixture.Of(reach(subject.Given{ModelErr: errors.New("bad")}), reach(subject.Given{})),
		"ignore.stale":   fixture.Of(ignored("x.y"), ignored("x.y", check.Warn("x.y", "", "so"))),
		"ignore.unknown": fixture.Of(ignored("x.z"), ignored("x.y", check.Warn("x.y", "", "so"))),
	})
}

// TestEveryRuleHasFixtures: each rule of the catalogue is held against a case in which it fires and one in which it is
// silent, in the tests of the package that has it: those with checks hold all of their own, the others name them.
func TestEveryRuleHasFixtures(t *testing.T) {
	whole := map[string][]Check{
		"internal/doctor/model": model.Checks(), "internal/doctor/dockerfiles": dockerfiles.Checks(),
		"internal/doctor/running": running.Checks(), "internal/doctor/records": records.Checks(),
	}
	held := map[string]bool{} // packages that hold all rules of their checks
	named := map[string]bool{}
	sources.Files(t, func(f sources.File) {
		if !strings.HasSuffix(f.Path, "_test.go") || !strings.Contains(f.Source, "fixture.Hold") {
			return
		}
		if strings.Contains(f.Source, "fixture.Hold(t, rules,") && strings.Contains(f.Source, "range Checks()") {
			held[path.Dir(f.Path)] = true
		}
		ast.Inspect(f.File, func(n ast.Node) bool {
			if kv, is := n.(*ast.KeyValueExpr); is {
				n = kv.Key
			} else if i, is := n.(*ast.IndexExpr); is {
				n = i.Index
			} else {
				return true
			}
			if lit, is := n.(*ast.BasicLit); is && lit.Kind == token.STRING {
				id, _ := strconv.Unquote(lit.Value)
				named[id] = true
			}
			return true
		})
	})
	for dir, checks := range whole {
		if !held[dir] {
			t.Errorf("the tests of %s do not hold all rules of its checks", dir)
			continue
		}
		for _, c := range checks {
			for _, r := range c.Rules {
				named[r.ID] = true
			}
		}
	}
	for _, r := range rules() {
		if r.Worst != 0 && !named[r.ID] {
			t.Errorf("%s has no fixture", r.ID)
		}
	}
}
