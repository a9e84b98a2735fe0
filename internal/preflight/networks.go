package preflight

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/compose-spec/compose-go/v2/types"
	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/finding"
)

// onNetworks gives the services on each of the project's networks, by its key.
func onNetworks(project *types.Project) map[string][]string {
	out := map[string][]string{}
	for _, name := range project.ServiceNames() {
		s := project.Services[name]
		for key := range s.Networks {
			out[key] = append(out[key], name)
		}
	}
	return out
}

// externalNetworks names the external networks that are not there. On a swarm a network of another node appears with
// its first user.
func externalNetworks(ctx context.Context, in Input) ([]finding.Finding, error) {
	users := onNetworks(in.Project)
	var out []finding.Finding
	for _, key := range slices.Sorted(maps.Keys(users)) {
		n, declared := in.Project.Networks[key]
		if !declared || !bool(n.External) || in.Info.Swarm.LocalNodeState == swarm.LocalNodeStateActive {
			continue
		}
		list, err := in.API.NetworkList(ctx, client.NetworkListOptions{Filters: client.Filters{}.Add("name", n.Name)})
		if err != nil {
			return nil, fmt.Errorf("listing networks: %w", err)
		}
		found := false
		for _, has := range list.Items {
			found = found || has.Name == n.Name
		}
		if !found { // as docker compose, which takes an ID too
			switch _, err := in.API.NetworkInspect(ctx, n.Name, client.NetworkInspectOptions{}); {
			case err == nil:
				continue
			case !cerrdefs.IsNotFound(err):
				return nil, fmt.Errorf("looking for network %q: %w", n.Name, err)
			}
			out = append(out,
				finding.Fail(fault.Config, "network.external", "docker network create "+fault.Quote(n.Name),
					"external network %q is not there", n.Name).Of(users[key]...))
		}
	}
	return out, nil
}

// pool is a subnet and the network that has it.
type pool struct {
	network string
	subnet  netip.Prefix
}

// ownNetworks names the networks that the engine would refuse to make: their driver is not there, or a subnet of
// theirs is taken.
func ownNetworks(ctx context.Context, in Input) ([]finding.Finding, error) {
	users := onNetworks(in.Project)
	list, err := in.API.NetworkList(ctx, client.NetworkListOptions{})
	if err != nil {
		return nil, fmt.Errorf("listing networks: %w", err)
	}
	var taken []pool
	there := map[string]bool{}
	for _, n := range list.Items {
		there[n.Name] = true
		for _, c := range n.IPAM.Config {
			if c.Subnet.IsValid() {
				taken = append(taken, pool{n.Name, c.Subnet})
			}
		}
	}
	var out []finding.Finding
	for _, key := range slices.Sorted(maps.Keys(users)) {
		n, declared := in.Project.Networks[key]
		if !declared || bool(n.External) || there[n.Name] {
			continue
		}
		if f, ok := networkDriver(in, n); ok {
			out = append(out, f.Of(users[key]...))
			continue
		}
		for _, p := range subnets(n) {
			if i := slices.IndexFunc(taken, func(t pool) bool { return t.subnet.Overlaps(p.subnet) }); i >= 0 {
				out = append(out,
					finding.Fail(fault.Config, "network.overlap", "another subnet for "+fault.Quote(key)+
						"; docker network inspect "+fault.Quote(taken[i].network)+" shows who has this one",
						"network %q: its subnet %s overlaps with %s of network %q", key, p.subnet, taken[i].subnet,
						taken[i].network).Of(users[key]...))
			}
			taken = append(taken, p)
		}
	}
	return out, nil
}

// subnets are the subnets that the Compose file gives the network.
func subnets(n types.NetworkConfig) []pool {
	var out []pool
	if n.Ipam.Driver != "" && n.Ipam.Driver != "default" {
		return nil // its own matter
	}
	for _, c := range n.Ipam.Config {
		if c == nil {
			continue
		}
		if p, err := netip.ParsePrefix(c.Subnet); err == nil {
			out = append(out, pool{n.Name, p})
		}
	}
	return out
}

// networkDriver gives a finding where the engine lacks the network's driver.
func networkDriver(in Input, n types.NetworkConfig) (finding.Finding, bool) {
	switch {
	case n.Driver == "" || n.Driver == "default" || n.Driver == "none":
	case n.Driver == "overlay" && in.Info.Swarm.LocalNodeState != swarm.LocalNodeStateActive:
		return finding.Fail(fault.Config, "network.driver", "docker swarm init, or another driver",
			"network %q: driver overlay needs a swarm, and the engine is in none", n.Name), true
	case !slices.Contains(in.Info.Plugins.Network, n.Driver):
		// Plugins that nobody has used yet are in no list.
		return finding.Warn("network.driver", "docker plugin ls", "network %q: the engine names no driver %q", n.Name,
			n.Driver), true
	}
	return finding.Finding{}, false
}
