package targets

import (
	"context"
	"os"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/stack"
	"github.com/25eloquence/compose-mage/stack/swarm"
)

// Cleanup removes what is no longer used; never a volume with data.
//
// It prints its plan, with bytes and reasons, before it acts. By default it touches only what is provably this
// project's and can be made again: its stopped, orphaned containers, unused networks, and old images that builds
// here made. What else there is, it lists. Of a deployed stack it removes secrets, configs and networks that no service
// has any more, and old images on the nodes that can be asked; the stack itself goes only with -remove-stack=NAME.
func Cleanup(ctx context.Context,
	scope *string, // project (default) or host: also what nobody uses on the whole machine
	keep *string, // with -scope=host: build cache to keep, 10GB by default
	volumes *string, // comma-separated volumes to remove with their data
	images *string, // comma-separated images to remove, by name or ID
	takeOver *bool, // -take-over: also what another checkout made under this project's name
	deployed *bool, // the stack on the Swarm, with =false the containers of start; what there is by default
	nodes *string, // addresses of the nodes' engines for a deployed stack: gpu1=ssh://ops@gpu1, comma-separated
	removeStack *string, // -remove-stack: remove the stack of this name from the Swarm; volumes stay
	json *bool, // print the plan as JSON; all other output goes to standard error
	dryRun *bool, // -dry-run: only print the plan
) error {
	o := stack.CleanupOptions{
		Scope: value(scope, ""), Keep: value(keep, ""), TakeOver: value(takeOver, false), DryRun: value(dryRun, false),
	}
	find := swarm.FindOptions{Deployed: deployed, Changes: "cleanup", Nodes: value(nodes, "")}
	return fault.Exit(ctx, cleanUp(ctx, volumes, images, removeStack, o, find, value(json, false)))
}

func cleanUp(
	ctx context.Context, volumes, images, removeStack *string, o stack.CleanupOptions, find swarm.FindOptions,
	asJSON bool,
) (err error) {
	if o.Volumes, err = names(volumes); err != nil {
		return err
	}
	if o.Images, err = names(images); err != nil {
		return err
	}
	if err := o.Validate(); err != nil {
		return err
	}
	if asJSON {
		find.Output = os.Stderr
	}
	if removeStack != nil {
		return stackRemoved(ctx, *removeStack, o, find, asJSON)
	}
	ctx, on, err := onSwarm(ctx, find)
	if err != nil {
		return err
	}
	if on != nil {
		return cleanUpOnSwarm(ctx, on, o, asJSON)
	}
	s, err := openJSON(ctx, asJSON)
	if err != nil {
		return err
	}
	if asJSON {
		o.Before = func(plan stack.CleanupReport) error { return writeJSON(os.Stdout, plan) }
	}
	_, err = s.Cleanup(ctx, o)
	return err
}
