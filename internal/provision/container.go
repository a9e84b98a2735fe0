package provision

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/bounded"
	"github.com/25eloquence/compose-mage/internal/daemon"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/registry"
)

// The builder's container and the volume with its cache.
const (
	builderContainer = "compose-mage-buildkit"
	configLabel      = "com.25eloquence.buildkit.configuration"
)

// BuilderImage is what the builder's container runs: the version that tools/go.mod pins.
const BuilderImage = "moby/buildkit:v0.34.2"

// wantedContainer is the builder's container as setup would make it.
type wantedContainer struct {
	engine  *engine.Engine
	address string
	config  string // buildkitd.toml
	network string
	label   string // identifies all of it
}

// wantedContainer gives the container that the plan asks for.
func (s *setup) wantedContainer(f facts, p plan) (wantedContainer, error) {
	config, err := s.buildkitdConfig(f, p, "", "", nil)
	network := containerNetwork(f)
	all := daemon.Daemon{
		Args: []string{BuilderImage, network}, Env: builderEnv, Config: config +
			registry.IdentityIn(s.dir).Fingerprint(),
	}
	return wantedContainer{
		engine: s.engine, address: "docker-container://" + builderContainer, config: config, network: network,
		label: all.Configuration(),
	}, err
}

// inspect gives what there is under the container's name. A container that is not there is no error.
func (c wantedContainer) inspect(ctx context.Context) (exists, current bool, err error) {
	seen, err := c.engine.ContainerInspect(ctx, builderContainer, client.ContainerInspectOptions{})
	if errdefs.IsNotFound(err) {
		return false, false, nil
	}
	if err != nil {
		return false, false, fault.New(fault.Engine, "docker ps -a", "looking for the builder's container: %w", err)
	}
	return true, seen.Container.Config != nil && seen.Container.Config.Labels[configLabel] == c.label, nil
}

// runs looks at the container.
func (c wantedContainer) runs(ctx context.Context) running {
	exists, current, err := c.inspect(ctx)
	return running{runs: exists, asWanted: err == nil && current && builderReady(c.address)(ctx) == nil}
}

// ensureContainer makes the builder's container run: on macOS, on Windows, and where setup is not root.
func (s *setup) ensureContainer(ctx context.Context, f facts, p plan) error {
	c, err := s.wantedContainer(f, p)
	if err != nil {
		return err
	}
	if c.network == "host" {
		s.out.Warn("build steps share the machine's network, its loopback included, so build only Dockerfiles that " +
			"you would run: " +
			"the builder is a container that has to reach what is on the loopback")
	}
	exists, current, err := c.inspect(ctx)
	if err != nil {
		return err
	}
	s.state.Builder, s.state.Container = c.address, builderContainer
	if current && builderReady(c.address)(ctx) == nil {
		s.out.Done("builder: container %s (already there)", builderContainer)
		return nil
	}
	return s.out.Step(ctx, "builder: container "+builderContainer,
		func(ctx context.Context, report func(string)) error {
			if exists && !current {
				_, err := s.engine.ContainerRemove(ctx, builderContainer, client.ContainerRemoveOptions{Force: true})
				if err != nil {
					return fault.New(fault.Engine, "docker rm -f "+builderContainer,
						"replacing the builder's container: %w", err)
				}
			}
			if !current {
				report("pulling " + BuilderImage)
				if err := s.createContainer(ctx, p, c); err != nil {
					return err
				}
			}
			if _, err := s.engine.ContainerStart(ctx, builderContainer, client.ContainerStartOptions{}); err != nil {
				return fault.New(fault.Engine, "docker logs "+builderContainer,
					"starting the builder's container: %w", err)
			}
			ready := daemon.Daemon{
				Name: "builder", Code: fault.Builder, Ready: builderReady(c.address),
				Within: 30 * time.Second,
			}
			return ready.Await(ctx)
		})
}

// containerKeys is where the builder's container has its keys to the local registry.
var containerKeys = registry.IdentityAt("/etc/buildkit/registry-keys")

// containerNetwork is the network of the builder's container, which build steps share. On Linux it is the host's, for
// registries and proxies on the loopback; elsewhere the container's own, unless the build cache is in a registry on the
// virtual machine's loopback.
func containerNetwork(f facts) string {
	if f.os != "linux" && (f.cacheRegistry == "" || !onLoopback("http://"+f.cacheRegistry)) {
		return "default"
	}
	return "host"
}

// pullBuilder pulls the builder's image where the engine lacks it.
func (s *setup) pullBuilder(ctx context.Context) error {
	if _, err := s.engine.ImageInspect(ctx, BuilderImage); err == nil {
		return nil
	}
	resp, err := s.engine.ImagePull(ctx, BuilderImage, client.ImagePullOptions{})
	if err == nil {
		err = resp.Wait(ctx)
	}
	if err != nil {
		return fault.New(fault.Builder,
			"set BUILDKIT_HOST to a BuildKit that runs, or on Linux run setup as root: it then builds its own",
			"pulling the builder %q: %w", BuilderImage, err)
	}
	return nil
}

// createContainer pulls the image where the engine lacks it and creates the container, its configuration inside. It is
// not started yet.
func (s *setup) createContainer(ctx context.Context, p plan, wanted wantedContainer) error {
	if err := s.pullBuilder(ctx); err != nil {
		return err
	}
	_, err := s.engine.ContainerCreate(ctx, client.ContainerCreateOptions{
		Name: builderContainer,
		Config: &container.Config{
			Image: BuilderImage, Cmd: []string{"--config", "/etc/buildkit/buildkitd.toml"}, Env: builderEnv,
			Labels: map[string]string{configLabel: wanted.label},
		},
		HostConfig: &container.HostConfig{
			// BuildKit mounts and runs containers of its own.
			Privileged: true, NetworkMode: container.NetworkMode(wanted.network),
			Init:          new(bool),
			RestartPolicy: container.RestartPolicy{Name: container.RestartPolicyUnlessStopped},
			Mounts: []mount.Mount{{
				Type: mount.TypeVolume, Source: builderContainer,
				Target: "/var/lib/buildkit",
			}},
			LogConfig: container.LogConfig{
				Type:   "json-file",
				Config: map[string]string{"max-size": "10m", "max-file": "2"},
			},
		},
	})
	if err != nil {
		return fault.New(fault.Engine, "docker ps -a", "creating the builder's container: %w", err)
	}
	files := map[string][]byte{"etc/buildkit/buildkitd.toml": []byte(wanted.config)}
	if p.registry != none {
		mine := registry.IdentityIn(s.dir)
		for from, to := range map[string]string{
			mine.CA(): containerKeys.CA(), mine.ClientCert(): containerKeys.ClientCert(),
			mine.ClientKey(): containerKeys.ClientKey(),
		} {
			data, err := bounded.ReadFile(from)
			if err != nil {
				return fmt.Errorf("giving the builder's container the registry's keys: %w", err)
			}
			files[strings.TrimPrefix(to, "/")] = data
		}
	}
	archive, err := tarFiles(files)
	if err != nil {
		return err
	}
	_, err = s.engine.CopyToContainer(ctx, builderContainer,
		client.CopyToContainerOptions{DestinationPath: "/", Content: archive})
	if err != nil {
		return fault.New(fault.Engine, "docker rm -f "+builderContainer, "configuring the builder's container: %w", err)
	}
	return nil
}

// tarFiles is an archive with the files, which are root's alone, and their folders.
func tarFiles(files map[string][]byte) (*bytes.Buffer, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	made := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if dir := path.Dir(name) + "/"; !made[dir] {
			made[dir] = true
			if err := w.WriteHeader(&tar.Header{Name: dir, Typeflag: tar.TypeDir, Mode: 0o755}); err != nil {
				return nil, fmt.Errorf("archiving %q: %w", dir, err)
			}
		}
		data := files[name]
		err := w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o600, Size: int64(len(data))})
		if err == nil {
			_, err = w.Write(data)
		}
		if err != nil {
			return nil, fmt.Errorf("archiving %q: %w", name, err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("archiving the builder's files: %w", err)
	}
	return &b, nil
}
