package delivery

import (
	"context"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
)

// NodeEngine is the engine of a node, over a connection of its own.
type NodeEngine struct {
	client.APIClient
	Failed error // why it can't be used; nil where it can
}

// Engines connects to the engines of the nodes that have an address, the manager's own left out, and gives them by the
// nodes' IDs. Who calls it closes them.
func Engines(
	ctx context.Context, nodes []swarm.Node, self string, addresses map[string]string,
) (engines map[string]NodeEngine, closeAll func(), err error) {
	d := &Delivery{request: Request{Nodes: nodes, Self: self}, nodes: map[string]*nodeEngine{}}
	matched, err := matchNodes(addresses, nodes)
	if err != nil {
		return nil, nil, err
	}
	d.connect(ctx, matched)
	engines = map[string]NodeEngine{}
	for id, n := range d.nodes {
		engines[id] = NodeEngine{APIClient: n.APIClient, Failed: n.failed}
	}
	return engines, d.Close, nil
}
