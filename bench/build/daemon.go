package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/25eloquence/compose-mage/bench/internal/rig"
	"github.com/25eloquence/compose-mage/internal/pinned"
)

// startBuildkitd starts a builder as setup does, with a cache of its own, and gives its address.
func (b *bench) startBuildkitd(ctx context.Context) (string, error) {
	paths, err := pinned.Build(ctx, "buildkitd")
	if err != nil {
		return "", err
	}
	runc, err := exec.LookPath("runc")
	if err != nil {
		return "", fmt.Errorf("starting a builder: %w", err)
	}
	socket, config := filepath.Join(b.work, "b.sock"), filepath.Join(b.work, "buildkitd.toml")
	text := fmt.Sprintf(`root = %q
[worker.oci]
  enabled = true
  networkMode = "host"
  binary = %q
[worker.containerd]
  enabled = false
[registry.%q]
  http = true
[registry."docker.io"]
  mirrors = [%[3]q]
`, filepath.Join(b.work, "buildkit"), runc, b.registry)
	if b.cache.Address != b.registry {
		text += fmt.Sprintf("[registry.%q]\n  http = true\n", b.cache.Address)
	}
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return "", fmt.Errorf("configuring a builder: %w", err)
	}
	d := &rig.Daemon{
		Args:    []string{paths[0], "--config", config, "--addr", "unix://" + socket},
		Log:     filepath.Join(b.work, "buildkitd.log"),
		Address: socket, Data: filepath.Join(b.work, "buildkit"), Caged: true,
	}
	b.daemons, b.buildkitd = append(b.daemons, d), d
	return "unix://" + socket, d.Start(ctx)
}

// startRegistry starts the registry of the build caches on a free port.
func (b *bench) startRegistry(ctx context.Context, program string) (*rig.Daemon, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("finding a port for the cache registry: %w", err)
	}
	address := l.Addr().String()
	_ = l.Close()
	data, config := filepath.Join(b.work, "registry"), filepath.Join(b.work, "registry.yaml")
	text := fmt.Sprintf("version: 0.1\nlog: {level: warn, accesslog: {disabled: true}}\n"+
		"storage: {filesystem: {rootdirectory: %q}}\nhttp: {addr: %q}\n", data, address)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, fmt.Errorf("configuring the cache registry: %w", err)
	}
	d := &rig.Daemon{
		Args: []string{program, "serve", config}, Env: []string{"OTEL_TRACES_EXPORTER=none"},
		Log: filepath.Join(b.work, "registry.log"), Address: address, Data: data,
	}
	b.daemons = append(b.daemons, d)
	return d, d.Start(ctx)
}

// startEngine starts a current engine and gives its address.
func (b *bench) startEngine(ctx context.Context, root string) (string, error) {
	rig.Say("building and starting a current engine")
	d, host, err := rig.StartEngine(ctx, root, b.work, b.registry, b.cache.Address)
	if d != nil {
		b.daemons = append(b.daemons, d)
	}
	return host, err
}
