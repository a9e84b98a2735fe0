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

// DryRun is what docker compose up would do with the services that have containers.
type DryRun struct {
	Recreated map[string]int  // by service, how many containers it would make anew
	Hooks     map[string]bool // services of whose hooks it would make containers
	Resources []string        // the networks and volumes that it would make: "network shop_default", "volume shop_data"
}

// dryRunClient is the library's engine of a dry run, which does nothing; it notes what it is asked to make.
type dryRunClient struct {
	client.APIClient
	mu   sync.Mutex
	seen DryRun
}

// ContainerCreate notes a container that would be made.
func (d *dryRunClient) ContainerCreate(
	ctx context.Context, o client.ContainerCreateOptions,
) (client.ContainerCreateResult, error) {
	d.mu.Lock()
	d.seen.creates(o.Config.Labels)
	d.mu.Unlock()
	return d.APIClient.ContainerCreate(ctx, o)
}

// creates notes a container with those labels.
func (d *DryRun) creates(labels map[string]string) {
	service := labels[container.ServiceLabel]
	switch {
	case labels[container.HookLabel] != "":
		d.Hooks[service] = true
	case labels[container.ReplaceLabel] != "":
		d.Recreated[service]++
	}
}

// NetworkCreate notes a network that would be made.
func (d *dryRunClient) NetworkCreate(
	ctx context.Context, name string, o client.NetworkCreateOptions,
) (client.NetworkCreateResult, error) {
	d.resource("network " + name)
	return d.APIClient.NetworkCreate(ctx, name, o)
}

// VolumeCreate notes a volume that would be made.
func (d *dryRunClient) VolumeCreate(
	ctx context.Context,
	o client.VolumeCreateOptions,
) (client.VolumeCreateResult, error) {
	d.resource("volume " + o.Name)
	return d.APIClient.VolumeCreate(ctx, o)
}

func (d *dryRunClient) resource(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.seen.Resources = append(d.seen.Resources, name)
}

// dryRun asks Compose itself what docker compose up would do, so that what a start does and what a restart finds
// can't differ: Compose hashes a model only after it has put into it what the engine and the images say. Services
// without a container are left out.
func (c Comparison) dryRun(ctx context.Context, found map[string][]container.Replica) (DryRun, error) {
	var present []string
	for _, name := range c.Project.ServiceNames() {
		if len(found[name]) > 0 && c.Project.Services[name].Provider == nil {
			present = append(present, name)
		}
	}
	if len(present) == 0 {
		return DryRun{}, nil
	}
	project, err := c.Project.WithServicesTransform(
		func(name string, s types.ServiceConfig) (types.ServiceConfig, error) {
			return withGiven(c.Project, s, found[name]), nil
		},
	)
	if err == nil {
		project, err = project.WithSelectedServices(present, types.IgnoreDependencies)
	}
	if err != nil {
		return DryRun{}, fmt.Errorf("comparing the containers with the Compose file: %w", err)
	}
	// Not by the option WithDryRun: one that sets a stream puts the real connection back in its place.
	dry, err := dryrun.NewDryRunClient(withoutRegistry{c.Engine.APIClient}, c.Engine.CLI)
	if err != nil {
		return DryRun{}, fmt.Errorf("preparing the Compose library's dry run: %w", err)
	}
	// One at a time: the dry run does not guard its list of containers.
	noting := &dryRunClient{APIClient: dry, seen: DryRun{Recreated: map[string]int{}, Hooks: map[string]bool{}}}
	library, err := composelib.NewOn(c.Engine, noting, compose.WithMaxConcurrency(1))
	if err != nil {
		return DryRun{}, err
	}
	err = library.Create(ctx, project.WithoutUnnecessaryResources(), api.CreateOptions{
		Recreate: api.RecreateDiverged, RecreateDependencies: api.RecreateDiverged, Inherit: true,
		IgnoreOrphans: true, QuietPull: true, SkipProviders: true,
	})
	if err != nil {
		return DryRun{}, fmt.Errorf("comparing the containers with the Compose file: %w", err)
	}
	slices.Sort(noting.seen.Resources)
	return noting.seen, nil
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

// withGiven gives the service with the variables that its providers have put into its containers, as it was when
// Compose hashed it. What a provider sets under a name without its own prefix can't be told from what the file no
// longer has: such a service counts as changed, as it does in each docker compose up.
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
		if slices.ContainsFunc(
			providers,
			func(name string) bool { return strings.HasPrefix(key, strings.ToUpper(name)+"_") },
		) {
			s.Environment[key] = &value
		}
	}
	return s
}
