package bases

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/docker/cli/cli/config"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/auth/authprovider"
	"github.com/opencontainers/go-digest"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// answerWithin is how long a registry may take to give one digest.
const answerWithin = 45 * time.Second

// Builder is a Resolver that asks through BuildKit: with the builder's own mirrors and settings, and with the
// credentials of the user's Docker configuration and its helpers. So the digests are those that a build would get.
type Builder struct{ Client *client.Client }

// Resolve asks the registries, never the builder's own store. Errors are of code Registry, or Builder where that went
// away.
func (b Builder) Resolve(ctx context.Context, refs []string) (map[string]digest.Digest, error) {
	var digests map[string]digest.Digest
	opt := client.SolveOpt{Session: []session.Attachable{authprovider.NewDockerAuthProvider(authprovider.DockerAuthProviderConfig{
		AuthConfigProvider: authprovider.LoadAuthConfig(config.LoadDefaultConfigFile(ui.New(os.Stderr).Writer())),
	})}}
	_, err := b.Client.Build(ctx, opt, "", func(ctx context.Context, c gateway.Client) (*gateway.Result, error) {
		var err error
		digests, err = resolveAll(ctx, refs, func(ctx context.Context, ref string) (digest.Digest, error) {
			return resolveOne(ctx, c, ref)
		})
		return gateway.NewResult(), err
	}, nil)
	switch {
	case err == nil:
		return digests, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case fault.BuilderLost(err) && !b.answers(ctx): // a registry that is not available may have the same code
		return nil, fault.New(fault.Builder, "go tool mage setup", "asking the builder for digests: %w", err)
	}
	return nil, fault.New(fault.Registry, "docker login where the registry wants a name, or try again where it is away",
		"asking for digests: %w", plain(err))
}

func resolveOne(ctx context.Context, c gateway.Client, ref string) (digest.Digest, error) {
	full, err := normalize(ref)
	if err != nil {
		return "", fmt.Errorf("reading the reference %q: %w", ref, err)
	}
	within, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	_, d, _, err := c.ResolveImageConfig(within, full, sourceresolver.Opt{
		LogName:  "digest of " + ref,
		ImageOpt: &sourceresolver.ResolveImageOpt{ResolveMode: "pull"},
	})
	if err != nil && ctx.Err() == nil && within.Err() != nil {
		return "", fmt.Errorf("%q: the registry has not answered within %s", ref, answerWithin)
	}
	if err != nil {
		return "", fmt.Errorf("%q: %w", ref, err)
	}
	return d, nil
}

// answers says whether the builder is still there.
func (b Builder) answers(ctx context.Context) bool {
	within, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	_, err := b.Client.ListWorkers(within)
	return err == nil
}

// plain drops what gRPC and the gateway put before the cause.
func plain(err error) error {
	text := err.Error()
	for _, prefix := range []string{"failed to run Build function: ", "failed to solve: "} {
		text = strings.ReplaceAll(text, prefix, "")
	}
	return errors.New(text)
}
