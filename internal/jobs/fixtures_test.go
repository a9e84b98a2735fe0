package jobs

import (
	"testing"
	"time"

	"github.com/25eloquence/compose-mage/internal/doctor/check"
	"github.com/25eloquence/compose-mage/internal/doctor/fixture"
)

// TestRulesHaveFixtures holds each finding of a job against a run that it tells of and one that went well.
func TestRulesHaveFixtures(t *testing.T) {
	of := func(started, ended time.Duration, code int) []check.Finding {
		is := Installed{Job: "cleanup", At: "03:30", Since: noon.Add(-14 * 24 * time.Hour)}
		text, id := wrong(is, Run{Started: noon.Add(-started), Ended: noon.Add(-ended), ExitCode: code}, true, false,
			noon)
		if text == "" {
			return nil
		}
		return []check.Finding{check.Warn(id, "", "%s", text)}
	}
	const hour = time.Hour
	well := of(8*hour, 7*hour, 0)
	fixture.HoldAll(t, map[string]fixture.Fixture{
		"schedule.failed": fixture.Of(of(8*hour, 7*hour, 1), well),
		"schedule.missed": fixture.Of(of(32*hour, 31*hour, 0), well),
	})
}
