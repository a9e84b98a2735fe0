package monitor

import (
	"cmp"
	"slices"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/container"
)

// compareWithModel judges the containers by the rule that start and status go by, marks which the project wants, adds
// what it has no container of, and sorts.
func compareWithModel(replicas []Replica, project *types.Project, now time.Time) []Replica {
	seen, unseen := map[string][]container.Replica{}, map[string]int{}
	for i := range replicas {
		r := &replicas[i]
		service, active := project.Services[r.Service]
		_, disabled := project.DisabledServices[r.Service] // of a profile that is not asked for now
		r.Orphan = !active && !disabled
		if r.seen != nil {
			r.Verdict = container.Look(r.Service, *r.seen, now)
			seen[r.Service] = append(seen[r.Service], *r.seen)
		} else if r.State != StateGone { // it is there, whatever it is
			unseen[r.Service]++
		}
		r.Expected = active && service.GetScale() > 0 && service.Provider == nil &&
			r.Verdict.Condition != container.Done && r.State != StateGone
	}
	for name, service := range project.Services {
		v := container.Judge(service, seen[name], now)
		switch v.Condition { //nolint:exhaustive // all others are a container's
		case container.Provider:
			if len(v.Each) == 0 {
				replicas = append(replicas, Replica{Service: name, State: StateProvider, Verdict: v.Opinion})
			}
		case container.Surplus:
			replicas = append(replicas, Replica{Service: name, State: StateSurplus, Verdict: v.Opinion})
		default:
			for range service.GetScale() - len(v.Each) - unseen[name] {
				replicas = append(replicas,
					Replica{Service: name, State: StateMissing, Expected: true, Verdict: v.Opinion})
			}
		}
	}
	slices.SortFunc(replicas, func(a, b Replica) int {
		return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.Container, b.Container))
	})
	return replicas
}
