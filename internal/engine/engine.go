// Package engine owns the connection to the Docker Engine: finding it (DOCKER_HOST, DOCKER_CONTEXT, the current
// context), checking that it will do, and what the machine behind it has. It starts and installs nothing.
package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/docker/cli/cli/command"
	"github.com/docker/cli/cli/flags"
	"github.com/moby/moby/api/types/system"
	"github.com/moby/moby/client"
	"github.com/moby/moby/client/pkg/versions"

	"github.com/25eloquence/compose-mage/internal/fault"
)

// OldestAPI is the API version of Docker 20.10, the oldest engine that is supported.
const OldestAPI = "1.41"

// Engine is a checked connection.
type Engine struct {
	client.APIClient
	CLI  *command.DockerCli // for the Compose library, which takes its connection from here
	Host string             // unix:///var/run/docker.sock, tcp://…, ssh://…
	Info system.Info

	ahead time.Duration // of our clock, when it was connected
}

// Now is the time by the engine's clock, which may be another machine's.
func (e *Engine) Now() time.Time { return time.Now().Add(e.ahead) }

// clockAhead is how far the engine's clock is ahead of ours, less the time that asking took.
func clockAhead(info system.Info, asked, answered time.Time) time.Duration {
	theirs, err := time.Parse(time.RFC3339Nano, info.SystemTime)
	switch {
	case err != nil, theirs.After(asked) && theirs.Before(answered):
		return 0
	case theirs.Before(asked):
		return theirs.Sub(asked)
	}
	return theirs.Sub(answered)
}

// Machine is what the engine's host offers to containers.
type Machine struct {
	CPUs   int   `json:"cpus"`
	Memory int64 `json:"memory"` // bytes
	GPU    bool  `json:"gpu"`    // an NVIDIA runtime or CDI device is there
	// OpenFiles is the most that a container's nofile limit can be; 0 where that is not known.
	OpenFiles int64 `json:"open_files,omitempty"`
}

// Connect finds the engine as the docker command does and asks what it is. Errors are *fault.Error of code Engine:
// nothing listens, permission denied, or older than 20.10. In a context of Keep it connects once.
func Connect(ctx context.Context) (*Engine, error) {
	if k, ok := ctx.Value(keptKey{}).(*kept); ok {
		return k.connect(ctx)
	}
	return connect(ctx)
}

func connect(ctx context.Context) (*Engine, error) {
	cli, err := command.NewDockerCli(command.WithOutputStream(io.Discard), command.WithErrorStream(io.Discard))
	if err != nil {
		return nil, fmt.Errorf("preparing the engine connection: %w", err)
	}
	if err := cli.Initialize(flags.NewClientOptions()); err != nil {
		return nil, fault.New(fault.Engine, "docker context ls", "finding the Docker engine: %w", err)
	}
	host := cli.DockerEndpoint().Host
	api, err := newClient(cli)
	if err != nil {
		return nil, fault.New(fault.Engine, "docker context ls", "connecting to the Docker engine at %q: %w", host, err)
	}
	ping, err := api.Ping(ctx, client.PingOptions{NegotiateAPIVersion: true})
	if err != nil {
		return nil, explain(host, err)
	}
	if versions.LessThan(ping.APIVersion, OldestAPI) {
		return nil, fault.New(fault.Engine, "upgrade Docker: https://docs.docker.com/engine/install/",
			"engine at %q is too old: it speaks API %s, Docker 20.10 (API %s) is the oldest supported", host,
			ping.APIVersion, OldestAPI)
	}
	asked := time.Now()
	info, err := api.Info(ctx, client.InfoOptions{})
	if err != nil {
		return nil, explain(host, err)
	}
	return &Engine{
		APIClient: api, CLI: cli, Host: host, Info: info.Info, ahead: clockAhead(info.Info, asked, time.Now()),
	}, nil
}

// newClient gives the connection. DockerCli reports a missing context, or TLS files that can't be read, only on first
// use; newClient reports them here.
func newClient(cli *command.DockerCli) (client.APIClient, error) {
	if _, err := cli.ContextStore().GetMetadata(cli.CurrentContext()); err != nil &&
		cli.CurrentContext() != command.DefaultContextName {
		return nil, fmt.Errorf("context %q: %w", cli.CurrentContext(), err)
	}
	return cli.Client(), nil
}

// explain says why an engine did not answer, and what to do about it.
func explain(host string, err error) error {
	socket := strings.TrimPrefix(host, "unix://")
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case fault.EngineForbidden(err):
		return fault.New(fault.Engine, "sudo usermod -aG docker $USER, then log in again",
			"no permission on the engine's socket %q: %w", socket, err)
	case socket != host && missing(socket):
		return fault.New(fault.Engine, "go tool mage setup", "no Docker engine: %q does not exist", socket)
	default:
		return fault.New(fault.Engine, "go tool mage setup", "no Docker engine answers at %q: %w", host, err)
	}
}

func missing(path string) bool {
	_, err := os.Stat(path)
	return errors.Is(err, os.ErrNotExist)
}

// Machine reads what the engine reported when it was connected.
func (e *Engine) Machine() Machine {
	m := Machine{CPUs: e.Info.NCPU, Memory: e.Info.MemTotal, OpenFiles: openFiles(e.Host)}
	if _, ok := e.Info.Runtimes["nvidia"]; ok {
		m.GPU = true
	}
	for _, d := range e.Info.DiscoveredDevices {
		m.GPU = m.GPU || strings.HasPrefix(d.ID, "nvidia.com/gpu")
	}
	return m
}

// Local says whether the engine runs on this machine, so that its files and loopback ports are ours to see.
func (e *Engine) Local() bool {
	return strings.HasPrefix(e.Host, "unix://") || strings.HasPrefix(e.Host, "npipe://")
}

// ContainerdStore says whether images live in containerd's store (default since Docker 29), whose own BuildKit can
// export a registry cache.
func (e *Engine) ContainerdStore() bool {
	for _, kv := range e.Info.DriverStatus {
		if kv[0] == "driver-type" && strings.HasPrefix(kv[1], "io.containerd.snapshotter") {
			return true
		}
	}
	return false
}
