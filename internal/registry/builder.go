package registry

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/distribution/reference"
	"github.com/docker/cli/cli/config"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/auth/authprovider"
	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/ui"
)

const (
	// digestWithin is how long a registry may take to give one digest.
	digestWithin = 45 * time.Second
	// questionsAtATime is how many digests are asked for at a time.
	questionsAtATime = 8
)

// Builder asks registries through BuildKit: with the builder's own mirrors, certificates and settings, and with the
// credentials of the user's Docker configuration and its helpers. So a registry answers as it will answer a build.
type Builder struct{ Client *client.Client }

// Resolve gives the digest that each reference has in its registry now; the builder's own store is not looked at.
// Errors are of code Registry, or Builder where that went away.
func (b Builder) Resolve(ctx context.Context, refs []string) (map[string]digest.Digest, error) {
	var digests map[string]digest.Digest
	err := b.ask(ctx, false, func(ctx context.Context, c gateway.Client) error {
		var err error
		digests, err = resolveAll(ctx, refs, func(ctx context.Context, ref string) (digest.Digest, error) {
			return resolveOne(ctx, c, ref)
		})
		return err
	})
	switch {
	case err == nil:
		return digests, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case fault.BuilderLost(err) && !b.alive(ctx): // a registry that is not available may have the same code
		return nil, fault.New(fault.Builder, "go tool mage setup", "asking the builder for digests: %w", err)
	}
	return nil, fault.New(fault.Registry, "docker login where the registry wants a name, or try again where it is away",
		"asking for digests: %w", withoutWrapping(err))
}

// ask runs questions in a build that makes nothing. An internal one leaves no entry in the builder's history.
func (b Builder) ask(ctx context.Context, internal bool, questions func(context.Context, gateway.Client) error) error {
	opt := client.SolveOpt{Internal: internal, Session: []session.Attachable{authprovider.NewDockerAuthProvider(
		authprovider.DockerAuthProviderConfig{
			AuthConfigProvider: authprovider.LoadAuthConfig(config.LoadDefaultConfigFile(ui.New(os.Stderr).Writer())),
		},
	)}}
	_, err := b.Client.Build(ctx, opt, "", func(ctx context.Context, c gateway.Client) (*gateway.Result, error) {
		return gateway.NewResult(), questions(ctx, c)
	}, nil)
	return err
}

// imageDigest has a registry give the manifest and the configuration of a reference with its tag, and gives the
// manifest's digest.
func imageDigest(ctx context.Context, c gateway.Client, ref, logName string) (digest.Digest, error) {
	_, d, _, err := c.ResolveImageConfig(ctx, ref, sourceresolver.Opt{
		LogName: logName, ImageOpt: &sourceresolver.ResolveImageOpt{ResolveMode: "pull"},
	})
	return d, err
}

func resolveOne(ctx context.Context, c gateway.Client, ref string) (digest.Digest, error) {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return "", fmt.Errorf("reading the reference %q: %w", ref, err)
	}
	within, cancel := context.WithTimeout(ctx, digestWithin)
	defer cancel()
	d, err := imageDigest(within, c, reference.TagNameOnly(named).String(), "digest of "+ref)
	if err != nil && ctx.Err() == nil && within.Err() != nil {
		return "", fmt.Errorf("%q: the registry has not answered within %s", ref, digestWithin)
	}
	if err != nil {
		return "", fmt.Errorf("%q: %w", ref, err)
	}
	return d, nil
}

// resolveAll asks for every reference, some at a time, and joins what failed.
func resolveAll(
	ctx context.Context, refs []string, ask func(context.Context, string) (digest.Digest, error),
) (map[string]digest.Digest, error) {
	found := make([]digest.Digest, len(refs))
	failed := make([]error, len(refs))
	var g errgroup.Group
	g.SetLimit(questionsAtATime)
	for i, ref := range refs {
		g.Go(func() error {
			found[i], failed[i] = ask(ctx, ref)
			return nil // the others' errors are worth knowing too
		})
	}
	_ = g.Wait()
	if err := errors.Join(failed...); err != nil {
		return nil, err
	}
	digests := make(map[string]digest.Digest, len(refs))
	for i, ref := range refs {
		digests[ref] = found[i]
	}
	return digests, nil
}

// alive says whether the builder is still there.
func (b Builder) alive(ctx context.Context) bool {
	within, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	_, err := b.Client.ListWorkers(within)
	return err == nil
}

// withoutWrapping drops what gRPC and the gateway put before the cause.
func withoutWrapping(err error) error {
	text := err.Error()
	for _, prefix := range []string{"failed to run Build function: ", "failed to solve: "} {
		text = strings.ReplaceAll(text, prefix, "")
	}
	return errors.New(text)
}
