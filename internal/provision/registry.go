package provision

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/25eloquence/compose-mage/internal/bases"
	"github.com/25eloquence/compose-mage/internal/daemon"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/registry"
	"github.com/25eloquence/compose-mage/internal/state"
)

// PortVariable is the environment variable that names the first port tried for the local registry; 5000 otherwise.
const PortVariable = "COMPOSE_MAGE_REGISTRY_PORT"

// registryAddress gives the host:port of the local registry: the one it had before, else the first from 5000 on at
// which nothing listens. What setup did not start is passed over and named, whatever it answers: other users of the
// machine can listen there too.
func (s *setup) registryAddress(ctx context.Context) (addr string, err error) {
	first := 5000
	if v := os.Getenv(PortVariable); v != "" {
		if first, err = strconv.Atoi(v); err != nil {
			return "", fault.New(fault.Config, "unset "+PortVariable, "reading %s=%q: not a port", PortVariable, v)
		}
	}
	addresses := make([]string, 0, registryPorts+1)
	if s.state.Registry != "" {
		addresses = append(addresses, s.state.Registry)
	}
	for port := first; port < first+registryPorts; port++ {
		if addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port)); addr != s.state.Registry {
			addresses = append(addresses, addr)
		}
	}
	for _, addr := range addresses {
		if s.registryReady(addr)(ctx) == nil {
			return addr, nil
		}
		p, up := s.registryDaemon(addr).Running(s)
		if up && p.Address == addr || free(addr) {
			return addr, nil
		}
		s.taken = append(s.taken, addr)
	}
	return "", fault.New(fault.Resources, "ss -ltnp", "finding a port for the local registry: %d to %d are taken",
		first, first+registryPorts-1)
}

// registryPorts is how many ports are tried.
const registryPorts = 50

// free says whether nothing listens at addr.
func free(addr string) bool {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return false
	}
	return l.Close() == nil
}

// registryReady asks the registry for its API version, and knows it by its certificate.
func (s *setup) registryReady(addr string) func(context.Context) error {
	return registry.Open(s.dir, addr).Answers
}

// registryConfig is registry.yaml: only who has a certificate that the registry's CA signed is listened to.
func (s *setup) registryConfig(addr string) string {
	keys := registry.IdentityIn(s.dir)
	return fmt.Sprintf(`# Written by setup.
version: 0.1
log: {level: warn, accesslog: {disabled: true}}
storage:
  filesystem: {rootdirectory: %q}
  delete: {enabled: true}
http:
  addr: %q
  tls: {certificate: %q, key: %q, clientcas: [%q], clientauth: require-and-verify-client-cert}
`, filepath.Join(s.dir, "registry"), addr, keys.ServerCert(), keys.ServerKey(), keys.CA())
}

func (s *setup) registryDaemon(addr string) daemon.Daemon {
	return daemon.Daemon{
		Name: "registry", Args: []string{s.programs.Path("registry"), "serve", filepath.Join(s.dir, "registry.yaml")},
		Env: []string{"OTEL_TRACES_EXPORTER=none"},
		Log: s.logFile("registry"), Address: addr, Config: s.registryConfig(addr) +
			registry.IdentityIn(s.dir).Fingerprint() + s.programs.Stamp,
		Code: fault.Registry, Ready: s.registryReady(addr), Within: 30 * time.Second,
	}
}

// registryRuns looks at the registry that setup started.
func (s *setup) registryRuns(ctx context.Context, f facts) running {
	return s.runs(ctx, s.registryDaemon(f.registry))
}

// ensureRegistry makes the local registry serve, and only to who has its keys.
func (s *setup) ensureRegistry(ctx context.Context, f facts, p plan) error {
	if p.registry == none {
		s.state.Registry = ""
		return s.state.save(s.dir)
	}
	for _, addr := range s.taken {
		s.out.Warn("registry: something that setup did not start listens on %s: not used; the registry is at %s",
			addr, f.registry)
	}
	old, _ := s.state.process("registry")
	made, err := registry.IdentityIn(s.dir).Ensure()
	if err != nil {
		return err
	}
	s.state.Registry = f.registry
	if err := s.state.save(s.dir); err != nil {
		return err
	}
	d := s.registryDaemon(f.registry)
	err = s.daemonStep(ctx, d, fmt.Sprintf("registry: %s", f.registry), func() error {
		if err := os.MkdirAll(filepath.Join(s.dir, "registry"), 0o700); err != nil {
			return fmt.Errorf("making the registry's directory: %w", err)
		}
		return state.WriteIfChanged(filepath.Join(s.dir, "registry.yaml"), []byte(s.registryConfig(f.registry)), 0o600)
	})
	if err == nil && made && old.Name != "" {
		s.out.Info("the registry now answers only who has its keys (%s): before, every user of this machine could "+
			"read and write it",
			filepath.Dir(registry.IdentityIn(s.dir).CA()))
		s.out.Info("what it holds from then stays; where you do not trust those users: go tool mage teardown, rm "+
			"-r %s, go tool mage setup", s.untrusted())
	}
	return err
}

// untrusted is what others may have written while the registry asked nobody for a key.
func (s *setup) untrusted() string {
	return fault.Quote(filepath.Join(s.dir, "registry"), filepath.Join(s.dir, "buildkit"), bases.StateFile(s.dir))
}
