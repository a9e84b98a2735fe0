package targets

import (
	"context"
	"os"
	"time"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/stack/swarm"
)

// Deploy has a Docker Swarm run the stack, on several machines.
//
// The engine is a manager's. Services come in the order of depends_on, each when those before it are healthy; images
// are pinned to their digests, and secrets to their contents. Where a service fails, all that the deploy touched goes
// back to what it was, and the exit code is 1. What is as it should be is not touched.
func Deploy(ctx context.Context,
	timeout *time.Duration, // for the whole deploy; 0 for none beyond each service's own
	removeOrphans *bool, // -remove-orphans: also remove services that the Compose files no longer have
	registry *string, // where images go whose names have no registry: host[:port][/prefix]; DEPLOY_REGISTRY says it too
	nodes *string, // without a registry: addresses of the nodes' engines, gpu1=ssh://ops@gpu1, comma-separated
	json *bool, // print what was done as JSON, with -dry-run the plan; all other output goes to standard error
	dryRun *bool, // -dry-run: print what would be done and why, key by key, and what does not carry over
) error {
	o := swarm.Options{
		Timeout: value(timeout, 0), RemoveOrphans: removeOrphans, Registry: value(registry, ""),
		Nodes: value(nodes, ""),
	}
	return fault.Exit(ctx, deploy(ctx, o, value(dryRun, false), value(json, false)))
}

func deploy(ctx context.Context, o swarm.Options, dryRun, asJSON bool) error {
	if asJSON {
		o.Output = os.Stderr
	}
	if dryRun {
		plan, err := swarm.PlanDeploy(ctx, o)
		if err != nil {
			return err
		}
		return show(plan, asJSON)
	}
	plan, err := swarm.Deploy(ctx, o)
	if asJSON && plan.Stack != "" {
		if err := show(plan, true); err != nil {
			return err
		}
	}
	return err
}
