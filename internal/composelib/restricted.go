package composelib

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/compose/v5/pkg/api"
	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/engine"
)

// Restriction is which part of the engine the Compose library is shown while it works on one service or one of its
// containers: of itself Compose replaces, stops and starts whole services, and has the engine announce a new
// container under its service's name before the container is ready.
type Restriction struct {
	Service string
	// Shows says which of the service's containers Compose sees, by ID; all with nil. Containers of other services
	// it sees always.
	Shows func(id string) bool
	// Unnamed is how the container is made that Compose makes meanwhile, where its service's name must not lead to
	// it yet; nil for as Compose makes it.
	Unnamed *Unnamed
}

// Unnamed is how a container is made to which its service's name does not lead in DNS.
type Unnamed struct {
	Name   string // its own
	Number int    // of the replica
	Labels map[string]string
	ID     string // set when the container was made
}

// Restricted gives the Compose library that sees the project's containers as r says.
func Restricted(e *engine.Engine, project *types.Project, r Restriction) (api.Compose, error) {
	return NewOn(e, restricted{e.APIClient, r, dependenciesLabels(project)})
}

// dependenciesLabels gives the label that says what a service depends on, by service.
func dependenciesLabels(project *types.Project) map[string]string {
	labels := map[string]string{}
	for name, s := range project.Services {
		var all []string
		for dependency, how := range s.DependsOn {
			all = append(all, fmt.Sprintf("%s:%s:%t", dependency, how.Condition, how.Restart))
		}
		slices.Sort(all)
		labels[name] = strings.Join(all, ",")
	}
	return labels
}

// restricted is the engine as a restriction shows it.
type restricted struct {
	client.APIClient
	Restriction
	dependencies map[string]string // by service, the value of the label that says what the service depends on
}

// ContainerList leaves out what is not shown.
func (r restricted) ContainerList(
	ctx context.Context,
	o client.ContainerListOptions,
) (client.ContainerListResult, error) {
	found, err := r.APIClient.ContainerList(ctx, o)
	if err == nil {
		found.Items = r.shown(found.Items)
	}
	return found, err
}

// shown leaves out the service's containers that are not shown.
func (r Restriction) shown(all []moby.Summary) []moby.Summary {
	if r.Shows == nil {
		return all
	}
	var kept []moby.Summary
	for _, c := range all {
		if c.Labels[container.ServiceLabel] != r.Service || r.Shows(c.ID) {
			kept = append(kept, c)
		}
	}
	return kept
}

// ContainerCreate makes the container. The label of its dependencies names all of them, which Compose can't where
// it was given a part of the project.
func (r restricted) ContainerCreate(
	ctx context.Context,
	o client.ContainerCreateOptions,
) (client.ContainerCreateResult, error) {
	if all, ok := r.dependencies[o.Config.Labels[container.ServiceLabel]]; ok {
		o.Config.Labels[container.DependenciesLabel] = all
	}
	if r.Unnamed == nil {
		return r.APIClient.ContainerCreate(ctx, o)
	}
	r.Unnamed.apply(&o)
	made, err := r.APIClient.ContainerCreate(ctx, o)
	if err == nil {
		r.Unnamed.ID = made.ID
	}
	return made, err
}

// apply gives the container its name and labels, and takes its service's names away.
func (u Unnamed) apply(o *client.ContainerCreateOptions) {
	o.Name = u.Name
	o.Config.Labels[container.NumberLabel] = strconv.Itoa(u.Number)
	for key, value := range u.Labels {
		o.Config.Labels[key] = value
	}
	if o.NetworkingConfig != nil {
		for _, endpoint := range o.NetworkingConfig.EndpointsConfig {
			endpoint.Aliases = nil
		}
	}
}

// NetworkConnect is how Compose attaches a new container to its further networks before API 1.44.
func (r restricted) NetworkConnect(
	ctx context.Context, network string, o client.NetworkConnectOptions,
) (client.NetworkConnectResult, error) {
	if r.Unnamed != nil && o.EndpointConfig != nil {
		o.EndpointConfig.Aliases = nil
	}
	return r.APIClient.NetworkConnect(ctx, network, o)
}
