package doctor

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/25eloquence/compose-mage/internal/builder"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/finding"
	"github.com/25eloquence/compose-mage/internal/registry"
)

// reachTimeout bounds each question to a builder or registry.
const reachTimeout = 5 * time.Second

// buildsNothing says that no service has a build section: neither a builder nor its cache is of use then.
func (in Input) buildsNothing() bool {
	if in.Project == nil {
		return false
	}
	for _, s := range in.Project.Services {
		if s.Build != nil {
			return false
		}
	}
	return true
}

func checkBuilder(ctx context.Context, in Input) []finding.Finding {
	if in.buildsNothing() {
		return nil
	}
	if in.Builder == "" {
		return []finding.Finding{
			finding.Fail(fault.Builder, "builder.reach", "go tool mage setup", "there is no builder"),
		}
	}
	var results []finding.Finding
	for address := range strings.SplitSeq(in.Builder, ",") {
		results = append(results, reachBuilder(ctx, in, strings.TrimSpace(address)))
	}
	return results
}

func reachBuilder(ctx context.Context, in Input, address string) finding.Finding {
	ctx, cancel := context.WithTimeout(ctx, reachTimeout)
	defer cancel()
	var c *builder.Builder
	var err error
	if address == in.EngineBuilder {
		c, err = builder.ConnectEngine(ctx, in.API)
	} else {
		c, err = builder.Connect(ctx, address)
	}
	if err != nil {
		first, _, _ := strings.Cut(err.Error(), "\n")
		return finding.Fail(fault.Builder, "builder.reach", "go tool mage setup", "%s", first)
	}
	defer c.Close()
	info, err := c.Info(ctx)
	if err != nil {
		return finding.Fail(fault.Builder, "builder.reach", "go tool mage setup",
			"the builder at %q does not say what it is: %v", address, err)
	}
	return finding.Good("builder.reach", "builder %s, BuildKit %s", c.Where,
		strings.TrimPrefix(info.BuildkitVersion.Version, "v"))
}

func checkRegistry(ctx context.Context, in Input) []finding.Finding {
	if in.Registry == "" || in.buildsNothing() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, reachTimeout)
	defer cancel()
	if in.OwnRegistry != nil {
		if err := in.OwnRegistry.Answers(ctx); err != nil {
			return []finding.Finding{
				finding.Fail(fault.Registry, "registry.reach", "go tool mage setup",
					"the registry that setup started: %v", err),
			}
		}
		return []finding.Finding{
			finding.Good("registry.reach", "registry %s answers, and is the one that setup started", in.Registry),
		}
	}
	status, err := registry.Status(ctx, in.Registry)
	if err != nil {
		return []finding.Finding{
			finding.Fail(fault.Registry, "registry.reach", "go tool mage setup", "registry %s does not answer: %v",
				in.Registry, err),
		}
	}
	return []finding.Finding{registryAnswer(in.Registry, status)}
}

// registryAnswer judges the status of /v2/: 200, 401 where the registry wants a login first, or a redirection.
func registryAnswer(address string, status int) finding.Finding {
	switch {
	case status == http.StatusOK, status >= 300 && status < 400:
		return finding.Good("registry.reach", "registry %s answers", address)
	case status == http.StatusUnauthorized:
		return finding.Good("registry.reach", "registry %s answers, and wants a login", address)
	}
	return finding.Fail(fault.Registry, "registry.reach", "docker login "+fault.Quote(registry.Host(address)),
		"registry %s answers %s to /v2/", address, strings.TrimSpace(fmt.Sprintf("%d %s", status,
			http.StatusText(status))))
}
