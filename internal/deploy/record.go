package deploy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/state"
	"github.com/25eloquence/compose-mage/internal/swarmspec"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// record is what a deploy leaves on the Swarm while it is at work, as a config of the stack: how the services were
// before. Whoever deploys next, from whichever machine, finds there what one that was killed has touched; and two at a
// time are not had.
type record struct {
	Began  time.Time                     `json:"began"`
	By     string                        `json:"by"`
	Before map[string]*swarm.ServiceSpec `json:"before"` // nil for a service that was not there
}

const (
	recordName = "compose-mage-deploy"
	ownerLabel = "compose-mage.owner" // who deploys: a host and its state directory
	beatLabel  = "compose-mage.beat"  // when that one was last alive, by the engine's clock

	beatEvery = 5 * time.Second
	// beatLost is how old a beat is of one who is not at work any more.
	beatLost = 20 * time.Second
)

func isRecord(s swarm.Config, stack string) bool { return s.Spec.Name == stack+"_"+recordName }

// ErrOutdated says that another deploy has changed what the plan was made from: it has to be made anew.
var ErrOutdated = errors.New("another deploy of the stack was at work")

// recordHolder keeps the record while a deploy is at work.
type recordHolder struct {
	e      *engine.Engine
	id     string
	record record
	stop   context.CancelFunc
	ended  chan struct{}
}

// owner is this machine and its state directory, whose lock on the project is held.
func owner() string {
	host, _ := os.Hostname()
	dir, _ := state.Dir()
	return host + ":" + dir
}

// keep writes the record, and takes over that of a deploy which was killed: how the services were before that one is
// how they were before.
func keep(ctx context.Context, e *engine.Engine, p *Plan, out *ui.Out) (*recordHolder, error) {
	r := record{Began: e.Now(), By: owner(), Before: map[string]*swarm.ServiceSpec{}}
	for _, step := range p.Steps {
		if have, there := p.cluster.Services[step.Service]; there {
			r.Before[step.Service] = &have.Spec
			continue
		}
		r.Before[step.Service] = nil
	}
	for waited := false; ; {
		id, err := createRecord(ctx, e, p.Stack, r)
		switch {
		case err == nil && waited:
			return nil, errors.Join(ErrOutdated, beat(ctx, e, id, r).done(ctx))
		case err == nil:
			return beat(ctx, e, id, r), nil
		}
		if !cerrdefs.IsConflict(err) && !cerrdefs.IsAlreadyExists(err) {
			return nil, fmt.Errorf("writing down on the Swarm what is to be changed: %w", err)
		}
		left, dead, err := readRecord(ctx, e, p.Stack)
		switch {
		case cerrdefs.IsNotFound(err): // it has just ended
		case err != nil:
			return nil, err
		case dead:
			for name, spec := range left.record.Before {
				r.Before[name] = spec
			}
			out.Info("a deploy of %s, begun %s, did not come to its end: going on from there", left.record.By,
				left.record.Began.Format(time.RFC3339))
			if _, err := e.ConfigRemove(ctx, left.id, client.ConfigRemoveOptions{}); err != nil &&
				!cerrdefs.IsNotFound(err) {
				return nil, fmt.Errorf("removing the record of an earlier deploy: %w", err)
			}
			continue
		case !waited:
			waited = true
			out.Info("%s deploys %s since %s: waiting for it", left.record.By, p.Stack,
				left.record.Began.Format(time.RFC3339))
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

func createRecord(ctx context.Context, e *engine.Engine, stack string, r record) (string, error) {
	data, err := json.Marshal(r)
	if err != nil {
		return "", err
	}
	made, err := e.ConfigCreate(ctx, client.ConfigCreateOptions{Spec: swarm.ConfigSpec{
		Annotations: swarm.Annotations{Name: stack + "_" + recordName, Labels: map[string]string{
			swarmspec.StackLabel: stack, ownerLabel: owner(), beatLabel: e.Now().Format(time.RFC3339),
		}},
		Data: data,
	}})
	return made.ID, err
}

// readRecord gives the record that is there, and whether the one who wrote it is at work no more.
func readRecord(ctx context.Context, e *engine.Engine, stack string) (*recordHolder, bool, error) {
	found, err := e.ConfigInspect(ctx, stack+"_"+recordName, client.ConfigInspectOptions{})
	if err != nil {
		return nil, false, err
	}
	c := found.Config
	h := &recordHolder{e: e, id: c.ID}
	if err := json.Unmarshal(c.Spec.Data, &h.record); err != nil {
		return nil, false, fault.New(fault.Failed, "docker config rm "+fault.Quote(c.Spec.Name),
			"config %q of the Swarm is no record of a deploy: %w", c.Spec.Name, err)
	}
	at, err := time.Parse(time.RFC3339, c.Spec.Labels[beatLabel])
	// Who holds this machine's lock on the project knows that nobody else here is at work.
	dead := err != nil || c.Spec.Labels[ownerLabel] == owner() || e.Now().Sub(at) > beatLost
	return h, dead, nil
}

// beat says again and again that this deploy is at work, also while it goes back after its time is over.
func beat(ctx context.Context, e *engine.Engine, id string, r record) *recordHolder {
	within, stop := context.WithCancel(context.WithoutCancel(ctx))
	h := &recordHolder{e: e, id: id, record: r, stop: stop, ended: make(chan struct{})}
	go func() {
		defer close(h.ended)
		tick := time.NewTicker(beatEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				h.mark(within, e.Now().Format(time.RFC3339))
			case <-within.Done():
				return
			}
		}
	}()
	return h
}

// mark sets when this deploy was last alive. One beat that is lost is no matter.
func (h *recordHolder) mark(ctx context.Context, at string) {
	found, err := h.e.ConfigInspect(ctx, h.id, client.ConfigInspectOptions{})
	if err != nil {
		return
	}
	spec := found.Config.Spec
	spec.Labels[beatLabel] = at
	_, _ = h.e.ConfigUpdate(ctx, h.id, client.ConfigUpdateOptions{Version: found.Config.Version, Spec: spec})
}

// done removes the record: all is as it should be, or as it was.
func (h *recordHolder) done(ctx context.Context) error {
	h.stop()
	<-h.ended
	_, err := h.e.ConfigRemove(ctx, h.id, client.ConfigRemoveOptions{})
	if err != nil && !cerrdefs.IsNotFound(err) {
		return fmt.Errorf("removing the record of this deploy: %w", err)
	}
	return nil
}

// leave keeps the record for the next deploy.
func (h *recordHolder) leave(ctx context.Context) {
	h.stop()
	<-h.ended
	h.mark(ctx, "left")
}
