package enginetest

import (
	"archive/tar"
	"bytes"
	"context"
	"io"
	"os"
	"syscall"
	"testing"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	// The address of a builder in a container.
	_ "github.com/moby/buildkit/client/connhelper/dockercontainer"

	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/provision"
)

// containerRunner runs the builder's image on the test's engine. Its store is an anonymous volume, which goes with the
// container.
type containerRunner struct {
	t      testing.TB
	name   string
	config string // path of buildkitd.toml
	engine *engine.Engine
}

func (c *containerRunner) start() error {
	if c.engine == nil {
		c.engine = Connect(c.t)
		if err := c.create(); err != nil {
			return err
		}
	}
	_, err := c.engine.ContainerStart(context.Background(), c.name, client.ContainerStartOptions{})
	return err
}

func (c *containerRunner) create() error {
	_, err := c.engine.ContainerCreate(context.Background(), client.ContainerCreateOptions{
		Name: c.name,
		Config: &container.Config{
			Image: provision.BuilderImage, Cmd: []string{"--config", "/etc/buildkit/buildkitd.toml"},
			Volumes: map[string]struct{}{"/var/lib/buildkit": {}},
		},
		// As setup's: BuildKit mounts and runs containers of its own.
		HostConfig: &container.HostConfig{Privileged: true, NetworkMode: "host"},
	})
	if err != nil {
		return err
	}
	data, err := os.ReadFile(c.config)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range []*tar.Header{
		{Name: "etc/buildkit/", Typeflag: tar.TypeDir, Mode: 0o755},
		{Name: "etc/buildkit/buildkitd.toml", Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(data))},
	} {
		if err := w.WriteHeader(h); err != nil {
			return err
		}
	}
	if _, err := w.Write(data); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	_, err = c.engine.CopyToContainer(context.Background(), c.name,
		client.CopyToContainerOptions{DestinationPath: "/", Content: &b})
	return err
}

func (c *containerRunner) end(signal syscall.Signal) {
	if c.engine == nil {
		return
	}
	if signal == syscall.SIGKILL {
		_, _ = c.engine.ContainerKill(context.Background(), c.name, client.ContainerKillOptions{Signal: "KILL"})
		wait := c.engine.ContainerWait(context.Background(), c.name,
			client.ContainerWaitOptions{Condition: container.WaitConditionNotRunning})
		select {
		case <-wait.Result:
		case err := <-wait.Error:
			if err != nil {
				c.t.Errorf("waiting for the end of the builder: %v", err)
			}
		}
		return
	}
	_, _ = c.engine.ContainerStop(context.Background(), c.name, client.ContainerStopOptions{})
}

func (c *containerRunner) remove() {
	if c.engine != nil {
		_, _ = c.engine.ContainerRemove(context.Background(), c.name,
			client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
	}
}

func (c *containerRunner) log() string {
	if c.engine == nil {
		return ""
	}
	logs, err := c.engine.ContainerLogs(context.Background(), c.name,
		client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true, Tail: "40"})
	if err != nil {
		return err.Error()
	}
	defer logs.Close()
	data, _ := io.ReadAll(logs)
	return string(data)
}
