package provision

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/state"
)

// PortVariable is the environment variable that names the first port tried for the local registry; 5000 otherwise.
const PortVariable = "COMPOSE_MAGE_REGISTRY_PORT"

// registryAddress gives the host:port of the local registry, and whether one answers there: the port it had before,
// else the first from 5000 on at which a registry answers or nothing listens.
func (s *setup) registryAddress(ctx context.Context) (addr string, answering bool, err error) {
	if addr := s.state.Registry; addr != "" {
		if registryReady(addr)(ctx) == nil {
			return addr, true, nil
		}
		if _, up := s.running(s.registryDaemon(addr)); up || free(addr) {
			return addr, false, nil
		}
	}
	first := 5000
	if v := os.Getenv(PortVariable); v != "" {
		if first, err = strconv.Atoi(v); err != nil {
			return "", false, fault.New(fault.Config, "unset "+PortVariable, "reading %s=%q: not a port", PortVariable, v)
		}
	}
	for port := first; port < first+50; port++ {
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		if registryReady(addr)(ctx) == nil {
			return addr, true, nil
		}
		if _, up := s.running(s.registryDaemon(addr)); up || free(addr) {
			return addr, false, nil
		}
	}
	return "", false, fault.New(fault.Resources, "ss -ltnp", "finding a port for the local registry: %d to %d are taken", first, first+49)
}

// free says whether nothing listens at addr.
func free(addr string) bool {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return false
	}
	return l.Close() == nil
}

// registryReady asks a registry for its API version. Port 5000 is popular, so the answer must be a registry's.
func registryReady(addr string) func(context.Context) error {
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/v2/", nil)
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK || resp.Header.Get("Docker-Distribution-Api-Version") == "" {
			return fmt.Errorf("asking %s: %s, and it is no registry's", addr, resp.Status)
		}
		return nil
	}
}

func (s *setup) registryConfig(addr string) string {
	return fmt.Sprintf(`# Written by setup.
version: 0.1
log: {level: warn, accesslog: {disabled: true}}
storage:
  filesystem: {rootdirectory: %q}
  delete: {enabled: true}
http: {addr: %q}
`, filepath.Join(s.dir, "registry"), addr)
}

func (s *setup) registryDaemon(addr string) daemon {
	return daemon{
		name: "registry", args: []string{s.bin("registry"), "serve", filepath.Join(s.dir, "registry.yaml")},
		env: []string{"OTEL_TRACES_EXPORTER=none"},
		log: s.logFile("registry"), address: addr, config: s.registryConfig(addr) + s.stamp,
		code: fault.Registry, ready: registryReady(addr), within: 30 * time.Second,
	}
}

// ensureRegistry makes the local registry serve.
func (s *setup) ensureRegistry(ctx context.Context, f facts, p plan) error {
	if p.registry == none {
		s.state.Registry = ""
		return s.state.save(s.dir)
	}
	s.state.Registry = f.registry
	if err := s.state.save(s.dir); err != nil {
		return err
	}
	if p.registry == found {
		s.out.Done("registry: %s (already there, not started by setup)", f.registry)
		return nil
	}
	d := s.registryDaemon(f.registry)
	return s.daemonStep(ctx, d, fmt.Sprintf("registry: %s", f.registry), func() error {
		if err := os.MkdirAll(filepath.Join(s.dir, "registry"), 0o700); err != nil {
			return fmt.Errorf("making the registry's directory: %w", err)
		}
		return state.WriteIfChanged(filepath.Join(s.dir, "registry.yaml"), []byte(s.registryConfig(f.registry)), 0o600)
	})
}

// hasImage asks the registry for an image of Docker Hub's by its familiar name, "debian:bookworm-slim".
func hasImage(ctx context.Context, addr, name string) bool {
	digest, err := imageDigest(ctx, addr, name)
	return err == nil && digest != ""
}

// imageDigest gives the digest of the image's manifest in the registry, "" where it lacks the image.
func imageDigest(ctx context.Context, addr, name string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	repository, tag, _ := strings.Cut(name, ":")
	u := url.URL{Scheme: "http", Host: addr, Path: "/v2/library/" + repository + "/manifests/" + tag}
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, u.String(), nil)
	if err != nil {
		return "", err
	}
	for _, t := range []string{
		"application/vnd.oci.image.index.v1+json", "application/vnd.oci.image.manifest.v1+json",
		"application/vnd.docker.distribution.manifest.list.v2+json", "application/vnd.docker.distribution.manifest.v2+json",
	} {
		req.Header.Add("Accept", t)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", fmt.Errorf("asking the registry for %q: %w", name, err)
	}
	_ = resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
		return resp.Header.Get("Docker-Content-Digest"), nil
	case http.StatusNotFound:
		return "", nil
	}
	return "", fmt.Errorf("asking the registry for %q: %s", name, resp.Status)
}

// storedImage looks for an image in the files of a registry that is down.
func (s *setup) storedImage(name string) bool {
	repository, tag, _ := strings.Cut(name, ":")
	_, err := os.Stat(filepath.Join(s.dir, "registry/docker/registry/v2/repositories/library", repository,
		"_manifests/tags", tag, "current/link"))
	return err == nil
}
