// Package lifecycle owns the containers of a stack: the Compose library creates them, we start them stage by stage as
// what they depend on gets ready, and stop, restart, list and read them. It never removes a volume.
package lifecycle

import (
	"context"
	"fmt"
	"io"

	"github.com/docker/cli/cli/command"
	"github.com/docker/compose/v5/pkg/api"
	"github.com/docker/compose/v5/pkg/compose"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/engine"
)

// newCompose gives the Compose library on the engine's connection. Its questions (recreate a volume whose
// configuration changed, losing its data?) are all answered no.
func newCompose(e *engine.Engine, more ...compose.Option) (api.Compose, error) {
	return newComposeOn(viewed{e.CLI, disconnector{e.APIClient}}, more...)
}

// disconnector is the engine for a library that takes each container of a service out of a network before it makes
// that anew, whether the container is in it or not: it may be older than the service's place in the network.
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
	if failed == nil && found.Container.NetworkSettings != nil && found.Container.NetworkSettings.Networks[network] == nil {
		err = nil
	}
	return done, err
}

func newComposeOn(cli command.Cli, more ...compose.Option) (api.Compose, error) {
	service, err := compose.NewComposeService(cli, append([]compose.Option{
		compose.WithOutputStream(io.Discard), compose.WithErrorStream(io.Discard),
		compose.WithPrompt(func(string, bool) (bool, error) { return false, nil }),
	}, more...)...)
	if err != nil {
		return nil, fmt.Errorf("preparing the Compose library: %w", err)
	}
	return service, nil
}
