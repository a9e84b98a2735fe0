// Package mirror runs a registry for tests: the program that setup built, with copies of the bases that setup made,
// over plain HTTP and open to whoever is on this machine. Nothing of it gets into the registry that setup started,
// and it goes with who started it.
package mirror

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/25eloquence/compose-mage/internal/daemon"
	"github.com/25eloquence/compose-mage/internal/state"
)

// Mirror is a running registry.
type Mirror struct {
	Address string // host:port, on the loopback unless StartAt was given another
	dir     string
	child   *daemon.Child
}

// firstPort is tried first, so that the engine's images of one run are another run's too.
const firstPort = 5100

// Start starts a registry and waits until it answers. Who started it closes it.
func Start(ctx context.Context) (*Mirror, error) {
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(firstPort)))
	if err != nil {
		l, err = net.Listen("tcp", "127.0.0.1:0")
	}
	if err != nil {
		return nil, fmt.Errorf("starting a registry for tests: %w", err)
	}
	_ = l.Close()
	return StartAt(ctx, l.Addr().String(), nil)
}

// StartAt starts a registry at address, in the network namespace that inside runs functions in, and waits until it
// answers there and here; inside is nil for the machine's own. Who started it closes it.
func StartAt(ctx context.Context, address string, inside func(func() error) error) (*Mirror, error) {
	dir, err := state.Dir()
	if err != nil {
		return nil, err
	}
	program := filepath.Join(dir, "bin", "registry")
	if _, err := os.Stat(program); err != nil {
		return nil, fmt.Errorf("starting a registry for tests: setup built none; name one in TEST_REGISTRY: %w", err)
	}
	removeLeft(dir)
	m := &Mirror{Address: address}
	if m.dir, err = os.MkdirTemp(dir, fmt.Sprintf("%s%d.", prefix, os.Getpid())); err != nil {
		return nil, fmt.Errorf("starting a registry for tests: %w", err)
	}
	if err := m.start(ctx, filepath.Join(dir, "registry"), program, inside); err != nil {
		return nil, errors.Join(fmt.Errorf("starting a registry for tests: %w", err), m.Close())
	}
	return m, nil
}

// prefix begins the names of the directories; behind it are the pid of who uses it, a dot and what tells several apart.
const prefix = "test-registry-"

// removeLeft removes the directories of those who were killed.
func removeLeft(dir string) {
	left, err := filepath.Glob(filepath.Join(dir, prefix+"*"))
	if err != nil {
		return
	}
	for _, path := range left {
		number, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(path), prefix), ".")
		pid, err := strconv.Atoi(number)
		if err != nil {
			continue
		}
		if _, err := daemon.OfPID("registry", pid); err != nil { // it has ended
			_ = os.RemoveAll(path)
		}
	}
}

func (m *Mirror) start(ctx context.Context, from, program string, inside func(func() error) error) error {
	store := filepath.Join(m.dir, "store")
	if err := copyBases(from, store); err != nil {
		return err
	}
	config := filepath.Join(m.dir, "registry.yaml")
	text := fmt.Sprintf("version: 0.1\nlog: {level: warn, accesslog: {disabled: true}}\n"+
		"storage: {filesystem: {rootdirectory: %q}, delete: {enabled: true}}\nhttp: {addr: %q}\n", store, m.Address)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return err
	}
	log, err := os.Create(filepath.Join(m.dir, "log"))
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(program, "serve", config)
	cmd.Env = append(os.Environ(), "OTEL_TRACES_EXPORTER=none")
	cmd.Stdout, cmd.Stderr = log, log
	if inside == nil {
		m.child, err = daemon.StartChild(cmd)
	} else {
		m.child, err = daemon.StartChildOn(cmd, inside)
	}
	if err != nil {
		return err
	}
	return m.await(ctx)
}

func (m *Mirror) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+m.Address+"/v2/", nil)
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			_ = resp.Body.Close()
			select {
			case <-m.child.Ended(): // another answers
			default:
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return err
		case <-m.child.Ended():
			log, _ := os.ReadFile(filepath.Join(m.dir, "log"))
			return fmt.Errorf("it ended at once: %s", log)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Close ends the registry and removes what it held.
func (m *Mirror) Close() error {
	if m.child != nil {
		m.child.Kill()
	}
	return os.RemoveAll(m.dir)
}

// copyBases gives the store the bases of the registry at from, and its blobs as links: they are named by their
// content and never written to again.
func copyBases(from, store string) error {
	const root = "docker/registry/v2"
	for _, part := range []struct {
		name string
		link bool
	}{{"blobs", true}, {"repositories/library", false}} {
		source := filepath.Join(from, root, part.name)
		err := filepath.WalkDir(source, func(path string, d fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil // no base was made, or the blob is gone meanwhile
			}
			if err != nil {
				return err
			}
			rel, err := filepath.Rel(from, path)
			if err != nil {
				return err
			}
			to := filepath.Join(store, rel)
			switch {
			case d.IsDir():
				return os.MkdirAll(to, 0o700)
			case part.link:
				return os.Link(path, to)
			}
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			return os.WriteFile(to, data, 0o600)
		})
		if err != nil {
			return fmt.Errorf("copying %s: %w", part.name, err)
		}
	}
	return os.MkdirAll(store, 0o700)
}
