package cluster

import (
	"time"

	"github.com/moby/moby/api/types/swarm"
)

const (
	// triesEnough is how many tasks of a service may fail before it has: a Swarm tries for ever.
	triesEnough = 3
	// unplacedEnough is how long a task may have no node. Nodes that have just come are not counted at once.
	unplacedEnough = 15 * time.Second
)

// Stuck says why a service that is waited for won't become what it should be, in words that follow its name; "" where
// it still may. ours says that the one who waits has changed the service: what an earlier update came to does not
// count otherwise. now is the engine's time.
func Stuck(s swarm.Service, state State, tasks []swarm.Task, now time.Time, ours bool) string {
	if u := s.UpdateStatus; u != nil {
		switch {
		case u.State == swarm.UpdateStatePaused, u.State == swarm.UpdateStateRollbackPaused:
			return "its update is paused: " + u.Message
		case !ours:
		case u.State == swarm.UpdateStateRollbackStarted, u.State == swarm.UpdateStateRollbackCompleted:
			return "its new tasks fail, and the Swarm took it back"
		}
	}
	updating := s.UpdateStatus != nil && s.UpdateStatus.State == swarm.UpdateStateUpdating
	switch given := s.Spec.TaskTemplate.RestartPolicy; {
	case updating &&
		(s.Spec.UpdateConfig == nil || s.Spec.UpdateConfig.FailureAction != swarm.UpdateFailureActionContinue):
		// The Swarm counts failures itself.
	case len(state.Failures) >= triesEnough,
		len(state.Failures) > 0 && given != nil && given.Condition == swarm.RestartPolicyConditionNone:
		return "its tasks fail: " + state.Failures[0].Words
	}
	if why := Unplaced(s, tasks, now, unplacedEnough); why != "" {
		return "no node takes it: " + why
	}
	return ""
}

// Unplaced is what the Swarm says of a task that has had no node for that long; "" where there is none. Tasks of an
// earlier specification, which are about to be replaced, do not count.
func Unplaced(s swarm.Service, tasks []swarm.Task, now time.Time, enough time.Duration) string {
	spec, placement := specText(s.Spec.TaskTemplate), text(s.Spec.TaskTemplate.Placement)
	for _, t := range tasks {
		if t.ServiceID == s.ID && t.Status.State == swarm.TaskStatePending && t.Status.Err != "" && ToRun(t) &&
			now.Sub(t.Status.Timestamp) > enough && isCurrent(s, t, spec) && text(t.Spec.Placement) == placement {
			return t.Status.Err
		}
	}
	return ""
}
