package rollout

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/compose/v5/pkg/api"
	"github.com/docker/compose/v5/pkg/compose"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
	"github.com/moby/moby/client/pkg/versions"

	"github.com/25eloquence/compose-mage/internal/composelib"
	"github.com/25eloquence/compose-mage/internal/container"
)

// Refusals says why the service can't be replaced without down-time: two of its containers have to run side by side
// for a while.
func (r *Rollout) Refusals(ctx context.Context, service string, replicas []container.Replica) ([]string, error) {
	s := r.Project.Services[service]
	out := fixed(r.Project, s)
	image, err := r.Engine.ImageInspect(ctx, api.GetImageNameOrDefault(s, r.Project.Name))
	if err != nil && !cerrdefs.IsNotFound(err) {
		return nil, fmt.Errorf("looking for the image of %q: %w", service, err)
	}
	if err == nil && image.Config != nil {
		out = append(out, imageVolumes(s, image.Config.Volumes)...)
	}
	for _, key := range s.NetworksByPriority() {
		why, err := r.networkRefuses(ctx, key, replicas)
		if err != nil {
			return nil, err
		}
		out = append(out, why...)
	}
	return out, nil
}

// fixed says what the file gives to one container only.
func fixed(project *types.Project, s types.ServiceConfig) []string {
	var out []string
	no := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	for _, p := range s.Ports {
		if p.Published != "" && p.Published != "0" && !strings.Contains(p.Published, "-") {
			no("its host port %s can belong to one container only", p.Published)
		}
	}
	if s.ContainerName != "" {
		no("its container_name %s can belong to one container only", s.ContainerName)
	}
	if s.Hostname != "" {
		no("its hostname %s would be found in DNS before the new container is ready", s.Hostname)
	}
	if s.NetworkMode != "" {
		no("with network_mode %s it has no name of its own that could move to the new container", s.NetworkMode)
	}
	if s.MacAddress != "" {
		no("its mac_address %s can belong to one container only", s.MacAddress)
	}
	for _, key := range s.NetworksByPriority() {
		if n := s.Networks[key]; n != nil &&
			(n.Ipv4Address != "" || n.Ipv6Address != "" || n.MacAddress != "" || len(n.LinkLocalIPs) > 0) {
			no("its fixed address in network %s can belong to one container only", key)
		}
	}
	for _, v := range s.Volumes {
		if why := exclusive(v); why != "" {
			no("%s", why)
		}
	}
	for _, from := range s.VolumesFrom {
		if !strings.HasSuffix(from, ":ro") {
			no("the volumes from %s are writable: two containers would write to them", from)
		}
	}
	for _, d := range s.Devices {
		no("two containers would use the device %s", d.Source)
	}
	for _, name := range project.ServiceNames() {
		if shares := composelib.Shares(project.Services[name], s.Name); shares != "" {
			no("%s shares its %s, which ends with the old container", name, shares)
		}
	}
	return out
}

// exclusive says why two containers must not have the mount at once; "" where they may. Whether a program can share
// what it writes to is not for us to guess, so only what is read-only or in memory may be shared.
func exclusive(v types.ServiceVolumeConfig) string {
	switch {
	case v.ReadOnly || v.Type == types.VolumeTypeTmpfs || v.Type == types.VolumeTypeImage:
		return ""
	case v.Type == types.VolumeTypeBind:
		return fmt.Sprintf("two containers would write to %s (mounted at %s); read_only allows it", v.Source, v.Target)
	case v.Source == "":
		return fmt.Sprintf("its anonymous volume at %s belongs to one container", v.Target)
	}
	return fmt.Sprintf(
		"two containers would write to the volume %s (mounted at %s); read_only allows it",
		v.Source,
		v.Target,
	)
}

// imageVolumes says which of the image's own volumes would be an anonymous one.
func imageVolumes(s types.ServiceConfig, declared map[string]struct{}) []string {
	var out []string
	for path := range declared {
		named := slices.ContainsFunc(s.Volumes, func(v types.ServiceVolumeConfig) bool { return v.Target == path }) ||
			slices.ContainsFunc(
				s.Tmpfs,
				func(t string) bool { target, _, _ := strings.Cut(t, ":"); return target == path },
			)
		if !named {
			out = append(
				out,
				fmt.Sprintf(
					"its image declares a volume at %s, and an anonymous volume belongs to one container",
					path,
				),
			)
		}
	}
	slices.Sort(out)
	return out
}

// anyAddress is the first API whose engine (29) gives a container the address that it asks for in every network;
// older ones do only where the network's file names the subnet.
const anyAddress = "1.52"

// mayAsk says whether a container may ask for its address in the network, of an engine with that API.
func mayAsk(n types.NetworkConfig, apiVersion string) bool {
	if versions.GreaterThanOrEqualTo(apiVersion, anyAddress) {
		return true
	}
	return !bool(n.External) &&
		slices.ContainsFunc(n.Ipam.Config, func(p *types.IPAMPool) bool { return p.Subnet != "" })
}

// networkRefuses says what speaks against a roll-out in one of the service's networks.
func (r *Rollout) networkRefuses(ctx context.Context, key string, replicas []container.Replica) ([]string, error) {
	desired := r.Project.Networks[key]
	found, err := r.Engine.NetworkInspect(ctx, desired.Name, client.NetworkInspectOptions{})
	if cerrdefs.IsNotFound(err) {
		return []string{fmt.Sprintf("its network %s is not there yet", key)}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("inspecting the network %q: %w", desired.Name, err)
	}
	hash, err := compose.NetworkHash(&desired)
	if err != nil {
		return nil, fmt.Errorf("hashing the configuration of network %q: %w", key, err)
	}
	return networkRefusal(key, desired, hash, found.Network, r.Engine.ClientVersion(), replicas), nil
}

// networkRefusal is networkRefuses of a network that is there. hash is that of its configuration, apiVersion the
// engine's.
func networkRefusal(
	key string,
	desired types.NetworkConfig,
	hash string,
	found network.Inspect,
	apiVersion string,
	replicas []container.Replica,
) []string {
	if was := found.Labels[container.ConfigHashLabel]; was != "" && was != hash && !bool(desired.External) {
		return []string{
			fmt.Sprintf(
				"the configuration of its network %s changed, which is made anew only without its containers",
				key,
			),
		}
	}
	if mayAsk(desired, apiVersion) {
		return nil
	}
	taken := map[netip.Addr]bool{}
	for _, c := range found.Containers {
		taken[c.IPv4Address.Addr()] = true
	}
	for _, pool := range found.IPAM.Config {
		taken[pool.Gateway] = true
	}
	var own []netip.Addr
	for _, c := range replicas {
		if e := c.NetworkSettings.Networks[desired.Name]; e != nil && e.IPAddress.IsValid() {
			own = append(own, e.IPAddress)
		}
	}
	if len(found.IPAM.Config) == 0 || keepsAddress(found.IPAM.Config[0].Subnet, taken, own) {
		return nil
	}
	return []string{
		fmt.Sprintf(
			"its open connections would break: an engine before 29 gives the lowest free address in network %s, "+
				"and several below this one's are free; name a subnet for the network, "+
				"or restart the service once without -rolling",
			key,
		),
	}
}

// keepsAddress says whether each container, unplugged while its replacement is plugged in, gets its address again
// where the lowest free one is given: the replacement fills one gap below it, so there may be one at most.
func keepsAddress(subnet netip.Prefix, taken map[netip.Addr]bool, own []netip.Addr) bool {
	lowest := func() netip.Addr {
		for a := subnet.Masked().Addr().Next(); subnet.Contains(a); a = a.Next() {
			if !taken[a] {
				return a
			}
		}
		return netip.Addr{}
	}
	for _, old := range own {
		taken[lowest()] = true // the replacement
		delete(taken, old)
		if lowest() != old {
			return false
		}
	}
	return true
}
