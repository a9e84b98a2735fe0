package restarts

import (
	"testing"

	"github.com/25eloquence/compose-mage/internal/doctor/check"
	"github.com/25eloquence/compose-mage/internal/doctor/fixture"
)

// Restarted as often, it is healthy in the second.
func TestRuleHasFixtures(t *testing.T) {
	of := func(leftAlone bool) []check.Finding {
		r := Record{Services: map[string]Service{"web": {Restarts: times(30, 20, 10), LeftAlone: leftAlone}}}
		return fixture.Found(r.findings(Hourly, noon))
	}
	fixture.HoldAll(t, map[string]fixture.Fixture{
		"heal.spent": fixture.Of(of(true), of(false)),
	})
}
