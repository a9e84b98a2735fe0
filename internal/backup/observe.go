package backup

import (
	"context"
	"fmt"

	"github.com/compose-spec/compose-go/v2/types"
	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/volume"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/volumes"
)

// Look finds out what a plan is made of.
func Look(ctx context.Context, e *engine.Engine, project *types.Project) (Seen, error) {
	seen := Seen{Project: project, Readable: func(v volume.Volume) string { return volumes.Unreadable(e, v) }}
	for _, v := range project.Volumes {
		found, err := e.VolumeInspect(ctx, v.Name, client.VolumeInspectOptions{})
		switch {
		case cerrdefs.IsNotFound(err):
			continue
		case err != nil:
			return seen, fmt.Errorf("looking at the volume %q: %w", v.Name, err)
		}
		seen.Volumes = append(seen.Volumes, found.Volume)
	}
	var err error
	seen.Containers, err = volumes.Users(ctx, e, seen.Volumes)
	return seen, err
}
