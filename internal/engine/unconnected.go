package engine

import (
	"fmt"
	"io"

	"github.com/docker/cli/cli/command"
	"github.com/docker/cli/cli/config"
	"github.com/docker/cli/cli/config/configfile"
	"github.com/moby/moby/client"
)

// unconnected has the two things that the Compose library asks for when it loads a remote Compose file: the registries'
// credentials, and a client of which it wants to know whether that is Docker Desktop. DockerCli itself ends the process
// where the current context can't be resolved, which must not happen before there is an engine.
type unconnected struct {
	command.Cli
	config *configfile.ConfigFile
	client client.APIClient
}

func (u unconnected) ConfigFile() *configfile.ConfigFile { return u.config }

func (u unconnected) Client() client.APIClient { return u.client }

// Unconnected is for loading Compose files where no engine may be there yet. It serves nothing else.
func Unconnected() (command.Cli, error) {
	c, err := client.New()
	if err != nil {
		return nil, fmt.Errorf("preparing to load remote Compose files: %w", err)
	}
	return unconnected{config: config.LoadDefaultConfigFile(io.Discard), client: c}, nil
}
