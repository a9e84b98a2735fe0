package doctor

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/finding"
	"github.com/25eloquence/compose-mage/internal/image"
)

// reachTimeout bounds each question to a builder or registry.
const reachTimeout = 5 * time.Second

func checkBuilder(ctx context.Context, in Input) []finding.Finding {
	if in.Builder == "" {
		return []finding.Finding{finding.Fail(fault.Builder, "builder.reach", "go tool mage setup", "there is no builder")}
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
	var c *image.Builder
	var err error
	if address == in.EngineBuilder {
		c, err = image.ConnectEngine(ctx, in.API)
	} else {
		c, err = image.Connect(ctx, address)
	}
	if err != nil {
		first, _, _ := strings.Cut(err.Error(), "\n")
		return finding.Fail(fault.Builder, "builder.reach", "go tool mage setup", "%s", first)
	}
	defer c.Close()
	info, err := c.Info(ctx)
	if err != nil {
		return finding.Fail(fault.Builder, "builder.reach", "go tool mage setup", "the builder at %q does not say what it is: %v", address, err)
	}
	return finding.Good("builder.reach", "builder %s, BuildKit %s", c.Where, strings.TrimPrefix(info.BuildkitVersion.Version, "v"))
}

func checkRegistry(ctx context.Context, in Input) []finding.Finding {
	if in.Registry == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, reachTimeout)
	defer cancel()
	if in.OwnRegistry != nil {
		if err := in.OwnRegistry.Answers(ctx); err != nil {
			return []finding.Finding{finding.Fail(fault.Registry, "registry.reach", "go tool mage setup", "the registry that setup started: %v", err)}
		}
		return []finding.Finding{finding.Good("registry.reach", "registry %s answers, and is the one that setup started", in.Registry)}
	}
	url := registryURL(in.Registry)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return []finding.Finding{finding.Fail(fault.Registry, "registry.reach", "", "the registry's address %q: %v", in.Registry, err)}
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return []finding.Finding{finding.Fail(fault.Registry, "registry.reach", "go tool mage setup", "registry %s does not answer: %v", in.Registry, err)}
	}
	_ = resp.Body.Close()
	return []finding.Finding{registryAnswer(in.Registry, resp.StatusCode)}
}

// hostOf is the registry of an address that may name a place in it, as CACHE_REGISTRY does: ghcr.io of ghcr.io/owner/cache.
func hostOf(address string) string {
	scheme, rest, ok := strings.Cut(address, "://")
	if !ok {
		scheme, rest = "", address
	}
	host, _, _ := strings.Cut(rest, "/")
	if scheme != "" {
		return scheme + "://" + host
	}
	return host
}

// registryURL is the address of the registry's version check. As the engine does, a loopback registry is asked in plain HTTP.
func registryURL(address string) string {
	address = hostOf(address)
	if strings.Contains(address, "://") {
		return address + "/v2/"
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = address
	}
	if ip := net.ParseIP(host); host == "localhost" || (ip != nil && ip.IsLoopback()) {
		return "http://" + address + "/v2/"
	}
	return "https://" + address + "/v2/"
}

// registryAnswer judges the status of /v2/: 200, or 401 where it wants a login first.
func registryAnswer(address string, status int) finding.Finding {
	switch status {
	case http.StatusOK:
		return finding.Good("registry.reach", "registry %s answers", address)
	case http.StatusUnauthorized:
		return finding.Good("registry.reach", "registry %s answers, and wants a login", address)
	}
	return finding.Fail(fault.Registry, "registry.reach", "docker login "+fault.Quote(hostOf(address)), "registry %s answers %s to /v2/", address, strings.TrimSpace(fmt.Sprintf("%d %s", status, http.StatusText(status))))
}
