package recreate

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/compose-spec/compose-go/v2/types"
	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/compose/v5/pkg/api"
	"github.com/docker/compose/v5/pkg/compose"
	"github.com/docker/compose/v5/pkg/dryrun"
	"github.com/moby/moby/api/types/image"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/composelib"
	"github.com/25eloquence/compose-mage/internal/container"
)

// rehearsal listens to docker compose up --dry-run: which containers it would make anew.
type rehearsal struct {
	mu   sync.Mutex
	anew map[string]bool // by the names of its events
}

// Start is the library's sign that an operation begins.
func (r *rehearsal) Start(context.Context, string) {}

// Done is its sign that one has ended.
func (r *rehearsal) Done(string, bool) {}

// On takes what the library tells of its work.
func (r *rehearsal) On(events ...api.Resource) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range events {
		if e.Status == api.Working && e.Text == recreating {
			r.anew[e.ID] = true
		}
	}
}

// recreating is what the library says when it begins to make a container anew.
const recreating = "Recreate"

// rehearse names the services that docker compose up would make anew, by name. It asks Compose itself, so that what a
// start does and what a restart finds can't differ: Compose hashes a model only after it has put into it what the
// engine and the images say. Services without a container are left out.
func (c Comparison) rehearse(ctx context.Context, found map[string][]container.Replica) ([]string, error) {
	var present []string
	for _, name := range c.Project.ServiceNames() {
		if len(found[name]) > 0 && c.Project.Services[name].Provider == nil {
			present = append(present, name)
		}
	}
	if len(present) == 0 {
		return nil, nil
	}
	project, err := c.Project.WithServicesTransform(func(name string, s types.ServiceConfig) (types.ServiceConfig, error) {
		return withGiven(c.Project, s, found[name]), nil
	})
	if err == nil {
		project, err = project.WithSelectedServices(present, types.IgnoreDependencies)
	}
	if err != nil {
		return nil, fmt.Errorf("comparing the containers with the Compose file: %w", err)
	}
	heard := &rehearsal{anew: map[string]bool{}}
	// Not by the option WithDryRun: one that sets a stream puts the real connection back in its place.
	dry, err := dryrun.NewDryRunClient(withoutRegistry{c.Engine.APIClient}, c.Engine.CLI)
	if err != nil {
		return nil, fmt.Errorf("preparing the Compose library's dry run: %w", err)
	}
	// One at a time: the dry run does not guard its list of containers.
	library, err := composelib.NewOn(c.Engine, dry,
		compose.WithEventProcessor(heard), compose.WithMaxConcurrency(1))
	if err != nil {
		return nil, err
	}
	err = library.Create(ctx, project.WithoutUnnecessaryResources(), api.CreateOptions{
		Recreate: api.RecreateDiverged, RecreateDependencies: api.RecreateDiverged, Inherit: true,
		IgnoreOrphans: true, QuietPull: true, SkipProviders: true,
	})
	if err != nil {
		return nil, fmt.Errorf("comparing the containers with the Compose file: %w", err)
	}
	anew := map[string]bool{}
	for service, replicas := range found {
		for _, r := range replicas {
			if heard.anew["Container "+r.Name()] {
				anew[service] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(anew)), nil
}

// withoutRegistry is the engine for a dry run that asks no registry: an image that would be pulled is there, and is
// another one than the container's.
type withoutRegistry struct{ client.APIClient }

// ImageInspect gives a stand-in for an image that is not there.
func (w withoutRegistry) ImageInspect(
	ctx context.Context, name string, o ...client.ImageInspectOption,
) (client.ImageInspectResult, error) {
	found, err := w.APIClient.ImageInspect(ctx, name, o...)
	if cerrdefs.IsNotFound(err) {
		return client.ImageInspectResult{InspectResponse: image.InspectResponse{ID: "not there"}}, nil
	}
	return found, err
}

// DistributionInspect is how the library's dry run asks a registry for an image.
func (withoutRegistry) DistributionInspect(
	context.Context, string, client.DistributionInspectOptions,
) (client.DistributionInspectResult, error) {
	return client.DistributionInspectResult{}, nil
}

// withGiven gives the service with the variables that its providers have put into its containers, as it was when Compose hashed
// it. What a provider sets under a name without its own prefix can't be told from what the file no longer has: such a service
// counts as changed, as it does in each docker compose up.
func withGiven(project *types.Project, s types.ServiceConfig, replicas []container.Replica) types.ServiceConfig {
	providers := composelib.ProvidersOf(project, s)
	if len(providers) == 0 || len(replicas) == 0 {
		return s
	}
	s.Environment = maps.Clone(s.Environment)
	if s.Environment == nil {
		s.Environment = types.MappingWithEquals{}
	}
	for _, variable := range replicas[0].Config.Env {
		key, value, _ := strings.Cut(variable, "=")
		if slices.ContainsFunc(providers, func(name string) bool { return strings.HasPrefix(key, strings.ToUpper(name)+"_") }) {
			s.Environment[key] = &value
		}
	}
	return s
}
