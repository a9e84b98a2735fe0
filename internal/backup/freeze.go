package backup

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/freezer"
	"github.com/25eloquence/compose-mage/internal/volumehelper"
	"github.com/25eloquence/compose-mage/internal/wait"
)

// patience is how long a moment is waited for at which no health check is due.
const patience = 30 * time.Second

// standstill is a set of containers whose processes stand still.
type standstill struct {
	all   []*freezer.Freeze
	thaw  func() error // where a container has them stand still; nil where this process does
	began time.Time
	limit time.Duration
}

// moment waits for a time at which the containers can stand still, and gives for how long. The longer it takes to come,
// the less is asked for.
func (r *run) moment(ctx context.Context, ids []string) (time.Duration, error) {
	for began := time.Now(); ; {
		var all []moby.InspectResponse
		for _, id := range ids {
			found, err := r.engine.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
			if err != nil {
				return 0, fmt.Errorf("inspecting %.12s: %w", id, err)
			}
			all = append(all, found.Container)
		}
		checks := checksOf(all)
		waited := time.Since(began)
		asked := most(checks, r.plan.Freeze)
		if waited > patience/3 {
			asked = asked * 2 / 3
		}
		if waited > 2*patience/3 {
			asked /= 2
		}
		if limit := room(checks, r.engine.Now(), r.plan.Freeze); limit >= asked {
			return limit, nil
		}
		if waited > patience {
			return 0, fault.New(fault.Config, stopInstead,
				"health checks of the services come so often that these can't stand still between two of them")
		}
		if err := wait.For(ctx, 50*time.Millisecond); err != nil {
			return 0, err
		}
	}
}

// stopInstead is the next command where services can't stand still.
const stopInstead = "x-compose-mage: {backup: stop} on the service, which stops it for a backup; or by: dump"

// freeze has all the containers stand still at once.
func (r *run) freeze(ctx context.Context, users []User) (*standstill, error) {
	var ids []string
	for _, u := range users {
		ids = append(ids, u.ID)
	}
	if r.helper != nil {
		if err := r.helper.Find(ctx, ids); err != nil {
			return nil, cantStandStill(err)
		}
	}
	limit, err := r.moment(ctx, ids)
	if err != nil {
		return nil, err
	}
	if r.helper != nil {
		return r.freezeElsewhere(ctx, ids, limit)
	}
	s := &standstill{began: time.Now(), limit: limit}
	var group sync.WaitGroup
	begun, failed := make([]*freezer.Freeze, len(users)), make([]error, len(users))
	for i, u := range users {
		group.Go(func() {
			begun[i], failed[i] = freezer.Begin(u.ID, limit)
			if failed[i] != nil {
				failed[i] = fmt.Errorf("%s: %w", u.Container, failed[i])
			}
		})
	}
	group.Wait()
	for _, f := range begun {
		if f != nil {
			s.all = append(s.all, f)
		}
	}
	if err := errors.Join(failed...); err != nil {
		return nil, cantStandStill(errors.Join(err, s.end()))
	}
	return s, nil
}

// cantStandStill is the error of services that can't be frozen.
func cantStandStill(why error) error {
	return fault.New(fault.Config, stopInstead, "the services can't stand still for a backup: %w", why)
}

// freezeElsewhere has the container that reads the volumes freeze those that it has found. That one lets them go on by
// itself once their time is over, or this process is gone.
func (r *run) freezeElsewhere(ctx context.Context, ids []string, limit time.Duration) (*standstill, error) {
	s := &standstill{began: time.Now(), limit: limit, thaw: sync.OnceValue(func() error {
		err := r.helper.Thaw(ids)
		if errors.Is(err, volumehelper.ErrLate) {
			return errors.Join(errTooLong, err)
		}
		return err
	})}
	if err := r.helper.Freeze(ctx, limit); err != nil {
		return nil, cantStandStill(errors.Join(err, s.end()))
	}
	return s, nil
}

// end lets the containers go on. It may be called again.
func (s *standstill) end() error {
	if s == nil {
		return nil
	}
	if s.thaw != nil {
		return s.thaw()
	}
	var group sync.WaitGroup
	failed := make([]error, len(s.all))
	for i, f := range s.all {
		group.Go(func() { failed[i] = f.End() })
	}
	group.Wait()
	s.all = nil
	return errors.Join(failed...)
}

// margin is taken off a freeze's limit, after which the second process thaws.
const margin = 150 * time.Millisecond

// deadline is when what is read may no longer be of one moment.
func (s *standstill) deadline() time.Time { return s.began.Add(s.limit - margin) }
