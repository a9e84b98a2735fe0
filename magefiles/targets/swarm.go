package targets

import (
	"context"
	"os"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/stack"
	"github.com/25eloquence/compose-mage/stack/swarm"
)

// onSwarm gives the deployed stack where that is meant; nil where the containers of start are. The context is one in
// which the engine is connected to once.
func onSwarm(ctx context.Context, o swarm.FindOptions) (context.Context, *swarm.Stack, error) {
	collectLess()
	ctx = swarm.KeepEngine(ctx)
	found, is, err := swarm.Find(ctx, o)
	if err != nil || !is {
		return ctx, nil, err
	}
	return ctx, found, nil
}

// notDeployed refuses options that a deployed stack has not.
func notDeployed(target, options string) error {
	return fault.New(fault.Usage, "go tool mage "+target+" -h", "%s of %s: not for a deployed stack", options, target)
}

func statusOnSwarm(ctx context.Context, s *swarm.Stack, services []string, asJSON bool) error {
	report, err := s.Status(ctx, services)
	if err != nil {
		return err
	}
	if err := show(report, asJSON); err != nil {
		return err
	}
	return report.Err()
}

func monitorOnSwarm(ctx context.Context, s *swarm.Stack, o stack.MonitorOptions, watch, asJSON bool) error {
	if watch {
		return s.Watch(ctx, o.Services, o.Every)
	}
	snapshot, err := s.Monitor(ctx, o.Services)
	if err != nil {
		return err
	}
	return show(snapshot, asJSON)
}

func restartOnSwarm(ctx context.Context, s *swarm.Stack, o stack.RestartOptions, dryRun, asJSON bool) error {
	if o.TakeOver || o.Rolling {
		return notDeployed("restart", "-rolling (its update_config says how) and -take-over")
	}
	to := swarm.RestartOptions{Services: o.Services, All: o.All, Timeout: o.Timeout}
	if !dryRun {
		return s.Restart(ctx, to)
	}
	plan, err := s.PlanRestart(ctx, to)
	if err != nil {
		return err
	}
	return show(plan, asJSON)
}

func cleanUpOnSwarm(ctx context.Context, s *swarm.Stack, o stack.CleanupOptions, asJSON bool) error {
	if o.Scope != "" && o.Scope != "project" || o.Keep != "" || len(o.Images) > 0 || o.TakeOver {
		return notDeployed("cleanup", "-scope, -keep, -images and -take-over")
	}
	to := swarm.CleanupOptions{Volumes: o.Volumes, DryRun: o.DryRun}
	if asJSON {
		to.Before = func(plan swarm.CleanupReport) error { return writeJSON(os.Stdout, plan) }
	}
	_, err := s.Cleanup(ctx, to)
	return err
}

// stackRemoved removes a whole stack from the Swarm.
func stackRemoved(
	ctx context.Context, name string, o stack.CleanupOptions, find swarm.FindOptions, asJSON bool,
) error {
	if o.Scope != "" || o.Keep != "" || len(o.Images)+len(o.Volumes) > 0 || o.TakeOver || !value(find.Deployed, true) {
		return fault.New(fault.Usage, "go tool mage cleanup -remove-stack="+fault.Quote(name)+" -dry-run",
			"-remove-stack removes a stack from the Swarm, and goes with -dry-run and -json alone")
	}
	to := swarm.CleanupOptions{DryRun: o.DryRun}
	if asJSON {
		to.Before = func(plan swarm.CleanupReport) error { return writeJSON(os.Stdout, plan) }
	}
	_, err := swarm.Remove(ctx, name, find, to)
	return err
}

// Nodes shows what a Docker Swarm's nodes have, and what runs on each.
//
// The engine is a manager's. For each node: its role and state, the CPUs and memory that tasks have not reserved, its
// GPUs and other generic resources, labels, the volumes whose data it has, and the tasks of each stack. What is wrong
// with a node, or will be, is named with the command that helps; labels are set by docker node update.
func Nodes(ctx context.Context,
	json *bool, // print JSON
) error {
	report, err := swarm.Nodes(ctx)
	if err != nil {
		return fault.Exit(ctx, err)
	}
	return fault.Exit(ctx, show(report, value(json, false)))
}
