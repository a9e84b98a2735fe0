package answer

import (
	"cmp"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"

	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"

	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/engine"
)

// Port is one TCP port of a container.
type Port struct {
	Number uint16     // inside of the container
	Own    netip.Addr // the container's; not valid where it has none of its own
	// Published is where the engine publishes the port; an unspecified address is every one of the engine's machine.
	// It is not valid where the port is not published.
	Published netip.AddrPort
	hostsOwn  bool // the container has the network of the engine's machine
}

// PublishedPorts lists a container's published TCP ports, the lowest first.
func PublishedPorts(c container.Replica) []Port {
	if c.NetworkSettings == nil {
		return nil
	}
	var out []Port
	for port, bindings := range c.NetworkSettings.Ports {
		if port.Proto() != "tcp" {
			continue
		}
		if at := bound(bindings); at.IsValid() {
			out = append(out, Port{Number: port.Num(), Own: ownAddress(c), Published: at})
		}
	}
	slices.SortFunc(out, func(a, b Port) int { return cmp.Compare(a.Number, b.Number) })
	return out
}

// portOf is a TCP port of the container, whether or not it is published.
func portOf(c container.Replica, number uint16) Port {
	for _, p := range PublishedPorts(c) {
		if p.Number == number {
			return p
		}
	}
	return Port{Number: number, Own: ownAddress(c), hostsOwn: c.HostConfig != nil && c.HostConfig.NetworkMode.IsHost()}
}

// bound gives the address of a published port: the engine lists those of IPv4 and IPv6 apart.
func bound(bindings []network.PortBinding) (at netip.AddrPort) {
	for _, b := range bindings {
		number, err := strconv.ParseUint(b.HostPort, 10, 16)
		if err != nil || number == 0 {
			continue
		}
		ip := b.HostIP
		if !ip.IsValid() {
			ip = netip.IPv4Unspecified()
		}
		if !at.IsValid() || ip.Is4() && !at.Addr().Is4() {
			at = netip.AddrPortFrom(ip, uint16(number))
		}
	}
	return at
}

// ownAddress is the container's address in the network that has a gateway, else in the first by name.
func ownAddress(c container.Replica) (own netip.Addr) {
	if c.NetworkSettings == nil {
		return own
	}
	for _, name := range slices.Sorted(maps.Keys(c.NetworkSettings.Networks)) {
		n := c.NetworkSettings.Networks[name]
		if n == nil {
			continue
		}
		address, gateway := n.IPAddress, n.Gateway
		if !address.IsValid() {
			address, gateway = n.GlobalIPv6Address, n.IPv6Gateway
		}
		if address.IsValid() && gateway.IsValid() {
			return address
		}
		if !own.IsValid() {
			own = address
		}
	}
	return own
}

// networkOf is the container whose network the container has: its own, or another of the project.
func networkOf(c container.Replica, others []container.Replica) container.Replica {
	if c.HostConfig == nil || !c.HostConfig.NetworkMode.IsContainer() {
		return c
	}
	for _, o := range others {
		if o.ID == c.HostConfig.NetworkMode.ConnectedContainer() {
			return o
		}
	}
	return container.Replica{InspectResponse: moby.InspectResponse{}}
}

// Reach says how the containers of an engine can be reached from here.
type Reach struct {
	Local         bool   // the engine's loopback ports are this machine's
	SharesNetwork bool   // its containers' own addresses mean the same here
	Host          string // the name or address of the engine's machine where that is another one
}

// ReachOf asks how the engine's containers can be reached from here.
func ReachOf(e *engine.Engine) Reach {
	r := Reach{Local: e.Local(), SharesNetwork: e.SharesNetwork()}
	if u, err := url.Parse(e.Host); err == nil && !r.Local {
		r.Host = u.Hostname()
	}
	return r
}

// place is an address at which a port can be tried.
type place struct {
	address string // host:port
	kind    kind
}

// kind is what a place is, from which follows what a refusal means.
type kind int

const (
	own       kind = iota // the container's own: who refuses there is the container
	published             // the engine's, whose proxy accepts for a container that does not, or who publishes elsewhere
	written               // by a person, in the Compose file
)

// places are where the port can be tried, the container itself first: a published port may be a proxy's, which is
// quicker than the service.
func (r Reach) places(p Port) (out []place) {
	if r.SharesNetwork && p.Own.IsValid() {
		out = append(out, place{netip.AddrPortFrom(p.Own, p.Number).String(), own})
	}
	host, port := p.Published.Addr(), p.Published.Port()
	if p.hostsOwn {
		host, port = netip.IPv4Unspecified(), p.Number
	}
	name := host.String()
	switch {
	case !host.IsValid(), host.IsLoopback() && !r.Local:
		return out
	case host.IsUnspecified() && !r.Local:
		name = r.Host
	case host.IsUnspecified() && host.Is4():
		name = "127.0.0.1"
	case host.IsUnspecified():
		name = "::1"
	}
	if name == "" {
		return out
	}
	at := place{net.JoinHostPort(name, strconv.Itoa(int(port))), published}
	if p.hostsOwn && r.SharesNetwork {
		at.kind = own
	}
	return append(out, at)
}
