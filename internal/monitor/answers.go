package monitor

import (
	"context"
	"fmt"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	moby "github.com/moby/moby/api/types/container"

	"github.com/25eloquence/compose-mage/internal/answer"
	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/extension"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/finding"
	"github.com/25eloquence/compose-mage/internal/jobs"
	"github.com/25eloquence/compose-mage/internal/logerrors"
)

// answerPatience is how long a service without a health check may refuse after its container has started.
const answerPatience = 30 * time.Second

// signals are what the services themselves tell: how they answer, and what their logs say of errors. An observer
// keeps them from one look to the next.
type signals struct {
	reach answer.Reach
	asked *answer.Rounds
	logs  *logerrors.Readers // nil in a single look, which has nothing to compare with

	jobs     jobs.Watched
	services map[string]answer.Service // what the Compose file says of each, which is read once
}

func newSignals(api API) *signals {
	s := &signals{asked: answer.NewRounds(), services: map[string]answer.Service{}}
	if e, ok := api.(*engine.Engine); ok {
		s.reach = answer.ReachOf(e)
	}
	return s
}

// begin asks the services whose turn it is; the questions end with ctx.
func (s *signals) begin(ctx context.Context, rows []*row, project *types.Project) {
	s.asked.Begin(ctx, s.answerTargets(rows, project))
	if s.logs != nil {
		s.logs.Read(ctx, logsOf(rows))
	}
}

// take takes down what is known by now. The window between the samples has passed: nobody waits for it any longer.
func (s *signals) take(rows []*row, now time.Time) {
	for _, r := range rows {
		r.takeAnswer(s.asked.Of(r.ID), now)
		if s.logs != nil {
			r.Log = s.logs.Of(r.ID)
		}
	}
}

// answerTargets gives where each container is asked, by its ID: none that does not run, or is starting.
func (s *signals) answerTargets(rows []*row, project *types.Project) map[string]answer.Target {
	var all []container.Replica
	for _, r := range rows {
		if r.seen != nil {
			all = append(all, *r.seen)
		}
	}
	targets := map[string]answer.Target{}
	for _, r := range rows {
		if r.seen == nil || !r.Running() || r.Health == string(moby.Starting) {
			continue
		}
		if t, ok := answer.Of(s.asking(project, r.Service), *r.seen, all, s.reach); ok {
			targets[r.ID] = t
		}
	}
	return targets
}

// asking is what the Compose file says of how a service is asked.
func (s *signals) asking(project *types.Project, name string) answer.Service {
	if known, ok := s.services[name]; ok {
		return known
	}
	service, ok := project.Services[name]
	if !ok {
		service = project.DisabledServices[name]
	}
	how := answer.Service{ReadyOnceStarted: extension.ReadyOnceStarted(service)}
	if named, ok := extension.AnswersOf(service); ok {
		how.Named = &named
	}
	s.services[name] = how
	return how
}

// takeAnswer takes down how the container answered. One that has started a moment ago, and has no health check to
// say that it is starting, may still refuse.
func (r *Replica) takeAnswer(a answer.Answer, now time.Time) {
	if a.Error != "" && r.Health == "" && now.Sub(r.Started) < answerPatience {
		a = Answer{}
	}
	r.Answer = a
}

// answerFindings has what does not answer as it should. Replicas of one service that are asked at the same address
// give one.
func answerFindings(all []Replica) (out []finding.Finding) {
	said := map[string]bool{}
	for _, r := range all {
		a := r.Answer
		if a.Error == "" || !r.Running() || said[r.Service+a.Of] {
			continue
		}
		said[r.Service+a.Of] = true
		next := "go tool mage logs " + fault.Quote(r.Service)
		if !a.Named {
			next += "; x-compose-mage: {ready: started} on the service, if nothing has to listen there"
		}
		out = append(out, finding.Warn("answer.failed", next, "%s does not answer as it should: %s %s", r.Service, a.Of,
			a.Error).Of(r.Service))
	}
	return out
}

// answerCell is the service's own time in the table.
func (r Replica) answerCell() string {
	switch a := r.Answer; {
	case a.Of == "" || !r.Running():
		return "-"
	case a.Error != "":
		return high(true, "failed")
	case a.Pending:
		return "> " + milliseconds(a.MS)
	default:
		return milliseconds(a.MS)
	}
}

func milliseconds(ms float64) string {
	if ms < 10 {
		return fmt.Sprintf("%.1f ms", ms)
	}
	return fmt.Sprintf("%.0f ms", ms)
}
