package readiness

import (
	"context"
	"fmt"
	"time"

	moby "github.com/moby/moby/api/types/container"

	"github.com/25eloquence/compose-mage/internal/container"
)

// verdictPause is between two looks at the verdict of Docker's own check.
const verdictPause = 200 * time.Millisecond

// WaitForDocker waits for the verdict of Docker's own check of a container that runs: nil when Docker calls the
// container healthy, or the container has no check; NotReady when the check has failed as often as it may, or the
// container has ended. tell is told once, where there is a verdict to wait for, how often Docker runs the check.
func WaitForDocker(ctx context.Context, api Prober, id string, tell func(every time.Duration)) error {
	w := &Waiter{API: api, ID: id, began: time.Now()}
	for {
		c, err := w.inspect(ctx)
		if err != nil {
			return err
		}
		if ended, err := w.hasEnded(c); err != nil {
			return err
		} else if ended {
			return &NotReady{Why: w.ended.String()}
		}
		check := checkOf(c)
		if done, err := dockersVerdict(c, check, time.Since(w.began)); done || err != nil {
			return err
		}
		if tell != nil {
			tell(intervalOf(check))
			tell = nil
		}
		if _, err := w.rest(ctx, verdictPause); err != nil {
			return err
		}
	}
}

// dockersVerdict says whether there is nothing left to wait for, elapsed since the wait began: the container is
// healthy or has no check, or the error says why it never will be.
func dockersVerdict(c container.Replica, check *moby.HealthConfig, elapsed time.Duration) (done bool, err error) {
	if check == nil || c.State.Health == nil || dockerHealthy(c) {
		return true, nil
	}
	if dockerGaveUp(c, check) {
		at, said := dockersLastCheck(c)
		return false, &NotReady{Why: fmt.Sprintf("unhealthy after %s (%s)", at.Round(time.Second), said)}
	}
	if limit := dockerPatience(check); elapsed > limit {
		why := fmt.Sprintf("%s for Docker after %s", c.State.Health.Status, limit.Round(time.Second))
		return false, &NotReady{Why: why}
	}
	return false, nil
}
