package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"

	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/bench/internal/rig"
	"github.com/25eloquence/compose-mage/internal/container"
)

// shippedProject is the name under which this repository's own services are started.
const shippedProject = project + "-shipped"

// ports are the variables of the Compose file by which its services are published, with a path that each answers; ""
// for one that is not asked.
var ports = map[string]string{
	"API_PORT": "/health", "WHISPER_PORT": "/health", "AZURE_TTS_PORT": "/health", "AGENT_PORT": "/health",
	"LIVEKIT_PORT": "/health", "LIVEKIT_TCP_PORT": "", "LIVEKIT_UDP_PORT": "",
}

// shippedEnvironment has ports on which nothing listens, and gives the addresses that can be asked.
func shippedEnvironment() (env, addresses []string, err error) {
	env = []string{"COMPOSE_PROJECT_NAME=" + shippedProject, "COMPOSE_PROFILES=agent-v1"}
	for _, name := range slices.Sorted(maps.Keys(ports)) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, nil, fmt.Errorf("finding free ports: %w", err)
		}
		defer l.Close()
		env = append(env, fmt.Sprintf("%s=%d", name, l.Addr().(*net.TCPAddr).Port))
		if ports[name] != "" {
			addresses = append(addresses, "http://"+l.Addr().String()+ports[name])
		}
	}
	return env, addresses, nil
}

// shipped measures how long the services of this repository stand still for a backup.
func (b *bench) shipped(ctx context.Context) (string, error) {
	env, addresses, err := shippedEnvironment()
	if err == nil {
		err = errors.Join(b.downShipped(ctx), b.emptyOurs())
	}
	if err != nil {
		return "", err
	}
	b.started = true
	rig.Say("starting the six services")
	start := b.command(ctx, b.tool[0], append(b.tool[1:], "start")...)
	start.Env = append(start.Env, env...)
	if _, err := rig.Output(start); err != nil {
		return "", err
	}
	list, err := b.engine.ContainerList(ctx, shippedFilter())
	if err != nil {
		return "", fmt.Errorf("listing the six services: %w", err)
	}
	var containers []string
	for _, c := range list.Items {
		containers = append(containers, c.ID)
	}
	addresses = slices.DeleteFunc(addresses, func(address string) bool {
		_, err := ask(ctx, address)
		if err != nil {
			rig.Say("%s does not answer: %v", address, err)
		}
		return err != nil
	})
	if len(containers) != 6 || len(addresses) == 0 {
		return "", fmt.Errorf("%d of six services run, and %d answer %s", len(containers), len(addresses),
			http.MethodGet)
	}
	m := measured{name: fmt.Sprintf("the six services, %d of them asked", len(addresses))}
	var asked watched
	for range b.config.pairs {
		b.rest(ctx)
		seen, err := b.watch(ctx, containers, addresses, func() error { return m.take(b.backup(ctx, env...)) })
		if err != nil {
			return "", err
		}
		asked.add(seen)
	}
	return asked.table(m, "the shipped stack"), nil
}

func shippedFilter() client.ContainerListOptions {
	return client.ContainerListOptions{
		All: true, Filters: client.Filters{}.Add("label", container.ProjectLabel+"="+shippedProject),
	}
}

// downShipped removes the services' containers, networks and volumes.
func (b *bench) downShipped(ctx context.Context) error {
	list, err := b.engine.ContainerList(ctx, shippedFilter())
	if err != nil {
		return fmt.Errorf("listing the bench's services: %w", err)
	}
	var failed []error
	for _, c := range list.Items {
		_, err := b.engine.ContainerRemove(ctx, c.ID, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
		failed = append(failed, err)
	}
	labelled := client.Filters{}.Add("label", container.ProjectLabel+"="+shippedProject)
	volumes, err := b.engine.VolumeList(ctx, client.VolumeListOptions{Filters: labelled})
	failed = append(failed, err)
	for _, v := range volumes.Items {
		_, err := b.engine.VolumeRemove(ctx, v.Name, client.VolumeRemoveOptions{})
		failed = append(failed, err)
	}
	networks, err := b.engine.NetworkList(ctx, client.NetworkListOptions{Filters: labelled})
	failed = append(failed, err)
	for _, n := range networks.Items {
		_, err := b.engine.NetworkRemove(ctx, n.ID, client.NetworkRemoveOptions{})
		failed = append(failed, err)
	}
	return errors.Join(failed...)
}
