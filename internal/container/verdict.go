package container

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/compose/v5/pkg/api"
	moby "github.com/moby/moby/api/types/container"

	"github.com/25eloquence/compose-mage/internal/fault"
)

// Condition is what a container or a service is, in one word.
type Condition string

// The conditions. Fine are Running, Healthy, Starting, Done, Scaled0 and Provider; all others are not.
const (
	Running  Condition = "running"  // it runs, without a health check
	Healthy  Condition = "healthy"  // it runs, and its check passes
	Starting Condition = "starting" // it runs, and Docker has not heard from its check yet
	Done     Condition = "done"     // a job: it exited with 0, and nothing is to start it again
	Scaled0  Condition = "scaled to 0"
	// something else provides the service; it has no container, or only Compose's relay
	Provider  Condition = "provider"
	Unhealthy Condition = "unhealthy" // it runs, and its check fails
	Broken    Condition = "failed"    // it exited with another code, or could not be started
	Looping   Condition = "looping"   // its restart policy starts it again and again, or has just done so
	Halted    Condition = "stopped"   // somebody stopped it: its policy would have started it again
	Paused    Condition = "paused"
	Created   Condition = "created" // made and never started
	Removing  Condition = "removing"
	Dead      Condition = "dead"    // the engine could not remove it
	Missing   Condition = "missing" // fewer containers than the service is to have
	Surplus   Condition = "surplus" // more than it is to have
)

// How long a container that its restart policy has started again must have stayed up before it counts as up. Ten
// seconds are the engine's own measure: after such a run the engine begins anew with its shortest pause. A container
// that was started again LoopRestarts times may be in a loop of longer runs.
const (
	onceMore     = 10 * time.Second
	manyTimes    = time.Minute
	LoopRestarts = 3 // restarts by the policy since it was started, from which on it is a loop
)

// Opinion is what one container is, and whether that is as it should be.
type Opinion struct {
	// its name; "" where a service has none, or not as many as it should
	Container string `json:"container,omitempty"`
	// running, healthy, starting, done, scaled to 0, provider; or one that is not fine
	Condition Condition `json:"condition"`
	Fine      bool      `json:"fine"` // as it should be
	// words that follow the container's name: "is paused"; also where it is fine and there is something to tell
	Why  string `json:"why,omitempty"`
	Next string `json:"next,omitempty"` // the command that helps; "" where it is fine
	End  *End   `json:"end,omitempty"`  // nil where it runs, or never did
	// Last is how it ended before, where it runs again and did not end as somebody wished.
	Last *End `json:"last_end,omitempty"`
}

// Verdict is what a service is: its worst container's condition, or the lack of one.
type Verdict struct {
	Service string `json:"service"`
	Opinion
	Each []Opinion `json:"containers,omitempty"` // of each container, in the order given
}

// Awaited says of each service whether others of the project wait for it to complete.
func Awaited(project *types.Project) map[string]bool {
	out := map[string]bool{}
	for _, s := range project.Services {
		for name, how := range s.DependsOn {
			if _, ok := project.Services[name]; ok && how.Condition == types.ServiceConditionCompletedSuccessfully {
				out[name] = true
			}
		}
	}
	return out
}

// Says gives what is wrong in a sentence: "p-web-1 exited (exit 3)", "web has no container".
func (v Verdict) Says() string { return cmp.Or(v.Container, v.Service) + " " + v.Why }

// JudgeAll judges every service of the project, by name; found is as Inspect gives it.
func JudgeAll(project *types.Project, found map[string][]Replica, now time.Time) []Verdict {
	out := make([]Verdict, 0, len(project.Services))
	for _, name := range project.ServiceNames() {
		out = append(out, Judge(project.Services[name], found[name], now))
	}
	return out
}

// Judge says what a service is and whether that is as it should be: the one rule for start, status, monitor, restart
// and check. Judge goes by what lasts (exit code, restart policy and count, the times of the last start and end) and
// not by what one look happens to catch. A job may end whether or not another service waits for it.
func Judge(s types.ServiceConfig, replicas []Replica, now time.Time) Verdict {
	v := Verdict{Service: s.Name}
	for _, c := range replicas {
		v.Each = append(v.Each, Look(s.Name, c, now))
	}
	if s.Provider != nil {
		v.Opinion = provider(s, replicas, v.Each)
		return v
	}
	want := s.GetScale()
	if len(v.Each) > 0 {
		v.Opinion = slices.MaxFunc(v.Each, func(a, b Opinion) int { return cmp.Compare(a.severity(), b.severity()) })
	}
	switch {
	case want == 0 && len(replicas) == 0:
		v.Opinion = Opinion{Condition: Scaled0, Fine: true}
	case want == 0:
		v.Opinion = surplus(len(replicas), want)
	case len(replicas) == 0:
		v.Opinion = Opinion{Condition: Missing, Why: "has no container", Next: "go tool mage start"}
	case len(replicas) < want && v.Fine:
		v.Opinion = Opinion{
			Condition: Missing, Why: fmt.Sprintf("has %d of %d containers", len(replicas), want),
			Next: "go tool mage start",
		}
	case len(replicas) > want && v.Fine:
		v.Opinion = surplus(len(replicas), want)
	}
	return v
}

func surplus(have, want int) Opinion {
	return Opinion{
		Condition: Surplus, Why: fmt.Sprintf("has %d containers, and should have %d", have, want),
		Next: "go tool mage start",
	}
}

// provider judges a service that a provider gives. A container with the relay label is Compose's relay to the
// provider's service; any other was made before the service had a provider.
func provider(s types.ServiceConfig, replicas []Replica, each []Opinion) Opinion {
	for i, c := range replicas {
		if c.Config == nil || c.Config.Labels[api.RelayLabel] == "" {
			return Opinion{
				Condition: Surplus, Why: "is given by provider " + s.Provider.Type +
					", and still has a container of its own", Next: "go tool mage start",
			}
		}
		if !each[i].Fine {
			return each[i]
		}
	}
	return Opinion{Condition: Provider, Fine: true}
}

// severity orders the conditions of a service's containers: the service is in the condition of its worst container.
func (o Opinion) severity() int {
	order := []Condition{
		Done, Healthy, Running, Starting, Removing, Created, Halted, Paused, Unhealthy, Looping, Broken, Dead,
	}
	return slices.Index(order, o.Condition)
}

// Look judges one container of the service; now is the time by the engine's clock.
func Look(service string, c Replica, now time.Time) Opinion {
	o := look(service, c, now)
	o.Container, o.Last = c.Name(), c.before()
	if o.Fine && o.Last != nil && o.Why == "" {
		o.Why = "runs again; its last end: " + o.Last.String()
	}
	return o
}

func look(service string, c Replica, now time.Time) Opinion {
	logs := "go tool mage logs " + fault.Quote(service)
	no := func(is Condition, next, format string, args ...any) Opinion {
		return Opinion{Condition: is, Why: fmt.Sprintf(format, args...), Next: next}
	}
	switch s := c.State; {
	case s.Status == moby.StatePaused:
		return no(Paused, "docker unpause "+fault.Quote(c.Name()), "is paused")
	case s.Status == moby.StateRemoving:
		return no(Removing, "go tool mage start", "is being removed")
	case s.Status == moby.StateDead:
		return no(Dead, "docker rm -f "+fault.Quote(c.Name())+", then go tool mage start",
			"is dead: the engine could not remove it %s", s.Error)
	case s.Status == moby.StateCreated:
		if end, ok := c.end(); ok {
			return Opinion{Condition: Broken, Why: end.String(), Next: end.Next(service), End: &end}
		}
		return no(Created, "go tool mage start", "was made and never started")
	case c.Looping(now):
		return looping(c, logs, now)
	case s.Status == moby.StateExited:
		return ended(service, c)
	case c.Unhealthy():
		return no(Unhealthy, logs, "is unhealthy%s", lastOutput(s.Health))
	case s.Health != nil && s.Health.Status == moby.Healthy:
		return Opinion{Condition: Healthy, Fine: true}
	case s.Health != nil && s.Health.Status == moby.Starting:
		return Opinion{Condition: Starting, Fine: true}
	}
	return Opinion{Condition: Running, Fine: true}
}

// ended judges a container that has exited and that the engine will not start again.
func ended(service string, c Replica) Opinion {
	end, _ := c.end()
	o := Opinion{Condition: Broken, Why: end.String(), Next: end.Next(service), End: &end}
	switch {
	case c.Restarts(), c.Stopped:
		// The engine starts one of such a policy again unless somebody stopped it.
		o.Condition, o.Why, o.Next = Halted, "was stopped ("+ExitText(end.Code)+")", "go tool mage start"
		if end.Told() {
			o.Why = end.String()
		}
	case end.Code == 0 && end.Error == "": // of a stop by others nobody knows for long: it is a job that is done
		o.Condition, o.Fine, o.Next, o.Why = Done, true, "", ""
		if end.ChildKilled || end.Cause == Stopped {
			o.Why = end.String()
		}
	case end.Cause == Unknown:
		o.Next = "go tool mage start"
	}
	return o
}

func looping(c Replica, logs string, now time.Time) Opinion {
	o := Opinion{Condition: Looping, Next: logs}
	if end, ok := c.end(); ok {
		o.End = &end
		o.Why = fmt.Sprintf("%s, restarted %s", keeps(end), times(c.RestartCount))
		return o
	}
	last := c.Up(now).Round(100 * time.Millisecond)
	if before := c.before(); before != nil && before.Code != NoCode {
		o.Why = fmt.Sprintf("%s, restarted %s, last %s ago", keeps(*before), times(c.RestartCount), last)
		return o
	}
	o.Why = fmt.Sprintf("keeps exiting, restarted %s, last %s ago", times(c.RestartCount), last)
	return o
}

// keeps says what a container does again and again.
func keeps(end End) string {
	if end.Told() || end.Error != "" || end.Cause == Segfault || end.Cause == Crashed {
		return "keeps ending: " + end.String()
	}
	return "keeps exiting (" + ExitText(end.Code) + ")"
}

// lastOutput is what the last failed check said, as an addition.
func lastOutput(h *moby.Health) string {
	if h == nil || len(h.Log) == 0 {
		return ""
	}
	if line := firstLine(h.Log[len(h.Log)-1].Output); line != "" {
		return ": " + line
	}
	return ""
}
