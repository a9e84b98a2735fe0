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

	"github.com/25eloquence/compose-mage/internal/composelib"
	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/diagnosis"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/shim"
)

// halfway is the name of a container that was made to replace another by a run that was killed before it gave it
// the other's.
var halfway = regexp.MustCompile(`^/[0-9a-f]{12}_(.+)$`)

// finishNames gives such containers of the service the names that they were to have.
func (r *run) finishNames(ctx context.Context, all []moby.Summary) error {
	for _, c := range all {
		if len(c.Names) == 0 {
			continue
		}
		if m := halfway.FindStringSubmatch(c.Names[0]); m != nil {
			if _, err := r.engine.ContainerRename(ctx, c.ID, client.ContainerRenameOptions{NewName: m[1]}); err != nil {
				return fmt.Errorf("giving %q its name: %w", c.Names[0], err)
			}
		}
	}
	return nil
}

// rangedPorts keeps two services from starting at once whose host ports the engine chooses: it does not choose
// atomically.
var rangedPorts sync.Mutex

// launch starts those of the service's containers that do not run.
func (r *run) launch(ctx context.Context, service string, all []moby.Summary) error {
	config := r.project.Services[service]
	if !direct(r.project, config) {
		one, err := r.project.WithSelectedServices([]string{service}, types.IgnoreDependencies)
		if err != nil {
			return err
		}
		return r.library.Start(ctx, r.project.Name, api.StartOptions{Project: one})
	}
	if chosenPorts(config) {
		rangedPorts.Lock()
		defer rangedPorts.Unlock()
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(r.plan.CPUs)
	for _, c := range all {
		if c.State == moby.StateRunning || c.State == moby.StateRestarting {
			continue
		}
		g.Go(func() error {
			_, err := r.engine.ContainerStart(ctx, c.ID, client.ContainerStartOptions{})
			return err
		})
	}
	return g.Wait()
}

// direct says whether starting the service's containers is all there is to do: no hooks, and no secrets or configs
// that are copied into the container.
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

// launchAll is launch, after what earlier runs left in the way is put right. It gives the containers that there are
// then.
func (r *run) launchAll(ctx context.Context, service string, all []moby.Summary) ([]moby.Summary, error) {
	err := r.launch(ctx, service, all)
	if fault.RefusalOf(err) == fault.NetworkAmbiguous {
		if dropped, _ := r.removeDuplicateNetworks(ctx); dropped {
			err = r.launch(ctx, service, all)
		}
	}
	var blocked *shim.BlockedError
	if !errors.As(err, &blocked) {
		return all, err
	}
	r.out.Info("%s is made anew: the engine can't start it under its ID (%v)", service, err)
	if err := r.remake(ctx, service); err != nil {
		return all, err
	}
	found, err := container.List(ctx, r.engine, r.project.Name, service)
	if err != nil {
		return all, err
	}
	return found[service], r.launch(ctx, service, found[service])
}

// remake lets Compose make the service's containers anew; what is in their volumes, those without a name too, moves
// along.
func (r *run) remake(ctx context.Context, service string) error {
	if err := composelib.Recreate(ctx, r.engine, r.whole, composelib.Restriction{Service: service}, 0); err != nil {
		return &diagnosis.CreateError{Err: err}
	}
	return nil
}

// removeDuplicateNetworks does so once in a run: the next that asks is told that there were some.
func (r *run) removeDuplicateNetworks(ctx context.Context) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.duplicates {
		var err error
		r.duplicates, err = removeDuplicateNetworks(ctx, r.engine, r.project.Name)
		return r.duplicates, err
	}
	return true, nil
}
