package rollout

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/docker/compose/v5/pkg/api"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
	"github.com/moby/moby/client/pkg/versions"
)

// Docker's DNS answers with every container that was attached to the network under the name, ready or not, and a
// container's names can be changed only by attaching it anew. So the new container starts without the service's
// names and is attached anew, with them, when it is ready; the old one is attached anew without, under the same
// address, so that its connections go on. The container is frozen meanwhile: what its processes would send in that
// tenth of a second would fail with "network is unreachable", while what is sent to it is sent again by TCP.

// names are the service's in one of its networks, as Compose gives them.
func (r *Rollout) names(service string, number int, key string) []string {
	out := []string{fmt.Sprintf("%s%s%s%s%d", r.Project.Name, api.Separator, service, api.Separator, number), service}
	if n := r.Project.Services[service].Networks[key]; n != nil {
		out = append(out, n.Aliases...)
	}
	return out
}

// announce attaches the container under the service's names. Its address must not change, for its own connections'
// sake. After Ctrl-C, when ctx has ended, it does not choose its moment.
func (r *Rollout) announce(ctx, whole context.Context, service string, number int, id string) error {
	r.betweenChecks(ctx, id)
	names := map[string][]string{}
	for key := range r.Project.Services[service].Networks {
		names[r.Project.Networks[key].Name] = r.names(service, number, key)
	}
	return r.attachAnew(
		whole,
		id,
		slices.Collect(maps.Keys(names)),
		func(name string, _, will *network.EndpointSettings) {
			will.Aliases = names[name]
		},
	)
}

// withdraw attaches the container without names. Where the engine lets it, it asks for the address it had.
func (r *Rollout) withdraw(ctx context.Context, id string) error {
	ask := map[string]bool{}
	for _, n := range r.Project.Networks {
		ask[n.Name] = mayAsk(n, r.Engine.ClientVersion())
	}
	return r.attachAnew(ctx, id, nil, func(name string, was, will *network.EndpointSettings) {
		if !ask[name] {
			return
		}
		will.IPAMConfig = &network.EndpointIPAMConfig{IPv4Address: was.IPAddress, IPv6Address: was.GlobalIPv6Address}
		if versions.GreaterThanOrEqualTo(r.Engine.ClientVersion(), "1.44") {
			will.MacAddress = was.MacAddress
		}
	})
}

// attachAnew detaches the container from its networks and attaches it again at once, each as change makes it, and
// to those of networks in which it is not; it is frozen meanwhile. It is an error when an address is another then.
func (r *Rollout) attachAnew(
	ctx context.Context,
	id string,
	networks []string,
	change func(name string, was, will *network.EndpointSettings),
) error {
	before, err := r.Engine.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if err != nil {
		return fmt.Errorf("inspecting the container: %w", err)
	}
	was := before.Container.NetworkSettings.Networks
	thaw := r.freeze(ctx, before.Container)
	for name, endpoint := range was {
		will := &network.EndpointSettings{
			Links:      endpoint.Links,
			DriverOpts: endpoint.DriverOpts,
			GwPriority: endpoint.GwPriority,
		}
		change(name, endpoint, will)
		if _, err = r.Engine.NetworkDisconnect(ctx, name, client.NetworkDisconnectOptions{Container: id}); err != nil {
			err = fmt.Errorf("detaching it from %s: %w", name, err)
			break
		}
		if err = r.attach(ctx, id, name, will); err != nil {
			break
		}
	}
	for _, name := range networks {
		if was[name] == nil && err == nil {
			will := &network.EndpointSettings{}
			change(name, will, will)
			err = r.attach(ctx, id, name, will)
		}
	}
	if err = errors.Join(err, thaw()); err != nil {
		return err
	}
	return r.keptAddresses(ctx, id, was)
}

// attach attaches the container to the network, without the address that it asks for where the engine refuses that.
func (r *Rollout) attach(ctx context.Context, id, name string, will *network.EndpointSettings) error {
	_, err := r.Engine.NetworkConnect(ctx, name, client.NetworkConnectOptions{Container: id, EndpointConfig: will})
	if err != nil && will.IPAMConfig != nil {
		will.IPAMConfig = nil
		_, err = r.Engine.NetworkConnect(ctx, name, client.NetworkConnectOptions{Container: id, EndpointConfig: will})
	}
	if err != nil {
		return fmt.Errorf("attaching it to %s: %w", name, err)
	}
	return nil
}

// keptAddresses returns an error where the container's address in one of the networks is not what it was.
func (r *Rollout) keptAddresses(ctx context.Context, id string, was map[string]*network.EndpointSettings) error {
	after, err := r.Engine.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if err != nil {
		return fmt.Errorf("inspecting the container: %w", err)
	}
	return sameAddresses(was, after.Container.NetworkSettings.Networks)
}

// sameAddresses returns an error where the address in one of the networks changed.
func sameAddresses(was, is map[string]*network.EndpointSettings) error {
	for name, now := range is {
		if then := was[name]; then != nil &&
			(now.IPAddress != then.IPAddress || now.GlobalIPv6Address != then.GlobalIPv6Address) {
			return fmt.Errorf(
				"its address in %s changed from %s to %s, as others came or went meanwhile",
				name,
				then.IPAddress,
				now.IPAddress,
			)
		}
	}
	return nil
}
