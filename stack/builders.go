package stack

import (
	"context"
	"os"
	"strings"

	"github.com/moby/buildkit/client"

	"github.com/25eloquence/compose-mage/internal/builder"
	"github.com/25eloquence/compose-mage/internal/provision"
)

// BuilderVariable names the builders, separated by commas, in place of the one that setup made.
const BuilderVariable = "BUILDKIT_HOST"

// Builder is the address of the BuildKit that builds: what BUILDKIT_HOST says, or the builder that setup made; ""
// for none.
func (s *Stack) Builder() string {
	if host := os.Getenv(BuilderVariable); host != "" {
		return host
	}
	return s.setup.Builder
}

// connectBuilders dials the builders, or the engine's own where setup found it to do. Of several, those that do not
// answer are left out with a warning; that none does is an error.
func (s *Stack) connectBuilders(ctx context.Context) ([]*builder.Builder, error) {
	var builders []*builder.Builder
	var failed error
	for address := range strings.SplitSeq(s.Builder(), ",") {
		var b *builder.Builder
		var err error
		if address = strings.TrimSpace(address); address == provision.EngineBuilder {
			b, err = builder.ConnectEngine(ctx, s.engine)
		} else {
			b, err = builder.Connect(ctx, address)
		}
		if err == nil {
			builders = append(builders, b)
			continue
		}
		if failed != nil {
			s.out.Warn("%v", failed)
		}
		failed = err
	}
	if len(builders) == 0 {
		return nil, failed
	}
	if failed != nil {
		s.out.Warn("%v", failed)
	}
	return builders, nil
}

func closeBuilders(builders []*builder.Builder) {
	for _, b := range builders {
		_ = b.Close()
	}
}

// otherBuilders connects to the builders other than the engine's own, whose cache the engine counts as its own. A
// builder that is gone has no cache worth failing for; a build says what is wrong with it.
func (s *Stack) otherBuilders(ctx context.Context) (clients []*client.Client, closeAll func()) {
	closeAll = func() {}
	if s.Builder() == "" {
		return nil, closeAll
	}
	builders, err := s.connectBuilders(ctx)
	if err != nil {
		return nil, closeAll
	}
	for _, b := range builders {
		if !b.Native {
			clients = append(clients, b.Client)
		}
	}
	return clients, func() { closeBuilders(builders) }
}
