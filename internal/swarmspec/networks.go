package swarmspec

import (
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
)

const overlay = "overlay"

// networks converts those of the model that a service is in.
func (c *converter) networks() {
	for _, key := range slices.Sorted(maps.Keys(c.project.Networks)) {
		n := c.project.Networks[key]
		if bool(n.External) {
			c.stack.External.Networks = append(c.stack.External.Networks, n.Name)
			continue
		}
		c.stack.Networks[key] = Network{Name: n.Name, Options: c.network(key, n)}
	}
}

func (c *converter) network(key string, n types.NetworkConfig) client.NetworkCreateOptions {
	path := "networks." + key
	out := client.NetworkCreateOptions{
		Driver: overlay, Scope: "swarm", EnableIPv6: n.EnableIPv6, Internal: n.Internal, Attachable: n.Attachable,
		Labels: c.labels(n.Labels),
	}
	switch n.Driver {
	case "", overlay:
		out.Options = n.DriverOpts
	case "bridge":
		c.change("", true, path+".driver", "overlay: a bridge ends at its machine")
		c.change("", len(n.DriverOpts) > 0, path+".driver_opts", "left out: they are a bridge's")
	default:
		out.Driver, out.Options = n.Driver, n.DriverOpts
	}
	c.change("", n.EnableIPv4 != nil && !*n.EnableIPv4, path+".enable_ipv4", "left out: an overlay has IPv4")
	out.IPAM = c.ipam(path, n.Ipam)
	return out
}

func (c *converter) ipam(path string, given types.IPAMConfig) *network.IPAM {
	if given.Driver == "" && len(given.Config) == 0 {
		return nil
	}
	out := &network.IPAM{Driver: given.Driver, Options: given.Options}
	for _, pool := range given.Config {
		if pool == nil {
			continue
		}
		c.change("", len(pool.AuxiliaryAddresses) > 0, path+".ipam.aux_addresses",
			"left out: an overlay does not keep addresses free")
		var config network.IPAMConfig
		config.Subnet, _ = netip.ParsePrefix(pool.Subnet)
		config.IPRange, _ = netip.ParsePrefix(pool.IPRange)
		config.Gateway, _ = netip.ParseAddr(pool.Gateway)
		out.Config = append(out.Config, config)
	}
	return out
}

// attachments are a service's networks, in the order of their names.
func (c *converter) attachments(s types.ServiceConfig) []swarm.NetworkAttachmentConfig {
	switch mode := s.NetworkMode; {
	case mode == "host" || mode == "none":
		return []swarm.NetworkAttachmentConfig{{Target: mode}}
	case mode != "":
		c.change(s.Name, true, "network_mode", "left out: it is in the networks of the model, and %s is one machine's",
			mode)
	}
	var out []swarm.NetworkAttachmentConfig
	for _, key := range slices.Sorted(maps.Keys(s.Networks)) {
		a := swarm.NetworkAttachmentConfig{Target: c.project.Networks[key].Name, Aliases: []string{s.Name}}
		if n := s.Networks[key]; n != nil {
			a.Aliases = append(slices.Clone(n.Aliases), s.Name)
			a.DriverOpts = n.DriverOpts
			c.fixedAddress(s.Name, "networks."+key, n)
		}
		out = append(out, a)
	}
	slices.SortFunc(out, func(a, b swarm.NetworkAttachmentConfig) int { return strings.Compare(a.Target, b.Target) })
	return out
}

// fixedAddress names what an endpoint of one container has, and a task has not.
func (c *converter) fixedAddress(service, path string, n *types.ServiceNetworkConfig) {
	const chosen = "left out: the Swarm gives each task an address; use the service's name"
	c.change(service, n.Ipv4Address != "", path+".ipv4_address", chosen)
	c.change(service, n.Ipv6Address != "", path+".ipv6_address", chosen)
	c.change(service, len(n.LinkLocalIPs) > 0, path+".link_local_ips", chosen)
	c.change(service, n.MacAddress != "", path+".mac_address", chosen)
	const single = "left out: a task's interfaces are the Swarm's"
	c.change(service, n.InterfaceName != "", path+".interface_name", single)
	c.change(service, n.GatewayPriority != 0, path+".gw_priority", single)
	c.change(service, n.Priority != 0, path+".priority", single)
}
