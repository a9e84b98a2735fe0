package provision

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/moby/buildkit/client"

	"github.com/25eloquence/compose-mage/internal/builder"
	"github.com/25eloquence/compose-mage/internal/daemon"
	"github.com/25eloquence/compose-mage/internal/diskspace"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/registry"
	"github.com/25eloquence/compose-mage/internal/state"
	"github.com/25eloquence/compose-mage/internal/stepnet"
)

// ensureBuilder makes the plan's builder answer and notes its address.
func (s *setup) ensureBuilder(ctx context.Context, f facts, p plan) (err error) {
	switch p.builder {
	case byHost:
		if err := anyAnswers(ctx, f.buildkitHost); err != nil {
			return fault.New(fault.Builder, "unset BUILDKIT_HOST, or start that builder",
				"connecting to BUILDKIT_HOST=%q: %w", f.buildkitHost, err)
		}
		s.state.Builder = f.buildkitHost
		s.out.Done("builder: %s (BUILDKIT_HOST)", f.buildkitHost)
	case byEngine:
		s.state.Builder = EngineBuilder
		s.out.Done("builder: the engine's own BuildKit (its store is containerd's)")
	case byProcess:
		err = s.ensureBuildkitd(ctx, f, p)
	case byContainer:
		err = s.ensureContainer(ctx, f, p)
	}
	if err != nil {
		return err
	}
	return s.state.save(s.dir)
}

// anyAnswers says whether one of the builders of a list, separated by commas, will do: the build goes on without the
// others.
func anyAnswers(ctx context.Context, addresses string) error {
	var failed []error
	for address := range strings.SplitSeq(addresses, ",") {
		b, err := builder.Connect(ctx, strings.TrimSpace(address))
		if err == nil {
			return b.Close()
		}
		failed = append(failed, err)
	}
	return errors.Join(failed...)
}

// builderReady asks BuildKit for its workers: an answer means that it can build.
func builderReady(address string) func(context.Context) error {
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		c, err := client.New(ctx, address)
		if err != nil {
			return fmt.Errorf("connecting to BuildKit: %w", err)
		}
		defer c.Close()
		workers, err := c.ListWorkers(ctx)
		if err != nil {
			return fmt.Errorf("asking BuildKit for its workers: %w", err)
		}
		if len(workers) == 0 {
			return fmt.Errorf("asking BuildKit at %q for its workers: it has none", address)
		}
		return nil
	}
}

// ensureBuildkitd makes our own buildkitd run as a detached daemon beside the distribution's runc, with a network of
// its steps' own where the machine can have one.
func (s *setup) ensureBuildkitd(ctx context.Context, f facts, p plan) error {
	socket := s.socket()
	if len(socket) > 100 {
		return fault.New(fault.Config, state.Variable+"=/var/lib/compose-mage go tool mage setup",
			"starting the builder: the path of its socket is longer than the kernel allows: %q", socket)
	}
	runc := daemon.LookPath("runc")
	if runc == "" {
		return fault.New(fault.Builder, "apt-get install runc", "starting the builder: no runc on this machine")
	}
	s.state.Builder = "unix://" + socket
	network, err := s.stepNetwork(ctx)
	if err == nil {
		err = s.startBuildkitd(ctx, f, p, runc, &network)
		if err == nil {
			err = network.Open()
		}
	}
	if err == nil {
		s.state.Network = &network
		s.out.Done("build steps: a network of their own (%s), without this machine's loopback%s", network.Subnet,
			proxySentence(network))
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	s.out.Warn("build steps share this machine's network, its loopback included, so build only Dockerfiles that "+
		"you would run: %s", firstLine(err))
	s.state.Network = nil
	return errors.Join(s.startBuildkitd(ctx, f, p, runc, nil), network.Remove(ctx))
}

// startBuildkitd makes buildkitd run, its steps in the network; nil for the host's.
func (s *setup) startBuildkitd(ctx context.Context, f facts, p plan, runc string, network *stepnet.Network) error {
	d, files, err := s.buildkitd(f, p, runc, network)
	if err != nil {
		return err
	}
	return s.daemonStep(ctx, d, "builder: buildkitd at "+s.state.Builder, func() error {
		if err := os.MkdirAll(filepath.Dir(s.socket()), 0o700); err != nil {
			return fmt.Errorf("making the socket's directory: %w", err)
		}
		// Steps that a killed builder had are gone, and their addresses free.
		if err := os.RemoveAll(s.cniLeases()); err != nil {
			return fmt.Errorf("freeing the addresses of build steps: %w", err)
		}
		for path, data := range files {
			if err := state.WriteIfChanged(path, data, 0o600); err != nil {
				return err
			}
		}
		return nil
	})
}

// buildkitd is the builder as a daemon, and its configuration files.
func (s *setup) buildkitd(f facts, p plan, runc string, network *stepnet.Network) (daemon.Daemon, map[string][]byte,
	error,
) {
	config, err := s.buildkitdConfig(f, p, filepath.Join(s.dir, "buildkit"), runc, network)
	if err != nil {
		return daemon.Daemon{}, nil, err
	}
	address := "unix://" + s.socket()
	files := map[string][]byte{s.buildkitdToml(): []byte(config)}
	d := daemon.Daemon{
		Name: "builder", Args: s.buildkitdArgs(), Env: builderEnv, Log: s.logFile("buildkitd"), Address: address,
		Config: config + registry.IdentityIn(s.dir).Fingerprint() + s.programs.Stamp,
		Code:   fault.Builder, Ready: builderReady(address), Within: 30 * time.Second,
		Caged: true, // a kill left build steps running, and their file systems mounted
	}
	if network != nil {
		cni, err := network.CNI(s.cniLeases(), stepnet.MTU())
		if err != nil {
			return d, nil, fmt.Errorf("configuring the network of build steps: %w", err)
		}
		d.Config += string(cni)
		files[s.cniConfig()] = cni
	}
	return d, files, nil
}

// builderRuns looks at a builder of setup's own.
func (s *setup) builderRuns(ctx context.Context, f facts, p plan) running {
	switch p.builder {
	case byContainer:
		c, err := s.wantedContainer(f, p)
		if err != nil || s.engine == nil {
			return running{}
		}
		return c.runs(ctx)
	case byProcess:
		var network *stepnet.Network // none where the last setup found that this machine can't have one
		if n, err := s.chooseNetwork(); err == nil && s.state.Network != nil {
			network = &n
		}
		d, _, err := s.buildkitd(f, p, daemon.LookPath("runc"), network)
		if err != nil {
			return running{}
		}
		return s.runs(ctx, d)
	}
	return running{}
}

// runs looks at a daemon.
func (s *setup) runs(ctx context.Context, d daemon.Daemon) running {
	if _, ok := d.Current(ctx, s); ok {
		return running{runs: true, asWanted: true}
	}
	_, ok := d.Running(s)
	return running{runs: ok}
}

// builderEnv has buildkitd collect its garbage at five times what it holds instead of at twice: 80 unchanged images
// took 12 % less (14 pairs), for some 100 MiB of memory.
var builderEnv = []string{"GOGC=400"}

func (s *setup) socket() string { return filepath.Join(s.dir, "run", "buildkitd.sock") }

func (s *setup) buildkitdToml() string { return filepath.Join(s.dir, "buildkitd.toml") }

func (s *setup) buildkitdArgs() []string {
	return []string{s.programs.Path("buildkitd"), "--config", s.buildkitdToml(), "--addr", "unix://" + s.socket()}
}

// buildkitdConfig is buildkitd.toml. root and runc are empty in a container, which has its own; without a network
// steps share the builder's.
func (s *setup) buildkitdConfig(f facts, p plan, root, runc string, network *stepnet.Network) (string, error) {
	var b strings.Builder
	// As buildx makes its builders: who asks for the host's network in a build is given it. security.insecure is not,
	// as by default nowhere.
	b.WriteString("# Written by setup.\ninsecure-entitlements = [\"network.host\"]\n")
	if root != "" {
		fmt.Fprintf(&b, "root = %q\n", root)
	}
	budget, err := s.cacheBudget()
	if err != nil {
		return "", err
	}
	b.WriteString("\n[worker.oci]\n  enabled = true\n  gc = true\n")
	if network != nil {
		fmt.Fprintf(&b, "  networkMode = \"cni\"\n  cniConfigPath = %q\n  cniBinaryPath = %q\n  cniPoolSize = %d\n",
			s.cniConfig(), filepath.Dir(s.programs.Path("bridge")), cniPool)
	} else {
		b.WriteString("  networkMode = \"host\"\n")
	}
	if runc != "" {
		fmt.Fprintf(&b, "  binary = %q\n", runc)
	}
	// One policy for all of the cache, mounts included: least recently used goes first once it is over the budget.
	fmt.Fprintf(&b,
		"  [[worker.oci.gcpolicy]]\n    all = true\n    reservedSpace = \"2GB\"\n    maxUsedSpace = \"%dMB\"\n    "+
			"minFreeSpace = \"5%%\"\n",
		budget>>20)
	b.WriteString("\n[worker.containerd]\n  enabled = false\n")
	if s.mirror != "" {
		b.WriteString(mirrorToml(s.mirror))
	}
	if p.registry != none {
		keys := registry.IdentityIn(s.dir)
		if root == "" {
			keys = containerKeys
		}
		b.WriteString(registryToml(f.registry, keys))
		if !f.hub {
			b.WriteString(mirrorToml(f.registry))
		}
	}
	return b.String(), nil
}

// registryToml has the builder know the local registry by its certificate, and show its own. Without http = false it
// would speak plain HTTP to every registry on the loopback.
func registryToml(address string, keys registry.Identity) string {
	return fmt.Sprintf("\n[registry.%q]\n  http = false\n  insecure = false\n  ca = [%q]\n  "+
		"[[registry.%q.keypair]]\n    cert = %q\n    key = %q\n",
		address, keys.CA(), address, keys.ClientCert(), keys.ClientKey())
}

// mirrorToml makes a registry Docker Hub's mirror.
func mirrorToml(mirror string) string {
	host := mirror
	if u, err := url.Parse(mirror); err == nil && u.Host != "" {
		host = u.Host
	}
	text := fmt.Sprintf("\n[registry.\"docker.io\"]\n  mirrors = [%q]\n", host)
	if strings.HasPrefix(mirror, "http://") {
		text += fmt.Sprintf("\n[registry.%q]\n  http = true\n", host)
	}
	return text
}

// cacheBudget is what the build cache may take, in bytes: 20 GiB, or a fifth of the disk where that is less.
func (s *setup) cacheBudget() (int64, error) {
	disk, err := diskspace.Of(s.dir)
	if err != nil {
		return 0, fmt.Errorf("measuring the disk: %w", err)
	}
	return min(20<<30, disk.Total/5), nil
}

// checkDisk fails where less than smallest is free: a build that fills the disk takes the engine with it.
func (s *setup) checkDisk(smallest int64) error {
	disk, err := diskspace.Of(s.dir)
	if err != nil {
		return fmt.Errorf("measuring the disk: %w", err)
	}
	if disk.Free < smallest {
		return fault.New(fault.Resources, "free some space, or name a directory on another disk in "+state.Variable,
			"setting up in %q: %.1f GiB are free there and %.0f are needed", s.dir,
			float64(disk.Free)/(1<<30), float64(smallest)/(1<<30))
	}
	return nil
}
