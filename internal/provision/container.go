package provision

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/fault"
)

// The builder's container and the volume with its cache.
const (
	builderContainer = "compose-mage-buildkit"
	configLabel      = "com.25eloquence.buildkit.configuration"
)

// BuilderImage is what the builder's container runs: the version that tools/go.mod pins.
const BuilderImage = "moby/buildkit:v0.34.2"

// ensureContainer makes the builder's container run: on macOS, on Windows, and where setup is not root.
func (s *setup) ensureContainer(ctx context.Context, f facts, p plan) error {
	address := "docker-container://" + builderContainer
	config, err := s.buildkitdConfig(f, p, "", "")
	if err != nil {
		return err
	}
	want := daemon{args: []string{BuilderImage}, env: builderEnv, config: config}.configuration()
	seen, err := s.engine.ContainerInspect(ctx, builderContainer, client.ContainerInspectOptions{})
	if err != nil && !errdefs.IsNotFound(err) {
		return fault.New(fault.Engine, "docker ps -a", "looking for the builder's container: %w", err)
	}
	exists := err == nil
	current := exists && seen.Container.Config != nil && seen.Container.Config.Labels[configLabel] == want
	s.state.Builder, s.state.Container = address, builderContainer
	if current && builderReady(address)(ctx) == nil {
		s.out.Done("builder: container %s (already there)", builderContainer)
		return nil
	}
	return s.out.Step(ctx, "builder: container "+builderContainer, func(ctx context.Context, report func(string)) error {
		if exists && !current {
			if _, err := s.engine.ContainerRemove(ctx, builderContainer, client.ContainerRemoveOptions{Force: true}); err != nil {
				return fault.New(fault.Engine, "docker rm -f "+builderContainer, "replacing the builder's container: %w", err)
			}
		}
		if !current {
			report("pulling " + BuilderImage)
			if err := s.createContainer(ctx, config, want); err != nil {
				return err
			}
		}
		if _, err := s.engine.ContainerStart(ctx, builderContainer, client.ContainerStartOptions{}); err != nil {
			return fault.New(fault.Engine, "docker logs "+builderContainer, "starting the builder's container: %w", err)
		}
		return s.await(ctx, daemon{name: "builder", code: fault.Builder, ready: builderReady(address), within: 30 * time.Second}, nil)
	})
}

// createContainer pulls the image where the engine lacks it and creates the container, its configuration inside. It is
// not started yet.
func (s *setup) createContainer(ctx context.Context, config, label string) error {
	if _, err := s.engine.ImageInspect(ctx, BuilderImage); err != nil {
		resp, err := s.engine.ImagePull(ctx, BuilderImage, client.ImagePullOptions{})
		if err == nil {
			err = resp.Wait(ctx)
		}
		if err != nil {
			return fault.New(fault.Builder, "set BUILDKIT_HOST to a BuildKit that runs, or on Linux run setup as root: it then builds its own",
				"pulling the builder %q: %w", BuilderImage, err)
		}
	}
	_, err := s.engine.ContainerCreate(ctx, client.ContainerCreateOptions{
		Name: builderContainer,
		Config: &container.Config{
			Image: BuilderImage, Cmd: []string{"--config", "/etc/buildkit/buildkitd.toml"}, Env: builderEnv,
			Labels: map[string]string{configLabel: label},
		},
		HostConfig: &container.HostConfig{
			// BuildKit mounts and runs containers of its own.
			Privileged: true, NetworkMode: "host",
			Init:          new(bool),
			RestartPolicy: container.RestartPolicy{Name: container.RestartPolicyUnlessStopped},
			Mounts:        []mount.Mount{{Type: mount.TypeVolume, Source: builderContainer, Target: "/var/lib/buildkit"}},
			LogConfig:     container.LogConfig{Type: "json-file", Config: map[string]string{"max-size": "10m", "max-file": "2"}},
		},
	})
	if err != nil {
		return fault.New(fault.Engine, "docker ps -a", "creating the builder's container: %w", err)
	}
	archive, err := tarFile("etc/buildkit/buildkitd.toml", []byte(config))
	if err != nil {
		return err
	}
	_, err = s.engine.CopyToContainer(ctx, builderContainer, client.CopyToContainerOptions{DestinationPath: "/", Content: archive})
	if err != nil {
		return fault.New(fault.Engine, "docker rm -f "+builderContainer, "configuring the builder's container: %w", err)
	}
	return nil
}

// tarFile is an archive with the folders of path and the file.
func tarFile(path string, data []byte) (*bytes.Buffer, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	headers := []*tar.Header{
		{Name: "etc/buildkit/", Typeflag: tar.TypeDir, Mode: 0o755},
		{Name: path, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(data))},
	}
	for _, h := range headers {
		if err := w.WriteHeader(h); err != nil {
			return nil, fmt.Errorf("archiving %q: %w", path, err)
		}
	}
	if _, err := w.Write(data); err != nil {
		return nil, fmt.Errorf("archiving %q: %w", path, err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("archiving %q: %w", path, err)
	}
	return &b, nil
}
