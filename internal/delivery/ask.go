package delivery

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/distribution/reference"
	"github.com/docker/cli/cli/config/configfile"
	"github.com/moby/moby/api/pkg/authconfig"
	"github.com/moby/moby/api/types/registry"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
	"github.com/opencontainers/go-digest"

	"github.com/25eloquence/compose-mage/internal/bounded"
	"github.com/25eloquence/compose-mage/internal/fault"
)

// answerWithin is how long the manager may take to hear of an image from its registry.
const answerWithin = 45 * time.Second

// answer is what a registry says of an image.
type answer struct {
	digest    digest.Digest
	platforms []swarm.Platform
}

// Logins gives the credentials of a Docker configuration and its helpers, as docker login left them.
func Logins(config *configfile.ConfigFile) func(image string) (Credential, error) {
	return func(image string) (Credential, error) {
		named, err := reference.ParseNormalizedNamed(image)
		if err != nil {
			return "", err
		}
		a, err := config.GetAuthConfig(reference.Domain(named))
		if err != nil {
			return "", fmt.Errorf("reading the login for %s: %w", reference.Domain(named), err)
		}
		if a.Username == "" && a.Password == "" && a.Auth == "" && a.IdentityToken == "" && a.RegistryToken == "" {
			return "", nil
		}
		encoded, err := authconfig.Encode(registry.AuthConfig{
			Username: a.Username, Password: a.Password, Auth: a.Auth, ServerAddress: a.ServerAddress,
			IdentityToken: a.IdentityToken, RegistryToken: a.RegistryToken,
		})
		return Credential(encoded), err
	}
}

func (d *Delivery) login(image string) (Credential, error) {
	if d.request.Credentials == nil {
		return "", nil
	}
	return d.request.Credentials(image)
}

// ask has the manager ask the registry of an image, as docker service create does: what answers there answers the
// nodes.
func (d *Delivery) ask(ctx context.Context, image string) (*answer, error) {
	within, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	login, err := d.login(image)
	if err != nil {
		return nil, err
	}
	found, err := d.request.Engine.DistributionInspect(within, image,
		client.DistributionInspectOptions{EncodedRegistryAuth: string(login)})
	if err != nil && ctx.Err() == nil && within.Err() != nil {
		return nil, fmt.Errorf("no answer within %s: %w", answerWithin, within.Err())
	}
	if err != nil {
		return nil, err
	}
	if err := found.Descriptor.Digest.Validate(); err != nil {
		return nil, fmt.Errorf("the digest %q: %w", bounded.Line(found.Descriptor.Digest.String()), err)
	}
	a := &answer{digest: found.Descriptor.Digest}
	for _, p := range found.Platforms {
		if p.OS == "unknown" || p.Architecture == "unknown" { // attestations
			continue
		}
		if one := platform(p.OS, p.Architecture); !slices.Contains(a.platforms, one) {
			a.platforms = append(a.platforms, one)
		}
	}
	return a, nil
}

// resolveOne finds out where the nodes get the image from.
func (d *Delivery) resolveOne(ctx context.Context, s *subject) error {
	way, target, err := firstWay(s, d.request.Means)
	if err != nil {
		return err
	}
	s.target = target
	switch way {
	case Push:
		return d.resolveTarget(ctx, s)
	case Send:
		return nil
	}
	if s.auth, err = d.login(s.name); err != nil {
		return loginFault(s, err)
	}
	s.answer, err = d.ask(ctx, s.name)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case fault.EngineLost(err):
		return fmt.Errorf("asking the manager for %q: %w", s.name, err)
	case s.local == nil:
		return registryFault(s, s.name, err)
	}
	// The manager's engine has the image: that one goes to the nodes, and the plan says so.
	s.instead, s.auth = registryFault(s, s.name, err), ""
	if d.request.Means.Registry == "" {
		return nil
	}
	if s.target, err = targetOf(s, d.request.Means.Registry); err != nil {
		return err
	}
	return d.resolveTarget(ctx, s)
}

// firstWay is how the image should get onto the nodes, before any registry was asked, and under which name it is
// pushed.
func firstWay(s *subject, m Means) (Way, string, error) {
	switch {
	case s.built && s.local == nil:
		return "", "", fault.New(fault.Failed, "go tool mage build "+fault.Quote(s.services[0]),
			"%s: the engine has no image %q, which is built here", s.who(), s.name)
	case s.isID() && s.local == nil:
		return "", "", fault.New(fault.Config, fault.Correct,
			"%s: the engine has no image %s, and no registry knows an image by its ID", s.who(), s.name)
	case (s.built || s.local != nil) && len(m.Connections) > 0:
		return Send, "", nil
	case s.built && s.own != "" && loopback(s.own) == "":
		return Push, s.label(), nil
	case (s.built || s.isID() || loopback(s.own) != "" && s.local != nil) && m.Registry != "":
		target, err := targetOf(s, m.Registry)
		return Push, target, err
	case s.built || s.isID() || loopback(s.own) != "" && s.local != nil:
		return Send, "", nil // to the manager's own node alone
	}
	return Pull, "", nil
}

// targetOf is the image's name in the registry of the deploy.
func targetOf(s *subject, registry string) (string, error) {
	name := s.name
	if s.isID() {
		name = s.project + "-" + s.services[0]
	}
	target, err := under(registry, name)
	if err != nil {
		return "", fault.New(fault.Config, fault.Correct, "%s: %w", s.who(), err)
	}
	return target, nil
}

// resolveTarget finds out whether the registry has just this image already, and whether it answers at all.
func (d *Delivery) resolveTarget(ctx context.Context, s *subject) error {
	login, err := d.login(s.target)
	if err != nil {
		return loginFault(s, err)
	}
	s.auth = login
	known := s.local.digestsIn(s.target)
	repository, _ := reference.ParseNormalizedNamed(s.target)
	for _, of := range known[:min(len(known), 3)] {
		canonical, err := reference.WithDigest(reference.TrimNamed(repository), of)
		if err != nil {
			continue
		}
		if s.answer, err = d.ask(ctx, reference.FamiliarString(canonical)); err == nil {
			s.answer.digest = of
			return nil
		}
	}
	_, err = d.ask(ctx, s.target)
	switch refusal := fault.RegistryRefusalOf(err); {
	case ctx.Err() != nil:
		return ctx.Err()
	case fault.EngineLost(err):
		return fmt.Errorf("asking the manager for %q: %w", s.target, err)
	case refusal == fault.RegistryAway, refusal == fault.RegistryPlain, refusal == fault.RegistryUntrusted:
		return registryFault(s, s.target, err)
	}
	// That there is no such repository, some registries say as a refusal: the push will tell.
	return nil
}
