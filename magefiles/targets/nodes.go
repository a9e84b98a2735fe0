package targets

import (
	"context"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/stack/swarm"
)

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
