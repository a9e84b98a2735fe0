package monitor

import (
	"testing"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/answer"
	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/doctor/check"
	"github.com/25eloquence/compose-mage/internal/doctor/fixture"
)

// TestRulesHaveFixtures holds each finding of a service against what it tells and the nearest that it does not.
func TestRulesHaveFixtures(t *testing.T) {
	of := func(change func(*Replica)) []check.Finding {
		r := Replica{
			Service: "s", State: "running", Expected: true, CPULimit: 1, MemoryLimit: 100,
			Verdict: fine(container.Running),
		}
		change(&r)
		return fixture.Found(findings(Snapshot{Services: []Replica{r}}))
	}
	in := func(c container.Condition) []check.Finding {
		return of(func(r *Replica) { r.Verdict = bad("s", c, "is so", nil) })
	}
	well := of(func(*Replica) {})
	fixtures := map[string]fixture.Fixture{
		"memory.killed": fixture.Of(of(func(r *Replica) { r.OOMKills = 1 }), of(func(r *Replica) { r.Restarts = 1 })),
		"memory.high": fixture.Of(of(func(r *Replica) { r.MemoryPercent = 90 }),
			of(func(r *Replica) { r.MemoryPercent = 89 })),
		"cpu.limited": fixture.Of(of(func(r *Replica) { r.CPULimitPercent = 90 }),
			of(func(r *Replica) { r.CPULimitPercent = 89 })),
		"cpu.saturated": fixture.Of(of(func(r *Replica) { r.CPULimit, r.CPULimitPercent = 0, 90 }),
			of(func(r *Replica) { r.CPULimit, r.CPULimitPercent = 0, 89 })),
		"service.unseen":    fixture.Of(of(func(r *Replica) { r.Error = "EOF" }), well),
		"service.restarted": fixture.Of(of(func(r *Replica) { r.Restarts = 1 }), well),
		"service.orphan": fixture.Of(of(func(r *Replica) { r.Orphan = true }),
			of(func(r *Replica) { r.Orphan, r.State = true, "exited" })),
		"answer.failed": fixture.Of(of(func(r *Replica) { r.Answer = answer.Answer{Of: "tcp/80", Error: "refused"} }),
			of(func(r *Replica) { r.Answer = answer.Answer{Of: "tcp/80", MS: 1} })),
		"service.unhealthy": fixture.Of(in(container.Unhealthy), well),
		"service.failed":    fixture.Of(in(container.Broken), in(container.Looping)),
		"service.looping":   fixture.Of(in(container.Looping), in(container.Broken)),
		"service.stopped":   fixture.Of(in(container.Halted), in(container.Broken)),
		"service.paused":    fixture.Of(in(container.Paused), well),
		"service.created":   fixture.Of(in(container.Created), well),
		"service.removing":  fixture.Of(in(container.Removing), well),
		"service.dead":      fixture.Of(in(container.Dead), well),
		"service.missing":   fixture.Of(in(container.Missing), in(container.Surplus)),
		"service.surplus":   fixture.Of(in(container.Surplus), in(container.Missing)),
	}
	others := func(all ...container.Checkout) []check.Finding {
		s := subject{project: &types.Project{Name: "p", WorkingDir: t.TempDir()}, signals: newSignals(nil)}
		return fixture.Found(s.snapshot(nil, Disk{}, all).Findings)
	}
	fixtures["project.other-checkout"] = fixture.Of(others(container.Checkout{Folder: "/elsewhere"}), others())
	fixture.HoldAll(t, fixtures)
}
