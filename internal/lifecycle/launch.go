package lifecycle

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/compose/v5/pkg/api"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
	"golang.org/x/sync/errgroup"
)

// lister is what finding containers needs of the engine.
type lister interface {
	ContainerList(ctx context.Context, o client.ContainerListOptions) (client.ContainerListResult, error)
}

// listOptions ask for the containers of a service, or of the whole project for "", in whatever state; those of compose run and
// of hooks are none.
func listOptions(project, service string) client.ContainerListOptions {
	f := client.Filters{}.Add("label", api.ProjectLabel+"="+project, api.OneoffLabel+"=False", api.ConfigHashLabel)
	if service != "" {
		f = f.Add("label", api.ServiceLabel+"="+service)
	}
	return client.ContainerListOptions{All: true, Filters: f}
}

// replicas gives the service's containers by number.
func (s *starter) replicas(ctx context.Context, service string) ([]container.Summary, error) {
	list, err := s.engine.ContainerList(ctx, listOptions(s.project.Name, service))
	if err != nil {
		return nil, fmt.Errorf("listing its containers: %w", err)
	}
	slices.SortFunc(list.Items, func(a, b container.Summary) int { return numberOf(a) - numberOf(b) })
	return list.Items, nil
}

// halfway is the name of a container that was made to replace another by a run that was killed before it gave it the other's.
var halfway = regexp.MustCompile(`^/[0-9a-f]{12}_(.+)$`)

// finish gives such containers of the service the names that they were to have.
func (s *starter) finish(ctx context.Context, all []container.Summary) error {
	for _, c := range all {
		if len(c.Names) == 0 {
			continue
		}
		if m := halfway.FindStringSubmatch(c.Names[0]); m != nil {
			if _, err := s.engine.ContainerRename(ctx, c.ID, client.ContainerRenameOptions{NewName: m[1]}); err != nil {
				return fmt.Errorf("giving %q its name: %w", c.Names[0], err)
			}
		}
	}
	return nil
}

func numberOf(c container.Summary) int {
	n, err := strconv.Atoi(c.Labels[api.ContainerNumberLabel])
	if err != nil {
		return 0
	}
	return n
}

// rangedPorts keeps two services from starting at once whose host ports the engine chooses: it does not choose atomically.
var rangedPorts sync.Mutex

// launch starts those of the service's containers that do not run.
func (s *starter) launch(ctx context.Context, service string, all []container.Summary) error {
	config := s.project.Services[service]
	if !direct(s.project, config) {
		one, err := s.project.WithSelectedServices([]string{service}, types.IgnoreDependencies)
		if err != nil {
			return err
		}
		return s.compose.Start(ctx, s.project.Name, api.StartOptions{Project: one})
	}
	if chosenPorts(config) {
		rangedPorts.Lock()
		defer rangedPorts.Unlock()
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(s.plan.CPUs)
	for _, c := range all {
		if c.State == container.StateRunning || c.State == container.StateRestarting {
			continue
		}
		g.Go(func() error {
			_, err := s.engine.ContainerStart(ctx, c.ID, client.ContainerStartOptions{})
			return err
		})
	}
	return g.Wait()
}

// direct says whether starting the service's containers is all there is to do: no hooks, and no secrets or configs that are
// copied into the container.
func direct(project *types.Project, s types.ServiceConfig) bool {
	if len(s.PreStart)+len(s.PostStart) > 0 || s.Provider != nil {
		return false
	}
	for _, use := range s.Secrets {
		if given := project.Secrets[use.Source]; given.Content+given.Environment != "" {
			return false
		}
	}
	for _, use := range s.Configs {
		if given := project.Configs[use.Source]; given.Content+given.Environment != "" {
			return false
		}
	}
	return true
}

// chosenPorts says whether the engine chooses a host port for the service, out of a range or of all.
func chosenPorts(s types.ServiceConfig) bool {
	for _, p := range s.Ports {
		if p.Published == "" || p.Published == "0" || strings.Contains(p.Published, "-") {
			return true
		}
	}
	return false
}
