package snapshots

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/25eloquence/compose-mage/internal/doctor/check"
	"github.com/25eloquence/compose-mage/internal/doctor/fixture"
	"github.com/25eloquence/compose-mage/internal/state"
)

// TestRulesHaveFixtures holds each finding of backups against records that it tells of and ones that are well.
func TestRulesHaveFixtures(t *testing.T) {
	of := func(r Record, d Drill, left bool) []check.Finding {
		t.Setenv(state.Variable, t.TempDir())
		dir, err := Dir("shop")
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Keep(dir); err != nil {
			t.Fatal(err)
		}
		if err := d.Keep(dir); err != nil {
			t.Fatal(err)
		}
		if left {
			in := filepath.Join(dir, "..", "stopped")
			text := `{"containers":[{"id":"id","name":"shop-db-1"}],"lock":"` + filepath.Join(in, "lock") + `"}`
			if err := state.Keep(filepath.Join(in, "stopped.json"), []byte(text)); err != nil {
				t.Fatal(err)
			}
		}
		return fixture.Found(Findings("shop"))
	}
	now := time.Now()
	well := of(Record{Last: now}, Drill{Last: now}, false)
	fixture.HoldAll(t, map[string]fixture.Fixture{
		"backup.failed":  fixture.Of(of(Record{Last: now, Failed: "no room", FailedAt: now}, Drill{}, false), well),
		"backup.drill":   fixture.Of(of(Record{}, Drill{Last: now.Add(-DrillEvery - time.Hour)}, false), well),
		"backup.stopped": fixture.Of(of(Record{}, Drill{}, true), well),
	})
}
