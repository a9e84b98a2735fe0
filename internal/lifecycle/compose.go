// Package lifecycle owns the containers of a stack: the Compose library creates them, we start them stage by stage as
// what they depend on gets ready, and stop, restart, list and read them. It never removes a volume.
package lifecycle

import (
	"fmt"
	"io"

	"github.com/docker/cli/cli/command"
	"github.com/docker/compose/v5/pkg/api"
	"github.com/docker/compose/v5/pkg/compose"

	"github.com/25eloquence/compose-mage/internal/engine"
)

// newCompose gives the Compose library on the engine's connection. Its questions (recreate a volume whose
// configuration changed, losing its data?) are all answered no.
func newCompose(e *engine.Engine, more ...compose.Option) (api.Compose, error) {
	return newComposeOn(e.CLI, more...)
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
