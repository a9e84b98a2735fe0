package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/25eloquence/compose-mage/internal/pinned"
)

// daemon is a process that serves the runs and ends with the bench.
type daemon struct {
	args    []string
	env     []string
	log     string
	address string // host:port, or a socket's path
	data    string // what it stores
	caged   bool   // it starts and mounts things that must end with it
	cmd     *exec.Cmd
	ended   chan struct{}
}

// start starts it and waits until it answers.
func (b *bench) start(ctx context.Context, d *daemon) error {
	log, err := os.OpenFile(d.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("opening a log: %w", err)
	}
	defer log.Close()
	args, attributes := d.args, detached() // Ctrl-C is for us: we stop it when the runs have ended
	if d.caged {
		args, attributes = caged(d.args)
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr, cmd.Env, cmd.SysProcAttr = log, log, append(os.Environ(), d.env...), attributes
	started, ended := make(chan error), make(chan struct{})
	go func() {
		// The kernel ends a caged one when the thread that started it ends, so this one is kept for it.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // how it ended is in its log
			close(ended)
		}
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("starting %s: %w", filepath.Base(d.args[0]), err)
	}
	d.cmd, d.ended = cmd, ended
	network := "tcp"
	if strings.HasPrefix(d.address, "/") {
		network = "unix"
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		if conn, err := net.Dial(network, d.address); err == nil {
			return conn.Close()
		}
		select {
		case <-d.ended:
			return fmt.Errorf("starting %s: it ended at once: %s", filepath.Base(d.args[0]), lastLine(d.log))
		case <-ctx.Done():
			return ctx.Err()
		default:
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("starting %s: it does not answer", filepath.Base(d.args[0]))
		}
	}
}

func (d *daemon) stop() error {
	if d.cmd == nil {
		return nil
	}
	_ = d.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-d.ended:
	case <-time.After(40 * time.Second):
		_ = d.cmd.Process.Kill()
		<-d.ended
		return fmt.Errorf("stopping %s: it had to be killed", filepath.Base(d.args[0]))
	}
	d.cmd = nil
	return nil
}

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
	if b.cache.address != b.registry {
		text += fmt.Sprintf("[registry.%q]\n  http = true\n", b.cache.address)
	}
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return "", fmt.Errorf("configuring a builder: %w", err)
	}
	d := &daemon{
		args: []string{paths[0], "--config", config, "--addr", "unix://" + socket}, log: filepath.Join(b.work, "buildkitd.log"),
		address: socket, data: filepath.Join(b.work, "buildkit"), caged: true,
	}
	b.daemons, b.buildkitd = append(b.daemons, d), d
	return "unix://" + socket, b.start(ctx, d)
}

// startRegistry starts the registry of the build caches on a free port.
func (b *bench) startRegistry(ctx context.Context, program string) (*daemon, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("finding a port for the cache registry: %w", err)
	}
	address := l.Addr().String()
	_ = l.Close()
	data, config := filepath.Join(b.work, "registry"), filepath.Join(b.work, "registry.yaml")
	text := fmt.Sprintf("version: 0.1\nlog: {level: warn, accesslog: {disabled: true}}\nstorage: {filesystem: {rootdirectory: %q}}\nhttp: {addr: %q}\n", data, address)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, fmt.Errorf("configuring the cache registry: %w", err)
	}
	d := &daemon{
		args: []string{program, "serve", config}, env: []string{"OTEL_TRACES_EXPORTER=none"},
		log: filepath.Join(b.work, "registry.log"), address: address, data: data,
	}
	b.daemons = append(b.daemons, d)
	return d, b.start(ctx, d)
}

// empty restarts the daemon without what it stored.
func (b *bench) empty(ctx context.Context, d *daemon) error {
	if err := errors.Join(d.stop(), os.RemoveAll(d.data)); err != nil {
		return fmt.Errorf("emptying %q: %w", filepath.Base(d.data), err)
	}
	return b.start(ctx, d)
}

// startEngine starts a current engine and gives its address.
func (b *bench) startEngine(ctx context.Context, root string) (string, error) {
	b.say("building and starting a current engine")
	program := filepath.Join(b.work, "engine-program")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", program, "./bench/engine")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building bench/engine: %w: %s", err, out)
	}
	d := &daemon{log: filepath.Join(b.work, "engine.log"), ended: make(chan struct{})}
	d.args = []string{program, "-dir", filepath.Join(b.work, "e"), "-registry", b.registry, "-loopback", b.cache.address}
	d.cmd = exec.Command(d.args[0], d.args[1:]...)
	d.cmd.Dir, d.cmd.SysProcAttr = root, detached()
	log, err := os.Create(d.log)
	if err != nil {
		return "", fmt.Errorf("opening a log: %w", err)
	}
	defer log.Close()
	d.cmd.Stderr = log
	out, err := d.cmd.StdoutPipe()
	if err == nil {
		err = d.cmd.Start()
	}
	if err != nil {
		return "", fmt.Errorf("starting a current engine: %w", err)
	}
	b.daemons = append(b.daemons, d)
	lines := bufio.NewScanner(out)
	host := ""
	if lines.Scan() { // it prints the address once it answers, and nothing where it fails
		host = strings.TrimPrefix(lines.Text(), "DOCKER_HOST=")
	}
	go func() { _ = d.cmd.Wait(); close(d.ended) }()
	if host == "" {
		return "", fmt.Errorf("starting a current engine: %s", lastLine(d.log))
	}
	return host, nil
}

// lastLine is the last line of a log that is not blank.
func lastLine(path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}
