package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/compose/v5/pkg/api"
	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
	"golang.org/x/sync/errgroup"

	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/diagnosis"
	"github.com/25eloquence/compose-mage/internal/shim"
)

// halfway is the name of a container that was made to replace another by a run that was killed before it gave it the other's.
var halfway = regexp.MustCompile(`^/[0-9a-f]{12}_(.+)$`)

// finish gives such containers of the service the names that they were to have.
func (s *starter) finish(ctx context.Context, all []moby.Summary) error {
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

// rangedPorts keeps two services from starting at once whose host ports the engine chooses: it does not choose atomically.
var rangedPorts sync.Mutex

// launch starts those of the service's containers that do not run.
func (s *starter) launch(ctx context.Context, service string, all []moby.Summary) error {
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
		if c.State == moby.StateRunning || c.State == moby.StateRestarting {
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

// launchAll is launch, after what earlier runs left in the way is put right. It gives the containers that there are then.
func (s *starter) launchAll(ctx context.Context, service string, all []moby.Summary) ([]moby.Summary, error) {
	err := s.launch(ctx, service, all)
	if ambiguous(err) {
		if dropped, _ := s.removeDuplicateNetworks(ctx); dropped {
			err = s.launch(ctx, service, all)
		}
	}
	var blocked *shim.BlockedError
	if !errors.As(err, &blocked) {
		return all, err
	}
	s.out.Info("%s is made anew: the engine can't start it under its ID (%v)", service, err)
	if err := s.remake(ctx, service); err != nil {
		return all, err
	}
	found, err := container.List(ctx, s.engine, s.project.Name, service)
	if err != nil {
		return all, err
	}
	return found[service], s.launch(ctx, service, found[service])
}

// remake lets Compose make the service's containers anew; what is in their volumes, those without a name too, moves along.
func (s *starter) remake(ctx context.Context, service string) error {
	one, err := s.project.WithSelectedServices([]string{service}, types.IgnoreDependencies)
	if err != nil {
		return err
	}
	err = s.compose.Create(ctx, one.WithoutUnnecessaryResources(), api.CreateOptions{
		Services: []string{service}, Recreate: api.RecreateForce, RecreateDependencies: api.RecreateNever, Inherit: true, IgnoreOrphans: true, QuietPull: true,
	})
	if err != nil {
		return &diagnosis.CreateError{Err: err}
	}
	return nil
}
