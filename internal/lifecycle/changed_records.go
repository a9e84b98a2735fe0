package lifecycle

import (
	"context"
	"fmt"
	"maps"

	cerrdefs "github.com/containerd/errdefs"
	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/recreate"
)

// record keeps what the container, which is as it should be, was made from (keys) and what it has from this start:
// the files and contents as they are now.
func (c comparison) record(r moby.InspectResponse, service string, keys recreate.Keys) error {
	record := recreate.Record{
		Service: service, Keys: keys, Started: r.State.StartedAt, Files: map[string]string{}, Contents: map[string]string{},
	}
	if sightOf(c.engine) != noFiles {
		for _, m := range r.Mounts {
			if m.Type == mount.TypeBind {
				record.Files[m.Destination] = recreate.FileID(m.Source)
			}
		}
	}
	for target, copied := range contentsOf(c.project, c.project.Services[service]) {
		record.Contents[target] = recreate.Digest(r.ID, copied.text)
	}
	return c.records.Keep(r.ID, record)
}

// keepRecords writes down what the containers of this start were made from: of those that it started, and of those
// without a record. It drops the records of containers that are gone.
func (s *starter) keepRecords(ctx context.Context) error {
	if s.compared.records == (recreate.Records{}) {
		return nil
	}
	known, err := s.compared.records.Known()
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
		if err := s.compared.records.Forget(id); err != nil {
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
	return s.compared.record(found.Container, service, keys)
}
