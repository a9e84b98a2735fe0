package deployed

import (
	"context"
	"errors"
	"fmt"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
	"golang.org/x/sync/errgroup"

	"github.com/25eloquence/compose-mage/internal/bounded"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/swarmspec"
	"github.com/25eloquence/compose-mage/internal/ui"
)

const stackLabel = swarmspec.StackLabel

// Stores asks the nodes that can be asked what they keep.
func Stores(ctx context.Context, s Stack, engines Engines) []NodeStore {
	out := make([]NodeStore, len(s.Nodes))
	var g errgroup.Group
	for i, n := range s.Nodes {
		store := &out[i]
		store.ID, store.Name = n.ID, n.Description.Hostname
		e, there := engines[n.ID]
		switch {
		case n.Status.State != swarm.NodeStateReady:
			store.Unasked = "it is " + string(n.Status.State)
		case !there:
			store.Unasked = noAddress
		case e.Failed != nil:
			store.Unasked = bounded.Line(e.Failed.Error())
		default:
			g.Go(func() error {
				if err := store.ask(ctx, e); err != nil {
					store.Unasked = bounded.Line(err.Error())
				}
				return nil
			})
		}
	}
	_ = g.Wait()
	return out
}

func (n *NodeStore) ask(ctx context.Context, e client.APIClient) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	images, err := e.ImageList(ctx, client.ImageListOptions{})
	if err != nil {
		return fmt.Errorf("listing its images: %w", err)
	}
	containers, err := e.ContainerList(ctx, client.ContainerListOptions{All: true})
	if err != nil {
		return fmt.Errorf("listing its containers: %w", err)
	}
	volumes, err := e.VolumeList(ctx, client.VolumeListOptions{})
	if err != nil {
		return fmt.Errorf("listing its volumes: %w", err)
	}
	n.Images, n.Volumes = images.Items, volumes.Items
	n.Used, n.InUse = map[string]bool{}, map[string]bool{}
	for _, c := range containers.Items {
		n.Used[c.ImageID] = true
		for _, m := range c.Mounts {
			if m.Name != "" {
				n.InUse[m.Name] = true
			}
		}
	}
	return nil
}

// Print writes what goes and what stays, with reasons.
func (p CleanupPlan) Print(out *ui.Out) {
	if p.Whole {
		out.Title("removing %s: volumes and images stay", p.said)
	} else {
		out.Title("cleaning up %s", p.said)
	}
	line := func(verb string, i Item) {
		name := i.Name
		if i.Node != "" {
			name += " on " + i.Node
		}
		if i.Bytes > 0 {
			name += " (" + ui.Bytes(i.Bytes) + ")"
		}
		ui.Fprintf(out.Writer(), "   %s %s %s: %s\n", verb, i.Kind, name, i.Why)
	}
	for _, i := range p.Remove {
		line("remove", i)
	}
	kept := map[string]int{}
	for _, i := range p.Keep {
		if i.Kind == kindVolume || p.Whole {
			line("keep", i)
			continue
		}
		kept[i.Kind]++
	}
	for _, kind := range []string{kindNetwork, kindSecret, kindConfig, kindImage} {
		if n := kept[kind]; n > 0 {
			ui.Fprintf(out.Writer(), "   keep %s in use\n", counted(n, kind))
		}
	}
	for _, n := range p.Unasked {
		out.Info("what is on node %s", n)
	}
	if len(p.Remove) == 0 {
		out.Done("nothing to remove")
	}
}

// goneWithin is how long a network may be in use by tasks that end.
const goneWithin = time.Minute

// CleanUp carries the plan out. Nothing is forced: what came into use meanwhile stays, and a line says so.
func CleanUp(ctx context.Context, e *engine.Engine, s Stack, p CleanupPlan, engines Engines, out *ui.Out) error {
	if err := refuseDuringDeploy(s, "cleaned up"); err != nil {
		return err
	}
	var failed []error
	for _, i := range p.Remove {
		if err := ctx.Err(); err != nil {
			return err
		}
		on := e.APIClient
		if i.nodeID != "" {
			on = engines[i.nodeID]
		}
		err := removeItem(ctx, on, i, p.Whole)
		where := ""
		if i.Node != "" {
			where = " on " + i.Node
		}
		switch {
		case cerrdefs.IsNotFound(err):
			out.Info("%s %s%s is already gone", i.Kind, i.Name, where)
		case cerrdefs.IsConflict(err), cerrdefs.IsInvalidArgument(err), cerrdefs.IsFailedPrecondition(err):
			out.Warn("%s %s%s stays: it is in use", i.Kind, i.Name, where)
		case err != nil:
			out.Warn("%s %s%s could not be removed", i.Kind, i.Name, where)
			failed = append(failed, fmt.Errorf("removing %s %q%s: %w", i.Kind, i.Name, where, err))
		default:
			out.Done("removed %s %s%s", i.Kind, i.Name, where)
		}
	}
	if len(failed) > 0 {
		return fault.New(fault.Failed, "go tool mage cleanup", "cleaning up stack %s: %w", s.Stack,
			errors.Join(failed...))
	}
	return nil
}

// removeItem removes one. patient waits for the tasks that still have it: of services that have just been removed.
func removeItem(ctx context.Context, e client.APIClient, i Item, patient bool) error {
	began := time.Now()
	for {
		err := removeOnce(ctx, e, i)
		inUse := cerrdefs.IsConflict(err) || cerrdefs.IsInvalidArgument(err) || cerrdefs.IsFailedPrecondition(err)
		if !patient || !inUse || time.Since(began) > goneWithin {
			return err
		}
		select {
		case <-time.After(askEvery):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func removeOnce(ctx context.Context, e client.APIClient, i Item) (err error) {
	switch i.Kind {
	case kindService:
		_, err = e.ServiceRemove(ctx, i.ID, client.ServiceRemoveOptions{})
	case kindNetwork:
		_, err = e.NetworkRemove(ctx, i.ID, client.NetworkRemoveOptions{})
	case kindSecret:
		_, err = e.SecretRemove(ctx, i.ID, client.SecretRemoveOptions{})
	case kindConfig:
		_, err = e.ConfigRemove(ctx, i.ID, client.ConfigRemoveOptions{})
	case kindImage:
		_, err = e.ImageRemove(ctx, i.ID, client.ImageRemoveOptions{PruneChildren: true})
	case kindVolume:
		_, err = e.VolumeRemove(ctx, i.ID, client.VolumeRemoveOptions{})
	default:
		err = fmt.Errorf("unknown kind %q", i.Kind)
	}
	return err
}
