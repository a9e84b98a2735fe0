package lifecycle

import (
	"context"
	"fmt"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/compose/v5/pkg/api"

	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// Stop stops the project's containers, dependants first, each within its own grace period. It removes nothing.
func Stop(ctx context.Context, e *engine.Engine, project *types.Project, out *ui.Out) error {
	if err := finishRollouts(ctx, e, project, out); err != nil {
		return err
	}
	compose, err := newCompose(e)
	if err != nil {
		return err
	}
	return out.Step(ctx, "stopping "+project.Name, func(ctx context.Context, _ func(string)) error {
		return container.RecordStops(ctx, e, project.Name, func() error {
			if err := compose.Stop(ctx, project.Name, api.StopOptions{Project: project, Services: project.ServiceNames()}); err != nil {
				return fmt.Errorf("stopping %q: %w", project.Name, err)
			}
			return nil
		})
	})
}
