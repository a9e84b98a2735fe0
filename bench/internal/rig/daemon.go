package rig

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/25eloquence/compose-mage/internal/daemon"
)

// Daemon is a program that serves the runs and ends with the bench.
type Daemon struct {
	Args    []string
	Env     []string // beside this process's
	Log     string   // path
	Address string   // host:port, or a socket's path
	Data    string   // path of what it stores
	Caged   bool     // it starts and mounts things that must end with it
	child   *daemon.Child
}

// Start starts it and waits until it answers.
func (d *Daemon) Start(ctx context.Context) error {
	log, err := os.OpenFile(d.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("opening a log: %w", err)
	}
	defer log.Close()
	name := filepath.Base(d.Args[0])
	cmd := exec.Command(d.Args[0], d.Args[1:]...)
	cmd.Stdout, cmd.Stderr, cmd.Env = log, log, append(os.Environ(), d.Env...)
	if d.Caged {
		daemon.Cage(cmd)
	}
	if d.child, err = daemon.StartChild(cmd); err != nil {
		return fmt.Errorf("starting %s: %w", name, err)
	}
	network := "tcp"
	if strings.HasPrefix(d.Address, "/") {
		network = "unix"
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		if conn, err := net.Dial(network, d.Address); err == nil {
			return conn.Close()
		}
		select {
		case <-d.child.Ended():
			return fmt.Errorf("starting %s: it ended at once: %s", name, LastLine(d.Log))
		case <-ctx.Done():
			return ctx.Err()
		default:
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("starting %s: it does not answer", name)
		}
	}
}

// Stop ends it and waits until it has; one that was not started is no error.
func (d *Daemon) Stop() error {
	if d.child == nil {
		return nil
	}
	if d.child.Stop(syscall.SIGTERM, 40*time.Second) {
		return fmt.Errorf("stopping %s: it had to be killed", filepath.Base(d.Args[0]))
	}
	d.child = nil
	return nil
}

// Empty restarts the daemon without what it stored.
func (d *Daemon) Empty(ctx context.Context) error {
	if err := errors.Join(d.Stop(), os.RemoveAll(d.Data)); err != nil {
		return fmt.Errorf("emptying %q: %w", filepath.Base(d.Data), err)
	}
	return d.Start(ctx)
}

// StartEngine starts a current engine whose files lie below dir and gives it and its address, unix://…. root is the
// repository; registry (host:port) is its mirror of Docker Hub, and loopback are further addresses on this
// machine's loopback that it is to reach, comma-separated. Also after an error the daemon, where there is one, is
// to be stopped.
func StartEngine(ctx context.Context, root, dir, registry, loopback string) (*Daemon, string, error) {
	program := filepath.Join(dir, "engine-program")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", program, "./engine")
	cmd.Dir = filepath.Join(root, Module)
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, "", fmt.Errorf("building bench/engine: %w: %s", err, out)
	}
	d := &Daemon{Log: filepath.Join(dir, "engine.log")}
	d.Args = []string{program, "-dir", filepath.Join(dir, "e"), "-registry", registry, "-loopback", loopback}
	engine := exec.Command(d.Args[0], d.Args[1:]...)
	engine.Dir = root
	log, err := os.Create(d.Log)
	if err != nil {
		return nil, "", fmt.Errorf("opening a log: %w", err)
	}
	defer log.Close()
	out, said, err := os.Pipe() // not StdoutPipe, which the child's end closes under who reads it
	if err != nil {
		return nil, "", fmt.Errorf("starting a current engine: %w", err)
	}
	defer out.Close()
	engine.Stdout, engine.Stderr = said, log
	d.child, err = daemon.StartChild(engine)
	_ = said.Close()
	if err != nil {
		return nil, "", fmt.Errorf("starting a current engine: %w", err)
	}
	host := ""
	// The program prints the address once it answers, and nothing where it fails.
	if lines := bufio.NewScanner(out); lines.Scan() {
		host = strings.TrimPrefix(lines.Text(), "DOCKER_HOST=")
	}
	if host == "" {
		return d, "", fmt.Errorf("starting a current engine: %s", LastLine(d.Log))
	}
	return d, host, nil
}

// LastLine is the last line of a log that is not blank.
func LastLine(path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}
