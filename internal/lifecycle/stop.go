package lifecycle

import (
	"context"
	"fmt"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/compose/v5/pkg/api"

	"github.com/25eloquence/compose-mage/internal/composelib"
	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/rollout"
	"github.com/25eloquence/compose-mage/internal/shim"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// StopOptions are the choices of a stop.
type StopOptions struct {
	Out      *ui.Out
	TakeOver bool // stop containers of another checkout too; else such containers are an error
}

// Stop stops the project's containers, dependants first, each within its own grace period. It removes nothing. An
// error of code Config says that the containers are another checkout's.
func Stop(ctx context.Context, e *engine.Engine, project *types.Project, o StopOptions) error {
	if !o.TakeOver {
		if err := container.RefuseOthers(ctx, e, project, "stop"); err != nil {
			return err
		}
	}
	if err := rollout.Finish(ctx, e, project, o.Out); err != nil {
		return err
	}
	library, err := composelib.New(e)
	if err != nil {
		return err
	}
	err = o.Out.Step(ctx, "stopping "+project.Name, func(ctx context.Context, _ func(string)) error {
		return container.RecordStops(ctx, e, project.Name, func() error {
			o := api.StopOptions{Project: project, Services: project.ServiceNames()}
			if err := library.Stop(ctx, project.Name, o); err != nil {
				return fmt.Errorf("stopping %q: %w", project.Name, err)
			}
			return nil
		})
	})
	if err != nil {
		return err
	}
	return shim.EndSurvivors(ctx, e, project, o.Out)
}
