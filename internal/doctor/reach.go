package doctor

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/image"
)

// reachTimeout bounds each question to a builder or registry.
const reachTimeout = 5 * time.Second

func checkBuilder(ctx context.Context, in Input) []Result {
	if in.Builder == "" {
		return []Result{fail(fault.Builder, "go tool mage setup", "there is no builder")}
	}
	var results []Result
	for address := range strings.SplitSeq(in.Builder, ",") {
		results = append(results, reachBuilder(ctx, in, strings.TrimSpace(address)))
	}
	return results
}

func reachBuilder(ctx context.Context, in Input, address string) Result {
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
		return fail(fault.Builder, "go tool mage setup", "%s", first)
	}
	defer c.Close()
	info, err := c.Info(ctx)
	if err != nil {
		return fail(fault.Builder, "go tool mage setup", "the builder at %q does not say what it is: %v", address, err)
	}
	return pass("builder %s, BuildKit %s", c.Where, strings.TrimPrefix(info.BuildkitVersion.Version, "v"))
}

func checkRegistry(ctx context.Context, in Input) []Result {
	if in.Registry == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, reachTimeout)
	defer cancel()
	url := registryURL(in.Registry)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return []Result{fail(fault.Registry, "", "the registry's address %q: %v", in.Registry, err)}
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return []Result{fail(fault.Registry, "go tool mage setup", "registry %s does not answer: %v", in.Registry, err)}
	}
	_ = resp.Body.Close()
	return []Result{registryAnswer(in.Registry, resp.StatusCode)}
}

// registryURL is the address of the registry's version check. As the engine does, a loopback registry is asked in plain HTTP.
func registryURL(address string) string {
	if strings.Contains(address, "://") {
		return strings.TrimSuffix(address, "/") + "/v2/"
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
func registryAnswer(address string, status int) Result {
	switch status {
	case http.StatusOK:
		return pass("registry %s answers", address)
	case http.StatusUnauthorized:
		return pass("registry %s answers, and wants a login", address)
	}
	return fail(fault.Registry, "docker login "+address, "registry %s answers %s to /v2/", address, strings.TrimSpace(fmt.Sprintf("%d %s", status, http.StatusText(status))))
}
