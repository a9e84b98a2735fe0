// Package cluster owns what is known of a Docker Swarm: its nodes with their room, and what it runs of one stack. It
// asks the manager whose engine it is given, and changes nothing.
package cluster

import (
	"context"
	"fmt"
	"net"
	"strings"

	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/swarmspec"
)

// Cluster is a Swarm at one moment.
type Cluster struct {
	Stack string // the stack that Services are of
	API   string // the version of the API that is spoken with the manager
	Self  string // the ID of the node that was asked, a manager
	Nodes []swarm.Node
	// Services are the stack's, by their names in the model; in their specs those begin with the stack's.
	Services map[string]swarm.Service
	// What follows is all that the Swarm has, whichever stack's; Ours tells.
	Tasks    []swarm.Task
	Secrets  []swarm.Secret
	Configs  []swarm.Config
	Networks []network.Summary // those that reach all nodes, and every engine's own, such as host
	// AllServices are the stack's and all other ones: they take room and ports.
	AllServices []swarm.Service
}

// Ours says whether something with these labels is the stack's.
func (c Cluster) Ours(labels map[string]string) bool { return labels[swarmspec.StackLabel] == c.Stack }

// Manager is what a look asks of an engine.
type Manager interface {
	client.NodeAPIClient
	client.ServiceAPIClient
	client.TaskAPIClient
	client.SecretAPIClient
	client.ConfigAPIClient
	client.NetworkAPIClient
	ClientVersion() string
}

// Check says whether the engine is a manager of a Swarm. The error says what to run where it is none.
func Check(e *engine.Engine) error { return CheckFor(e, "deploy") }

// CheckFor is Check for another target than deploy.
func CheckFor(e *engine.Engine, target string) error {
	s := e.Info.Swarm
	switch {
	case s.LocalNodeState == swarm.LocalNodeStateInactive || s.LocalNodeState == "":
		return fault.New(fault.Engine, "docker swarm init",
			"the engine at %q is in no Swarm", e.Host)
	case s.LocalNodeState == swarm.LocalNodeStateLocked:
		return fault.New(fault.Engine, "docker swarm unlock", "the Swarm of the engine at %q is locked", e.Host)
	case !s.ControlAvailable && len(s.RemoteManagers) > 0:
		host, _, err := net.SplitHostPort(s.RemoteManagers[0].Addr)
		if err != nil {
			host = s.RemoteManagers[0].Addr
		} else if strings.Contains(host, ":") {
			host = "[" + host + "]"
		}
		return fault.New(fault.Engine, "DOCKER_HOST=ssh://"+fault.Quote(host)+" go tool mage "+target,
			"the engine at %q is a worker of its Swarm, of which only a manager knows, such as %s", e.Host, host)
	case !s.ControlAvailable:
		return fault.New(fault.Engine, "docker node ls, on a manager", "the Swarm of the engine at %q is %s: %s",
			e.Host, s.LocalNodeState, s.Error)
	}
	return nil
}

// Look asks the manager what the Swarm is, and what it has of the stack.
func Look(ctx context.Context, m Manager, self, stack string) (Cluster, error) {
	c := Cluster{Stack: stack, API: m.ClientVersion(), Self: self, Services: map[string]swarm.Service{}}
	nodes, err := m.NodeList(ctx, client.NodeListOptions{})
	if err != nil {
		return c, fmt.Errorf("asking the Swarm for its nodes: %w", err)
	}
	services, err := m.ServiceList(ctx, client.ServiceListOptions{Status: true})
	if err != nil {
		return c, fmt.Errorf("asking the Swarm for its services: %w", err)
	}
	tasks, err := m.TaskList(ctx, client.TaskListOptions{})
	if err != nil {
		return c, fmt.Errorf("asking the Swarm for its tasks: %w", err)
	}
	secrets, err := m.SecretList(ctx, client.SecretListOptions{})
	if err != nil {
		return c, fmt.Errorf("asking the Swarm for its secrets: %w", err)
	}
	configs, err := m.ConfigList(ctx, client.ConfigListOptions{})
	if err != nil {
		return c, fmt.Errorf("asking the Swarm for its configs: %w", err)
	}
	networks, err := m.NetworkList(ctx, client.NetworkListOptions{})
	if err != nil {
		return c, fmt.Errorf("asking the Swarm for its networks: %w", err)
	}
	c.Nodes, c.Tasks, c.Secrets, c.Configs = nodes.Items, tasks.Items, secrets.Items, configs.Items
	c.AllServices = services.Items
	for _, s := range services.Items {
		if c.Ours(s.Spec.Labels) {
			c.Services[strings.TrimPrefix(s.Spec.Name, stack+"_")] = s
		}
	}
	for _, n := range networks.Items {
		if n.Scope == "swarm" || n.Name == "host" || n.Name == "none" {
			c.Networks = append(c.Networks, n)
		}
	}
	return c, nil
}
