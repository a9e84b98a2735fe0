// Package composelib owns the Compose library: how it is made on the engine's connection, what it is shown of the
// engine, and its calls for one service. It decides neither what is done nor in which order.
package composelib

import (
	"context"
	"fmt"
	"io"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/cli/cli/command"
	"github.com/docker/compose/v5/pkg/api"
	"github.com/docker/compose/v5/pkg/compose"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/engine"
)

// New gives the Compose library on the engine's connection. Its questions (recreate a volume whose configuration
// changed, losing its data?) are all answered no.
func New(e *engine.Engine, more ...compose.Option) (api.Compose, error) {
	return NewOn(e, disconnector{e.APIClient}, more...)
}

// NewOn is New on another connection to the engine, such as one that shows the library a part of it.
func NewOn(e *engine.Engine, connection client.APIClient, more ...compose.Option) (api.Compose, error) {
	service, err := compose.NewComposeService(connected{e.CLI, connection}, append([]compose.Option{
		compose.WithOutputStream(io.Discard), compose.WithErrorStream(io.Discard),
		compose.WithPrompt(func(string, bool) (bool, error) { return false, nil }),
	}, more...)...)
	if err != nil {
		return nil, fmt.Errorf("preparing the Compose library: %w", err)
	}
	return service, nil
}

// connected is the docker command with another connection.
type connected struct {
	command.Cli
	api client.APIClient
}

// Client gives that connection.
func (c connected) Client() client.APIClient { return c.api }

// disconnector is the engine for a library that takes each container of a service out of a network before it makes
// that network anew, whether the container is in it or not: the container may be older than the service's place in
// the network.
type disconnector struct{ client.APIClient }

// NetworkDisconnect is no error where the container is not in the network.
func (d disconnector) NetworkDisconnect(
	ctx context.Context, network string, o client.NetworkDisconnectOptions,
) (client.NetworkDisconnectResult, error) {
	done, err := d.APIClient.NetworkDisconnect(ctx, network, o)
	if err == nil {
		return done, nil
	}
	found, failed := d.ContainerInspect(ctx, o.Container, client.ContainerInspectOptions{})
	if failed == nil && found.Container.NetworkSettings != nil &&
		found.Container.NetworkSettings.Networks[network] == nil {
		err = nil
	}
	return done, err
}

// Recreate lets Compose make the replacements of the service's containers, then stop and remove the old ones; what
// is in anonymous volumes moves along. scale is how many containers of the service r lets Compose see; 0 for all.
func Recreate(ctx context.Context, e *engine.Engine, project *types.Project, r Restriction, scale int) error {
	one, err := OnlyWithProviders(project, r.Service)
	if err != nil {
		return err
	}
	if s := one.Services[r.Service]; scale > 0 {
		s.SetScale(scale)
		one.Services[r.Service] = s
	}
	library, err := Restricted(e, project, r)
	if err != nil {
		return err
	}
	return library.Create(ctx, one, api.CreateOptions{
		Services: []string{r.Service}, Recreate: api.RecreateForce, RecreateDependencies: api.RecreateNever,
		Inherit: true, IgnoreOrphans: true, QuietPull: true,
	})
}

// alone gives the project with that service alone, and the library that sees what r shows.
func alone(e *engine.Engine, project *types.Project, r Restriction) (*types.Project, api.Compose, error) {
	one, err := Only(project, r.Service)
	if err != nil {
		return nil, nil, err
	}
	library, err := Restricted(e, project, r)
	return one, library, err
}

// Stop stops the service's containers that r shows, within their grace periods.
func Stop(ctx context.Context, e *engine.Engine, project *types.Project, r Restriction) error {
	one, library, err := alone(e, project, r)
	if err != nil {
		return err
	}
	if err := library.Stop(ctx, one.Name, api.StopOptions{Project: one, Services: []string{r.Service}}); err != nil {
		return fmt.Errorf("stopping %q: %w", r.Service, err)
	}
	return nil
}

// Start starts those of the service's containers that r shows and that do not run.
func Start(ctx context.Context, e *engine.Engine, project *types.Project, r Restriction) error {
	one, library, err := alone(e, project, r)
	if err != nil {
		return err
	}
	if err := library.Start(ctx, one.Name, api.StartOptions{Project: one}); err != nil {
		return fmt.Errorf("starting %q: %w", r.Service, err)
	}
	return nil
}

// Restart restarts the service's containers that r shows, within their grace periods and with their hooks.
func Restart(ctx context.Context, e *engine.Engine, project *types.Project, r Restriction) error {
	one, library, err := alone(e, project, r)
	if err != nil {
		return err
	}
	err = library.Restart(ctx, one.Name, api.RestartOptions{Project: one, Services: []string{r.Service}, NoDeps: true})
	if err != nil {
		return fmt.Errorf("restarting %q: %w", r.Service, err)
	}
	return nil
}
