package lifecycle

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/docker/cli/cli/command"
	"github.com/docker/compose/v5/pkg/api"
	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/container"
)

// view is the engine as the Compose library is to see it while it works on one replica: of itself Compose replaces, stops and
// starts whole services, and has the engine announce a new container under its service's name before that is ready.
type view struct {
	client.APIClient
	// Of the service's containers Compose sees those that seen says, all with nil; others' it sees always.
	service string
	seen    func(id string) bool
	// A container that Compose makes stands beside replaces: it has no name in DNS yet. made is its ID then. nil for none.
	replaces *container.Replica
	made     *string

	dependencies map[string]string // by service, the value of the label that says what it depends on
}

// compose gives the Compose library on such a view.
func (r *restarter) compose(v view) (api.Compose, error) {
	v.APIClient = r.engine.APIClient
	v.dependencies = map[string]string{}
	for name, s := range r.project.Services {
		var all []string
		for dependency, how := range s.DependsOn {
			all = append(all, fmt.Sprintf("%s:%s:%t", dependency, how.Condition, how.Restart))
		}
		slices.Sort(all)
		v.dependencies[name] = strings.Join(all, ",")
	}
	return newComposeOn(viewed{r.engine.CLI, v})
}

// viewed is the docker command with another connection, such as a view.
type viewed struct {
	command.Cli
	api client.APIClient
}

// Client gives that connection.
func (v viewed) Client() client.APIClient { return v.api }

// ContainerList leaves out what is not to be seen.
func (v view) ContainerList(ctx context.Context, o client.ContainerListOptions) (client.ContainerListResult, error) {
	found, err := v.APIClient.ContainerList(ctx, o)
	if err != nil || v.seen == nil {
		return found, err
	}
	var kept []moby.Summary
	for _, c := range found.Items {
		if c.Labels[api.ServiceLabel] != v.service || v.seen(c.ID) {
			kept = append(kept, c)
		}
	}
	found.Items = kept
	return found, nil
}

// ContainerCreate makes the container. It names all that the service depends on, which Compose can't where it was given a part
// of the project.
func (v view) ContainerCreate(ctx context.Context, o client.ContainerCreateOptions) (client.ContainerCreateResult, error) {
	if all, ok := v.dependencies[o.Config.Labels[api.ServiceLabel]]; ok {
		o.Config.Labels[api.DependenciesLabel] = all
	}
	if v.replaces == nil {
		return v.APIClient.ContainerCreate(ctx, o)
	}
	o.Name = beside(v.replaces.ID, v.replaces.Name())
	o.Config.Labels[api.ContainerNumberLabel] = strconv.Itoa(v.replaces.Number())
	o.Config.Labels[replacesLabel] = v.replaces.ID
	if o.NetworkingConfig != nil {
		for _, endpoint := range o.NetworkingConfig.EndpointsConfig {
			endpoint.Aliases = nil
		}
	}
	made, err := v.APIClient.ContainerCreate(ctx, o)
	if err == nil {
		*v.made = made.ID
	}
	return made, err
}

// NetworkConnect is how Compose attaches a new container to its further networks before API 1.44.
func (v view) NetworkConnect(ctx context.Context, network string, o client.NetworkConnectOptions) (client.NetworkConnectResult, error) {
	if v.replaces != nil && o.EndpointConfig != nil {
		o.EndpointConfig.Aliases = nil
	}
	return v.APIClient.NetworkConnect(ctx, network, o)
}
