package lifecycle

import (
	"context"
	"fmt"
	"maps"
	"slices"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/recreate"
)

// keepRecords writes down what the containers of this run were made from: of those that it started, and of those
// without a record. It drops the records of containers that are gone.
func (r *run) keepRecords(ctx context.Context) error {
	records := r.compared.Records
	if records == (recreate.Records{}) {
		return nil
	}
	known, err := records.Known()
	if err != nil {
		return err
	}
	now, before := map[string][]string{}, map[string]bool{}
	for _, replicas := range r.seen.Containers {
		for _, c := range replicas {
			before[c.ID] = true
		}
	}
	started := map[string]bool{}
	for service, s := range r.services {
		started[service] = !s.ran
		for _, c := range s.containers {
			now[service] = append(now[service], c.ID)
		}
	}
	write, forget := recordsToKeep(known, before, now, started)
	for id, service := range write {
		why := ""
		if step := r.plan.Step(service); !before[id] && step.Have > 0 {
			why = step.Why
		}
		if err := r.keepRecord(ctx, service, id, why); err != nil {
			return err
		}
	}
	for _, id := range forget {
		if err := records.Forget(id); err != nil {
			return err
		}
	}
	return nil
}

// recordsToKeep says of which containers a record is written, with their services, and whose record is dropped.
// known are the IDs with a record, before those that the project had before the run, now those that it came to, by
// service, started the services whose containers the run started.
func recordsToKeep(
	known, before map[string]bool,
	now map[string][]string,
	started map[string]bool,
) (write map[string]string, forget []string) {
	write, gone := map[string]string{}, maps.Clone(known)
	maps.DeleteFunc(gone, func(id string, _ bool) bool { return before[id] })
	for service, ids := range now {
		for _, id := range ids {
			delete(gone, id)
			if !known[id] || started[service] {
				write[id] = service
			}
		}
	}
	return write, slices.Sorted(maps.Keys(gone))
}

func (r *run) keepRecord(ctx context.Context, service, id, why string) error {
	found, err := r.engine.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if cerrdefs.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("inspecting a container of %q: %w", service, err)
	}
	keys, err := recreate.KeysOf(r.project.Services[service], id)
	if err != nil {
		return err
	}
	return r.compared.Keep(found.Container, service, keys, why)
}
