package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
	"golang.org/x/sync/errgroup"

	"github.com/25eloquence/compose-mage/bench/internal/rig"
)

// callsAtOnce is how many calls the bench has the engine work on where it prepares a run.
const callsAtOnce = 8

const (
	projectLabel = "com.docker.compose.project"
	serviceLabel = "com.docker.compose.service"
)

// each calls f for every item, so many at a time, and gives the first error.
func each[T any](ctx context.Context, items []T, atOnce int, f func(ctx context.Context, item T) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for _, item := range items {
		group.Go(func() error { return f(ctx, item) })
	}
	return group.Wait()
}

// ofProject selects what has the project's label.
func ofProject(project string) client.Filters {
	return client.Filters{}.Add("label", projectLabel+"="+project)
}

// list gives the project's containers.
func (b *bench) list(ctx context.Context, project string) ([]container.Summary, error) {
	found, err := b.engine.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: ofProject(project)})
	if err != nil {
		return nil, fmt.Errorf("listing the containers of %q: %w", project, err)
	}
	return found.Items, nil
}

// wipe removes the project's containers, networks and volumes, which are all the bench's.
func (b *bench) wipe(ctx context.Context, project string) error {
	all, err := b.list(ctx, project)
	if err != nil {
		return err
	}
	err = each(ctx, all, callsAtOnce, func(ctx context.Context, c container.Summary) error {
		_, err := b.engine.ContainerRemove(ctx, c.ID, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
		return err
	})
	if err != nil {
		return fmt.Errorf("removing the containers of %q: %w", project, err)
	}
	if err := b.wipeNetworks(ctx, project); err != nil {
		return err
	}
	volumes, err := b.engine.VolumeList(ctx, client.VolumeListOptions{})
	if err != nil {
		return fmt.Errorf("listing volumes: %w", err)
	}
	for _, v := range volumes.Items {
		if !strings.HasPrefix(v.Name, project+"_") {
			continue
		}
		if _, err := b.engine.VolumeRemove(ctx, v.Name, client.VolumeRemoveOptions{Force: true}); err != nil {
			return fmt.Errorf("removing the volume %q: %w", v.Name, err)
		}
	}
	return nil
}

// wipeNetworks removes the project's networks.
func (b *bench) wipeNetworks(ctx context.Context, project string) error {
	networks, err := b.engine.NetworkList(ctx, client.NetworkListOptions{Filters: ofProject(project)})
	if err != nil {
		return fmt.Errorf("listing the networks of %q: %w", project, err)
	}
	for _, n := range networks.Items {
		if _, err := b.engine.NetworkRemove(ctx, n.ID, client.NetworkRemoveOptions{}); err != nil {
			return fmt.Errorf("removing the network %q: %w", n.Name, err)
		}
	}
	return nil
}

// wipeAll removes everything that this bench and those before it made on the engine. A network of an earlier one
// that the engine does not let go, though nothing is in it, is only named.
func (b *bench) wipeAll(ctx context.Context) error {
	all, err := b.engine.ContainerList(ctx, client.ContainerListOptions{All: true})
	if err != nil {
		return fmt.Errorf("listing containers: %w", err)
	}
	networks, err := b.engine.NetworkList(ctx, client.NetworkListOptions{})
	if err != nil {
		return fmt.Errorf("listing networks: %w", err)
	}
	found := map[string]bool{}
	for _, c := range all.Items {
		found[c.Labels[projectLabel]] = true
	}
	for _, n := range networks.Items {
		found[n.Labels[projectLabel]] = true
	}
	ours := slices.Collect(maps.Values(b.projects))
	var failed []error
	for project := range found {
		if !strings.HasPrefix(project, projectPrefix) {
			continue
		}
		switch err := b.wipe(ctx, project); {
		case err == nil:
		case slices.Contains(ours, project):
			failed = append(failed, err)
		default:
			rig.Say("left by an earlier bench: %v", err)
		}
	}
	ofBench := client.Filters{}.Add("reference", "bench-start/*")
	images, err := b.engine.ImageList(ctx, client.ImageListOptions{Filters: ofBench})
	failed = append(failed, err)
	for _, i := range images.Items {
		for _, tag := range i.RepoTags {
			if strings.HasPrefix(tag, "bench-start/") {
				_, err := b.engine.ImageRemove(ctx, tag, client.ImageRemoveOptions{Force: true})
				failed = append(failed, err)
			}
		}
	}
	return errors.Join(failed...)
}

// stopAll stops the project's containers, those too that end and are restarted again and again.
func (b *bench) stopAll(ctx context.Context, project string) error {
	all, err := b.list(ctx, project)
	if err != nil {
		return err
	}
	all = slices.DeleteFunc(all, func(c container.Summary) bool {
		return c.State == container.StateCreated || c.State == container.StateExited
	})
	err = each(ctx, all, callsAtOnce, func(ctx context.Context, c container.Summary) error {
		_, err := b.engine.ContainerStop(ctx, c.ID, client.ContainerStopOptions{})
		return err
	})
	if err != nil {
		return fmt.Errorf("stopping %q: %w", project, err)
	}
	return nil
}

// spec is a container to make again.
type spec struct {
	service string
	options client.ContainerCreateOptions
}

// remember notes how the tool made the project's containers and networks, so that the bench can make the same.
func (b *bench) remember(ctx context.Context, s *stack, project string) error {
	if len(s.specs[project]) > 0 {
		return nil
	}
	all, err := b.list(ctx, project)
	if err != nil {
		return err
	}
	var specs []spec
	networks := map[string]bool{}
	for _, c := range all {
		found, err := b.engine.ContainerInspect(ctx, c.ID, client.ContainerInspectOptions{})
		if err != nil {
			return fmt.Errorf("inspecting a container: %w", err)
		}
		one := found.Container
		one.Config.Hostname = "" // was made from the old container's ID
		ends := map[string]*network.EndpointSettings{}
		for name, end := range one.NetworkSettings.Networks {
			ends[name] = &network.EndpointSettings{Aliases: end.Aliases}
			networks[name] = true
		}
		specs = append(specs, spec{service: c.Labels[serviceLabel], options: client.ContainerCreateOptions{
			Name: strings.TrimPrefix(one.Name, "/"), Config: one.Config, HostConfig: one.HostConfig,
			NetworkingConfig: &network.NetworkingConfig{EndpointsConfig: ends},
		}})
	}
	order := s.graph.names()
	slices.SortFunc(specs, func(a, b spec) int {
		return slices.Index(order, a.service) - slices.Index(order, b.service)
	})
	s.specs[project], s.networks[project] = specs, nil
	for name := range networks {
		s.networks[project] = append(s.networks[project], name)
	}
	return nil
}

// makeNetworks makes the project's networks again.
func (b *bench) makeNetworks(ctx context.Context, s *stack, project string) error {
	for _, name := range s.networks[project] {
		labels := map[string]string{projectLabel: project}
		_, err := b.engine.NetworkCreate(ctx, name, client.NetworkCreateOptions{Driver: "bridge", Labels: labels})
		if err != nil {
			return fmt.Errorf("making the network %q: %w", name, err)
		}
	}
	return nil
}

// make makes one container again.
func (b *bench) make(ctx context.Context, one spec) error {
	options, ends := one.options, one.options.NetworkingConfig.EndpointsConfig
	first := string(options.HostConfig.NetworkMode)
	if _, ok := ends[first]; ok { // an engine before 25 makes a container in one network only
		only := map[string]*network.EndpointSettings{first: ends[first]}
		options.NetworkingConfig = &network.NetworkingConfig{EndpointsConfig: only}
	}
	if _, err := b.engine.ContainerCreate(ctx, options); err != nil {
		return fmt.Errorf("making %q: %w", options.Name, err)
	}
	for name, end := range ends {
		if _, there := options.NetworkingConfig.EndpointsConfig[name]; there {
			continue
		}
		o := client.NetworkConnectOptions{Container: options.Name, EndpointConfig: end}
		if _, err := b.engine.NetworkConnect(ctx, name, o); err != nil {
			return fmt.Errorf("connecting %q to %q: %w", options.Name, name, err)
		}
	}
	return nil
}

// startOne starts a container and says when the engine had.
func (b *bench) startOne(ctx context.Context, id string) (time.Time, error) {
	if _, err := b.engine.ContainerStart(ctx, id, client.ContainerStartOptions{}); err != nil {
		return time.Time{}, fmt.Errorf("starting %q: %w", id, err)
	}
	return time.Now(), nil
}
