package lifecycle

import (
	"context"

	"github.com/compose-spec/compose-go/v2/types"
	moby "github.com/moby/moby/api/types/container"

	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/finding"
	"github.com/25eloquence/compose-mage/internal/preflight"
)

// refuse ends a start before anything is created, where docker compose or the engine would refuse it later and in
// other words. there are the containers that stay, by service: what only their creation needs is not asked for.
func refuse(ctx context.Context, e *engine.Engine, project *types.Project, there map[string][]moby.Summary) error {
	has := map[string]bool{}
	for service, all := range there {
		has[service] = len(all) > 0
	}
	found, err := preflight.Refusals(
		ctx,
		preflight.Input{API: e, Info: e.Info, Local: e.Local(), Project: project},
		has,
	)
	if err != nil {
		return err
	}
	return finding.Error("starting", found)
}
