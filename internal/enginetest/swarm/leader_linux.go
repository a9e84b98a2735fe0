package swarm

import (
	"context"
	"errors"

	"github.com/moby/moby/client"
)

// Leader is the node that leads the Swarm now; an error where no manager that lives knows one that does.
func (s *Swarm) Leader(ctx context.Context) (*Node, error) {
	for _, asked := range s.Nodes {
		if asked.engine == nil {
			continue
		}
		got, err := asked.Client.NodeList(ctx, client.NodeListOptions{})
		if err != nil {
			continue // a worker, or a manager that knows no leader
		}
		for _, found := range got.Items {
			if found.ManagerStatus == nil || !found.ManagerStatus.Leader {
				continue
			}
			for _, n := range s.Nodes {
				if n.Name == found.Description.Hostname && n.engine != nil {
					return n, nil
				}
			}
		}
	}
	return nil, errors.New("looking for the Swarm's leader: there is none")
}

// Number is the node's index in Nodes, for Kill and Revive.
func (n *Node) Number() int { return n.number - 1 }
