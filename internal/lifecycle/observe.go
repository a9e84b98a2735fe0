package lifecycle

import (
	"context"

	"github.com/compose-spec/compose-go/v2/types"
	"golang.org/x/sync/errgroup"

	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/evidence"
	"github.com/25eloquence/compose-mage/internal/plan"
	"github.com/25eloquence/compose-mage/internal/recreate"
	"github.com/25eloquence/compose-mage/internal/trace"
)

// observe asks the engine; project has Compose's labels.
func observe(
	ctx context.Context, e *engine.Engine, project *types.Project, compared recreate.Comparison,
) (plan.Observed, error) {
	defer trace.Of(ctx).Time("look at what there is")()
	found, err := container.Inspect(ctx, e, project.Name)
	if err != nil {
		return plan.Observed{}, err
	}
	evidence.Explain(ctx, e, evidence.At(e), evidence.Each(found))
	var (
		changes recreate.Changes
		kept    []string
	)
	g, within := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		changes, err = compared.Changes(within, found)
		return err
	})
	g.Go(func() (err error) {
		kept, err = compared.KeptVolumes(within)
		return err
	})
	if err := g.Wait(); err != nil {
		return plan.Observed{}, err
	}
	return plan.Observed{
		Containers: found, Changes: changes.Services, BeyondCompose: changes.BeyondCompose,
		Networks: changes.Networks, Kept: kept,
		Resources: changes.DryRun.Resources, Anew: changes.DryRun.Recreated, Hooks: changes.DryRun.Hooks,
	}, nil
}
