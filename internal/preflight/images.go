package preflight

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	cerrdefs "github.com/containerd/errdefs"
	"github.com/distribution/reference"
	"github.com/docker/compose/v5/pkg/api"
	"github.com/moby/moby/client"
	"github.com/moby/moby/client/pkg/versions"
	"golang.org/x/sync/errgroup"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/finding"
)

const (
	idUnbuilt = "image.unbuilt"
	idMissing = "image.missing"
	// askWithin bounds all questions to registries together, and askAtOnce is how many are open.
	askWithin = 10 * time.Second
	askAtOnce = 8
	// looksAtOnce is how many images are inspected at a time.
	looksAtOnce = 4
)

// images are those that the project's containers are made of.
type images struct {
	users map[string][]string                  // by reference: the services, sorted
	here  map[string]client.ImageInspectResult // those on the engine
}

// findImages asks the engine for every image that a service names, mounts or runs a hook in.
func findImages(ctx context.Context, in Input) (images, error) {
	found := images{users: map[string][]string{}, here: map[string]client.ImageInspectResult{}}
	for _, name := range in.Project.ServiceNames() {
		s := in.Project.Services[name]
		if s.Provider != nil {
			continue
		}
		refs := append([]string{api.GetImageNameOrDefault(s, in.Project.Name)},
			api.GetDependentImages(s, in.Project.Name)...)
		for _, v := range s.Volumes {
			if v.Type == types.VolumeTypeImage {
				refs = append(refs, v.Source)
			}
		}
		for _, ref := range refs {
			if !slices.Contains(found.users[ref], name) {
				found.users[ref] = append(found.users[ref], name)
			}
		}
	}
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(looksAtOnce)
	for ref := range found.users {
		g.Go(func() error {
			got, err := in.API.ImageInspect(ctx, ref)
			switch {
			case cerrdefs.IsNotFound(err), cerrdefs.IsInvalidArgument(err):
				return nil
			case err != nil:
				return fmt.Errorf("looking for the image %q of %q: %w", ref, found.users[ref][0], err)
			}
			mu.Lock()
			defer mu.Unlock()
			found.here[ref] = got
			return nil
		})
	}
	return found, g.Wait()
}

// absent names the images that are not on the engine and that a start would not pull: those that are to be built, and
// those that may not be pulled.
func (i images) absent(project *types.Project) []finding.Finding {
	var builders, waiting []string
	var out []finding.Finding
	for _, name := range project.ServiceNames() {
		s := project.Services[name]
		ref := api.GetImageNameOrDefault(s, project.Name)
		if _, here := i.here[ref]; here || s.Provider != nil {
			continue
		}
		if by := builderOf(project, ref); by != "" {
			waiting = append(waiting, name)
			if !slices.Contains(builders, by) {
				builders = append(builders, by)
			}
			continue
		}
		if policy, _, err := s.GetPullPolicy(); err == nil &&
			(policy == types.PullPolicyNever || policy == types.PullPolicyBuild) {
			out = append(out,
				finding.Fail(fault.Config, idMissing, "docker pull "+fault.Quote(ref)+", or another pull_policy",
					"image %q is not on the engine, and pull_policy %s forbids to pull it", ref, policy).Of(name))
		}
	}
	if len(waiting) > 0 {
		out = append(out,
			finding.Fail(fault.Config, idUnbuilt, "go tool mage build "+fault.Quote(builders...),
				"not built yet").Of(waiting...))
	}
	return out
}

// builderOf names the service of the project that builds the image; "" for none.
func builderOf(project *types.Project, ref string) string {
	for _, name := range project.ServiceNames() {
		if s := project.Services[name]; s.Build != nil && api.GetImageNameOrDefault(s, project.Name) == ref {
			return name
		}
	}
	return ""
}

// askRegistries asks, through the engine, for the images that a start would pull.
func (i images) askRegistries(ctx context.Context, in Input) []finding.Finding {
	within, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	var mu sync.Mutex
	var out []finding.Finding
	var g errgroup.Group
	g.SetLimit(askAtOnce)
	for ref, users := range i.users {
		if _, here := i.here[ref]; here || builderOf(in.Project, ref) != "" || i.neverPulled(in.Project, ref) {
			continue
		}
		g.Go(func() error {
			auth := ""
			if in.Auth != nil {
				auth = in.Auth(ref)
			}
			_, err := in.API.DistributionInspect(within, ref,
				client.DistributionInspectOptions{EncodedRegistryAuth: auth})
			if err == nil {
				return nil
			}
			f := judge(in, ref, err).Of(users...)
			mu.Lock()
			defer mu.Unlock()
			out = append(out, f)
			return nil
		})
	}
	_ = g.Wait() // its functions return no error
	slices.SortFunc(out, func(a, b finding.Finding) int { return strings.Compare(a.Text(), b.Text()) })
	return out
}

// neverPulled says whether nobody would pull the image, which absent has said then.
func (i images) neverPulled(project *types.Project, ref string) bool {
	for _, name := range i.users[ref] {
		s := project.Services[name]
		policy, _, err := s.GetPullPolicy()
		if s.Image != ref || err != nil || policy != types.PullPolicyNever && policy != types.PullPolicyBuild {
			return false
		}
	}
	return true
}

// judge says what a registry's answer, that the engine gives, means for a pull.
func judge(in Input, ref string, err error) finding.Finding {
	first, _, _ := strings.Cut(err.Error(), "\n")
	first = strings.TrimPrefix(first, "Error response from daemon: ")
	next := "docker pull " + fault.Quote(ref) + ", once its name is right and docker login is done"
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return finding.Warn("image.unknown", "docker pull "+fault.Quote(ref),
			"image %q is not on the engine, and its registry has not answered within %s", ref, askWithin)
	case !refusal(err):
		return finding.Warn("image.unknown", "docker pull "+fault.Quote(ref),
			"image %q is not on the engine, and its registry could not be asked: %s", ref, first)
	case firstMirrorOnly(in, ref):
		return finding.Warn(idMissing, next,
			"image %q is not on the engine, and the engine's mirror has none of that name (%s); the registry behind "+
				"it was not asked", ref, first)
	}
	return finding.Fail(fault.Registry, idMissing, next,
		"image %q is not on the engine, and its registry does not give it: %s", ref, first)
}

// refusal says whether a registry has answered, and said no.
func refusal(err error) bool {
	return cerrdefs.IsNotFound(err) || cerrdefs.IsUnauthorized(err) || cerrdefs.IsPermissionDenied(err) ||
		cerrdefs.IsInvalidArgument(err)
}

// firstMirrorOnly says whether the engine asked one mirror alone. Engines before 23 do, though a pull goes on to the
// registry itself.
func firstMirrorOnly(in Input, ref string) bool {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil || in.Info.RegistryConfig == nil || reference.Domain(named) != "docker.io" {
		return false
	}
	return len(in.Info.RegistryConfig.Mirrors) > 0 && versions.LessThan(in.Info.ServerVersion, "23")
}

// unchecked names the services that others wait for to be healthy and that have no health check, their image's
// included.
func unchecked(project *types.Project, i images) []finding.Finding {
	waiting := map[string][]string{}
	for _, name := range project.ServiceNames() {
		for on, d := range project.Services[name].DependsOn {
			if d.Condition == types.ServiceConditionHealthy {
				waiting[on] = append(waiting[on], name)
			}
		}
	}
	var out []finding.Finding
	for _, name := range project.ServiceNames() {
		s := project.Services[name]
		if len(waiting[name]) == 0 || s.Provider != nil || !lacksCheck(s, i.here, project.Name) {
			continue
		}
		out = append(out,
			finding.Warn("depends_on.healthy", "a healthcheck on "+fault.Quote(name)+", or condition: service_started",
				"%s waits for it to be healthy, and it has no health check: docker compose up fails of that, start "+
					"takes it as ready once it accepts connections or runs",
				strings.Join(waiting[name], ", ")).Of(name))
	}
	return out
}

// lacksCheck says whether the service surely has no health check. Of an image that is not here nothing is known.
func lacksCheck(s types.ServiceConfig, here map[string]client.ImageInspectResult, project string) bool {
	if h := s.HealthCheck; h != nil && (h.Disable || len(h.Test) > 0) {
		return h.Disable || h.Test[0] == "NONE"
	}
	image, known := here[api.GetImageNameOrDefault(s, project)]
	if !known || image.Config == nil {
		return false
	}
	h := image.Config.Healthcheck
	return h == nil || len(h.Test) == 0 || h.Test[0] == "NONE"
}
