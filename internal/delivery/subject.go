package delivery

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	cerrdefs "github.com/containerd/errdefs"
	"github.com/distribution/reference"
	"github.com/docker/compose/v5/pkg/api"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"
)

// subject is one image of the project, and all that was found out of it.
type subject struct {
	name     string   // as a person writes it: with its tag, or its digest, or the ID alone
	project  string   // the project's name
	services []string // whose image it is
	own      string   // the registry that its name has as the model writes it: docker.io where that is spelled out
	built    bool     // from a build section
	several  []string // the platforms of that section, where there are several
	local    *local   // nil where the manager's engine lacks it
	target   string   // name:tag under which it is pushed; "" for none
	answer   *answer  // of the registry that the nodes pull it from; nil where it is not there, or not asked
	instead  error    // why its own registry does not give it, where the engine's image goes in its place
	auth     Credential
}

// local is the image that the manager's engine has.
type local struct {
	id       string
	digests  []string // name@sha256:…
	layers   []digest.Digest
	check    *container.HealthConfig
	platform swarm.Platform
}

// subjectsOf gives the images of the project's services, by name.
func subjectsOf(project *types.Project) []*subject {
	byName := map[string]*subject{}
	for _, service := range project.ServiceNames() {
		s := project.Services[service]
		if s.Provider != nil {
			continue
		}
		written := api.GetImageNameOrDefault(s, project.Name)
		name := withTag(written)
		if byName[name] == nil {
			byName[name] = &subject{name: name, project: project.Name}
		}
		byName[name].services = append(byName[name].services, service)
		byName[name].own = cmp.Or(byName[name].own, ownRegistry(written))
		if s.Build != nil {
			byName[name].built = true
			if len(s.Build.Platforms) > 1 {
				byName[name].several = s.Build.Platforms
			}
		}
	}
	return slices.SortedFunc(maps.Values(byName), func(a, b *subject) int { return cmp.Compare(a.name, b.name) })
}

// withTag is a name with the tag that it has where it says none.
func withTag(name string) string {
	ref, err := reference.ParseAnyReference(name)
	if err != nil {
		return name
	}
	named, ok := ref.(reference.Named)
	if !ok {
		return name // an ID
	}
	return reference.FamiliarString(reference.TagNameOnly(named))
}

// isID says whether the name is an image's ID, which no registry knows.
func (s *subject) isID() bool {
	ref, err := reference.ParseAnyReference(s.name)
	if err != nil {
		return false
	}
	_, named := ref.(reference.Named)
	return !named
}

// label is name:tag, without a digest.
func (s *subject) label() string {
	name, _, _ := strings.Cut(s.name, "@")
	if s.isID() {
		return s.name
	}
	return withTag(name)
}

// who names the image's services for an error.
func (s *subject) who() string {
	if len(s.services) == 1 {
		return fmt.Sprintf("service %q", s.services[0])
	}
	return fmt.Sprintf("services %s", strings.Join(s.services, ", "))
}

func (s *subject) image() Image {
	out := Image{Name: s.name}
	switch {
	case s.answer != nil:
		out.Platforms = s.answer.platforms
	case s.local != nil:
		out.Platforms = []swarm.Platform{s.local.platform}
	}
	if s.local == nil {
		return out
	}
	out.ID = s.local.id
	// The engine's image may be an older one than the registry's.
	if s.answer == nil || s.target != "" || s.local.has(s.answer.digest) {
		out.Checks = s.local.check
		if len(out.Platforms) == 0 { // engine 20.10 does not look into OCI's manifests
			out.Platforms = []swarm.Platform{s.local.platform}
		}
	}
	return out
}

// has says whether the image is the one that has the digest in a registry.
func (l *local) has(d digest.Digest) bool {
	return l.id == d.String() || slices.ContainsFunc(l.digests, func(name string) bool {
		return strings.HasSuffix(name, "@"+d.String())
	})
}

// digestsIn are the digests under which the engine knows its image in the repository of name.
func (l *local) digestsIn(name string) []digest.Digest {
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return nil
	}
	var out []digest.Digest
	for _, one := range l.digests {
		ref, err := reference.ParseNormalizedNamed(one)
		if err != nil || ref.Name() != named.Name() {
			continue
		}
		if canonical, ok := ref.(reference.Canonical); ok {
			out = append(out, canonical.Digest())
		}
	}
	return out
}

// questions is how many images are asked for at a time.
const questions = 8

// inspect looks for the images on the manager's engine.
func (d *Delivery) inspect(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(questions)
	for _, s := range d.subjects {
		g.Go(func() error {
			found, err := d.request.Engine.ImageInspect(ctx, s.name)
			switch {
			case cerrdefs.IsNotFound(err):
				return nil
			case err != nil:
				return fmt.Errorf("%s: looking for the image %q: %w", s.who(), s.name, err)
			}
			s.local = localOf(found)
			return nil
		})
	}
	return g.Wait()
}

func localOf(found client.ImageInspectResult) *local {
	l := &local{id: found.ID, digests: found.RepoDigests, platform: platform(found.Os, found.Architecture)}
	for _, layer := range found.RootFS.Layers {
		l.layers = append(l.layers, digest.Digest(layer))
	}
	if found.Config != nil {
		l.check = found.Config.Healthcheck
	}
	return l
}

// platform is one as a Swarm's placement has it. A node says armv7l where an image says arm: the scheduler would find
// none, so an image for arm is for all architectures, as docker service create has it.
func platform(system, architecture string) swarm.Platform {
	if strings.EqualFold(architecture, "arm") {
		architecture = ""
	}
	return swarm.Platform{OS: system, Architecture: architecture}
}

// resolve asks the registries for all images. The error joins what stops a deploy.
func (d *Delivery) resolve(ctx context.Context) error {
	failed := make([]error, len(d.subjects))
	var g errgroup.Group
	g.SetLimit(questions)
	for i, s := range d.subjects {
		g.Go(func() error {
			failed[i] = d.resolveOne(ctx, s)
			return nil // the others' errors are worth knowing too
		})
	}
	_ = g.Wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	targets := map[string][]string{}
	for _, s := range d.subjects {
		if s.target != "" {
			targets[s.target] = append(targets[s.target], s.name)
		}
	}
	return errors.Join(append(failed, collisions(targets))...)
}
