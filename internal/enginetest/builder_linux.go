package enginetest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/moby/buildkit/client"

	"github.com/25eloquence/compose-mage/internal/daemon"
	"github.com/25eloquence/compose-mage/internal/state"
	"github.com/25eloquence/compose-mage/internal/verify"
)

// Buildkitd is a builder that only one test uses, empty at first: it is a process of the program that setup built, or
// where there is none (setup without root uses a container) a container of the image that setup pulled.
type Buildkitd struct {
	Address string // for BUILDKIT_HOST and image.Connect
	t       testing.TB
	root    string // folder of configuration, socket, store and log; also the container's name
	runner  runner
}

// runner is how a builder is run: it may be started again on its old store after it ended.
type runner interface {
	start() error
	end(signal syscall.Signal) // and waits until it has
	remove()                   // what is left of it
	log() string
}

// Builder starts a builder and stops it at the test's end. It uses the registry in TEST_REGISTRY over plain HTTP where
// that is on loopback, and as Docker Hub's mirror where setup made the bases there. mirrors are further registries
// (host:port, plain HTTP) that stand in for Docker Hub, asked before.
func Builder(t testing.TB, mirrors ...string) *Buildkitd {
	t.Helper()
	dir, err := os.MkdirTemp("", "bk") // short: the kernel allows some 100 bytes for a socket's path
	if err != nil {
		t.Fatal(err)
	}
	b := &Buildkitd{t: t, root: dir}
	t.Cleanup(func() {
		b.Stop()
		if t.Failed() {
			t.Logf("the end of the builder's log:\n%s", b.runner.log())
		}
		b.runner.remove()
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("removing the builder's store: %v", err)
		}
	})
	stateDir, err := state.Dir()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(stateDir, "bin", "buildkitd")
	config := filepath.Join(dir, "buildkitd.toml")
	if _, err := os.Stat(program); err == nil && os.Geteuid() == 0 {
		b.Address = "unix://" + filepath.Join(dir, "buildkitd.sock")
		b.runner = &process{root: dir, args: []string{program, "--config", config, "--addr", b.Address}}
	} else {
		b.Address = "docker-container://" + filepath.Base(dir)
		b.runner = &containerRunner{t: t, name: filepath.Base(dir), config: config}
	}
	if err := os.WriteFile(config, []byte(b.configuration(mirrors)), 0o600); err != nil {
		t.Fatal(err)
	}
	b.Start()
	return b
}

// configuration is like setup's, but for the store and security.insecure, which setup's does not allow.
func (b *Buildkitd) configuration(mirrors []string) string {
	var c strings.Builder
	c.WriteString("insecure-entitlements = [\"network.host\", \"security.insecure\"]\n")
	process, ok := b.runner.(*process)
	if ok {
		fmt.Fprintf(&c, "root = %q\n", filepath.Join(process.root, "store"))
	}
	c.WriteString("[worker.oci]\n  enabled = true\n  networkMode = \"host\"\n")
	if runc := daemon.LookPath("runc"); ok && runc != "" {
		fmt.Fprintf(&c, "  binary = %q\n", runc)
	}
	c.WriteString("[worker.containerd]\n  enabled = false\n")
	plain := slices.Clone(mirrors)
	if registry, _, _ := strings.Cut(os.Getenv(verify.RegistryVariable), "/"); strings.HasPrefix(registry,
		"127.0.0.1:") {
		plain = append(plain, registry)
		mirrors = append(mirrors, registry)
	}
	for _, registry := range plain {
		fmt.Fprintf(&c, "[registry.%q]\n  http = true\n", registry)
	}
	if len(mirrors) > 0 {
		fmt.Fprintf(&c, "[registry.\"docker.io\"]\n  mirrors = [\"%s\"]\n", strings.Join(mirrors, `", "`))
	}
	return c.String()
}

// Start starts the builder, again after Kill or Stop: its store is as it was.
func (b *Buildkitd) Start() {
	b.t.Helper()
	if err := b.runner.start(); err != nil {
		b.t.Fatalf("starting a builder: %v", err)
	}
	var err error
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if err = b.answers(); err == nil {
			return
		}
	}
	b.t.Fatalf("the builder does not answer: %v\n%s", err, b.runner.log())
}

func (b *Buildkitd) answers() error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	c, err := client.New(ctx, b.Address)
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.ListWorkers(ctx)
	return err
}

// Client connects to the builder until the test ends.
func (b *Buildkitd) Client() *client.Client {
	b.t.Helper()
	c, err := client.New(b.t.Context(), b.Address)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = c.Close() })
	return c
}

// Kill ends the builder as the kernel does when memory is short.
func (b *Buildkitd) Kill() { b.runner.end(syscall.SIGKILL) }

// Stop ends the builder as teardown does.
func (b *Buildkitd) Stop() { b.runner.end(syscall.SIGTERM) }

// process runs buildkitd beside the test, with which it ends.
type process struct {
	root  string
	args  []string
	child *daemon.Child
}

func (p *process) start() error {
	log, err := os.OpenFile(filepath.Join(p.root, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(p.args[0], p.args[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = "/", log, log
	daemon.Cage(cmd)
	p.child, err = daemon.StartChild(cmd)
	return err
}

func (p *process) end(signal syscall.Signal) {
	if p.child != nil {
		p.child.Stop(signal, 15*time.Second)
	}
}

func (p *process) remove() {} // its steps and their mounts have ended with it

func (p *process) log() string {
	return strings.Join(daemon.LogTail(filepath.Join(p.root, "log"), 40), "\n")
}
