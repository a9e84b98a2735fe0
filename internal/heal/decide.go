package heal

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	moby "github.com/moby/moby/api/types/container"

	"github.com/25eloquence/compose-mage/internal/bounded"
	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/extension"
	"github.com/25eloquence/compose-mage/internal/restarts"
)

// chosen are the services that are healed: those named, else those that ask for it in the Compose file.
func chosen(project *types.Project, named []string) (out []string) {
	for _, name := range project.ServiceNames() {
		if slices.Contains(named, name) || len(named) == 0 && extension.Healed(project.Services[name]) {
			out = append(out, name)
		}
	}
	return out
}

// ill are those of a service's containers that are unhealthy: by a check that began after another run was last at work,
// which may have frozen, stopped or starved them. A container that is stopped, paused, starting or being restarted is
// none of them.
func ill(replicas []container.Replica, busy time.Time) (out []container.Replica) {
	for _, c := range replicas {
		if !c.Runs() || c.State.Restarting || !c.Unhealthy() {
			continue
		}
		if n := len(c.State.Health.Log); n > 0 && c.State.Health.Log[n-1].Start.Before(busy) {
			continue
		}
		out = append(out, c)
	}
	return out
}

// well says that all of a service's containers run and are healthy, as far as they have a check.
func well(replicas []container.Replica) bool {
	return len(replicas) > 0 && !slices.ContainsFunc(replicas, func(c container.Replica) bool {
		h := c.State.Health
		return !c.Runs() || h != nil && h.Status != moby.Healthy && h.Status != moby.NoHealthcheck
	})
}

// step is what is to be done about one service.
type step struct {
	service string
	ill     []container.Replica
	spent   bool      // it has used up its restarts until at
	at      time.Time // it is not restarted before
	waits   string    // for a service that it depends on, and that is about to get healthy
}

// now says that the service is restarted.
func (s step) now(now time.Time) bool {
	return s.waits == "" && !now.Before(s.at)
}

// steps are what is to be done about those of the services that are unhealthy.
func steps(
	project *types.Project, services []string, found map[string][]container.Replica, r restarts.Record,
	b restarts.Bound, busy, now time.Time,
) (out []step) {
	begun := map[string]bool{} // services that are restarted, or will be
	for _, name := range services {
		sick := ill(found[name], busy)
		if len(sick) == 0 {
			continue
		}
		at, spent := b.Next(b.Recent(r.Services[name].Restarts, now))
		out = append(out, step{service: name, ill: sick, spent: spent, at: at})
		begun[name] = !spent
	}
	for i := range out {
		out[i].waits = awaited(project.Services[out[i].service], found, begun)
	}
	return out
}

// awaited is a service that this one depends on, and that starts or is healed itself: it may be all that this one
// lacks.
func awaited(s types.ServiceConfig, found map[string][]container.Replica, begun map[string]bool) string {
	for _, name := range slices.Sorted(maps.Keys(s.DependsOn)) {
		starting := slices.ContainsFunc(found[name], func(c container.Replica) bool {
			return c.Runs() && c.State.Health != nil && c.State.Health.Status == moby.Starting
		})
		if starting || begun[name] {
			return name
		}
	}
	return ""
}

// dependents are the services that are restarted after this one, by their depends_on with restart: true.
func dependents(project *types.Project, service string) (out []string) {
	for _, name := range project.ServiceNames() {
		if project.Services[name].DependsOn[service].Restart {
			out = append(out, name)
		}
	}
	return out
}

// ordinary are causes of a container's last end that tell nothing of why it is unhealthy: a restart of ours is one.
var ordinary = []container.Cause{container.Stopped, container.Completed, container.Unknown}

// mostOutputs is how many of the last checks are told of.
const mostOutputs = 3

// why says in lines what is known of an unhealthy container.
func why(c container.Replica) []string {
	out := []string{fmt.Sprintf("%s: its last %d health checks failed", c.Name(), max(1, c.State.Health.FailingStreak))}
	var said []string
	for _, check := range slices.Backward(c.State.Health.Log) {
		text, _, _ := strings.Cut(strings.TrimSpace(check.Output), "\n")
		text = fmt.Sprintf("exit %d: %s", check.ExitCode, bounded.Line(text))
		if check.ExitCode != 0 && !slices.Contains(said, text) && len(said) < mostOutputs {
			said = append(said, text)
		}
	}
	slices.Reverse(said)
	out = append(out, said...)
	if c.Last != nil && !slices.Contains(ordinary, c.Last.Cause) {
		out = append(out, "its last end: "+c.Last.String())
	}
	return out
}
