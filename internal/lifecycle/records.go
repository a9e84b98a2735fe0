package lifecycle

import (
	"context"
	"fmt"
	"maps"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/recreate"
)

// keepRecords writes down what the containers of this start were made from: of those that it started, and of those
// without a record. It drops the records of containers that are gone.
func (s *starter) keepRecords(ctx context.Context) error {
	if s.compared.Records == (recreate.Records{}) {
		return nil
	}
	known, err := s.compared.Records.Known()
	if err != nil {
		return err
	}
	gone := maps.Clone(known)
	for _, replicas := range s.before {
		for _, r := range replicas {
			delete(gone, r.ID)
		}
	}
	for service, replicas := range s.found {
		for _, r := range replicas {
			delete(gone, r.ID)
			if known[r.ID] && s.timings[service].room.IsZero() {
				continue
			}
			if err := s.keepRecord(ctx, service, r.ID); err != nil {
				return err
			}
		}
	}
	for id := range gone {
		if err := s.compared.Records.Forget(id); err != nil {
			return err
		}
	}
	return nil
}

func (s *starter) keepRecord(ctx context.Context, service, id string) error {
	found, err := s.engine.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if cerrdefs.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("inspecting a container of %q: %w", service, err)
	}
	keys, err := recreate.KeysOf(s.project.Services[service], id)
	if err != nil {
		return err
	}
	return s.compared.Keep(found.Container, service, keys)
}
