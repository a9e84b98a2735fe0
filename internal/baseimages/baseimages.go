// Package baseimages makes the base images that a machine lacks which does not reach Docker Hub: debian:bookworm-slim
// from the host's apt sources by debootstrap, and golang:1.26-bookworm from that one and the host's Go, by the
// recipes in docker/bases. They are pushed to the local registry, locked for this machine by the digests that were
// pushed, and loaded into the engine. Whether they have to be made is for package provision to decide; the lock
// file's format is package bases'.
package baseimages

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/25eloquence/compose-mage/internal/daemon"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/imageload"
	"github.com/25eloquence/compose-mage/internal/registry"
	"github.com/25eloquence/compose-mage/internal/stepnet"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// The base images, under Docker Hub's names for them.
const (
	Debian = "debian:bookworm-slim"
	Golang = "golang:1.26-bookworm"
)

// Names is in the order in which they are built: each from the ones before.
var Names = []string{Debian, Golang}

// Maker makes the base images with one builder, for one engine.
type Maker struct {
	StateDir string
	Out      *ui.Out
	Registry string           // the local registry's host:port
	Builder  string           // its address
	Network  *stepnet.Network // of the builder's steps; nil where they share the host's
	Engine   *engine.Engine
	// EarlierRegistry is the registry's address before this setup; "" for none.
	EarlierRegistry string
	// Loaded has the IDs of the images that setup has given the engine, by name, and SaveLoaded keeps another one.
	Loaded     map[string]string
	SaveLoaded func(name, id string) error
}

// Ensure builds and pushes the images that are named in missing, and gives the engine those of all Names that it
// lacks, under their usual names, so that plain docker compose build finds them.
func (m *Maker) Ensure(ctx context.Context, missing []string) error {
	for _, name := range Names {
		if !slices.Contains(missing, name) {
			m.Out.Done("base image: %s in %s (already there)", name, m.Registry)
		} else if err := m.build(ctx, name); err != nil {
			return err
		}
		if err := m.load(ctx, name); err != nil {
			return err
		}
	}
	// Both are in the registry now, and the root file system is of no more use.
	return os.RemoveAll(debianDir(m.StateDir))
}

// build builds, pushes and locks one image.
func (m *Maker) build(ctx context.Context, name string) error {
	return m.Out.Step(ctx, "base image: "+name, func(ctx context.Context, report func(string)) error {
		dir, err := writeRecipes(m.StateDir)
		if err != nil {
			return err
		}
		r := Recipe{
			Builder: m.Builder, Network: m.Network, Dir: dir, File: "debian.Dockerfile",
			Image:    m.Registry + "/library/" + name,
			Contexts: map[string]string{"context": debianDir(m.StateDir)},
		}
		if name == Golang {
			if r, err = m.golangRecipe(ctx, r); err != nil {
				return err
			}
		}
		pushed, err := r.Push(ctx, report)
		if err != nil {
			return err
		}
		return Lock(m.StateDir, name, pushed)
	})
}

// golangRecipe adds the host's Go to r.
func (m *Maker) golangRecipe(ctx context.Context, r Recipe) (Recipe, error) {
	log := filepath.Join(m.StateDir, "logs", "go-env.log")
	ask := daemon.Command{Args: []string{"go", "env", "GOROOT", "GOVERSION"}, Log: log}
	out, err := daemon.Run(ctx, ask, func(string) {})
	lines := strings.Fields(string(out))
	if err != nil || len(lines) != 2 {
		return r, fault.New(fault.Failed, "go env GOROOT GOVERSION", "finding the Go toolchain: %w", err).
			WithDetail(daemon.OutputOf(err)...)
	}
	r.File = "golang.Dockerfile"
	// the first is empty
	r.Contexts = map[string]string{"context": filepath.Join(m.StateDir, "tmp"), "goroot": lines[0]}
	r.Args = map[string]string{"GOLANG_VERSION": strings.TrimPrefix(lines[1], "go")}
	return r, nil
}

// load gives the engine the image under its name, unless the engine has it. The engine is given no address to ask:
// who listens on a port of this machine while the registry is down would be believed. An image of that name from
// elsewhere is the user's and stays.
func (m *Maker) load(ctx context.Context, name string) error {
	if !m.Engine.Local() {
		// It may be of another platform.
		m.Out.Info("engine at %s is not on this machine: load %s there yourself", m.Engine.Host, name)
		return nil
	}
	base, err := m.Pushed(ctx, name)
	if err != nil {
		return err
	}
	image, err := m.Engine.ImageInspect(ctx, name)
	if err == nil && !m.IsOutdated(image.ID, image.RepoDigests, base) {
		return nil
	}
	return m.Out.Step(ctx, "engine: loading "+name, func(ctx context.Context, _ func(string)) error {
		ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
		defer cancel()
		if err := Load(ctx, m.Engine, base); err != nil {
			return err
		}
		image, err := m.Engine.ImageInspect(ctx, name)
		if err != nil {
			return fault.New(fault.Engine, "go tool mage setup", "giving the engine %q: %w", name, err)
		}
		return m.SaveLoaded(name, image.ID)
	})
}

// Pushed is the image as the registry has it, which must be what the lock says.
func (m *Maker) Pushed(ctx context.Context, name string) (registry.Image, error) {
	failed := func(err error) error {
		return fault.New(fault.Registry, "go tool mage setup", "looking up %q at %s: %w", name, m.Registry, err)
	}
	locked, ok := Locked(m.StateDir, m.Out).Digest(name)
	if !ok {
		return registry.Image{}, failed(errors.New("it is not locked"))
	}
	local := registry.Open(m.StateDir, m.Registry)
	now, err := local.Digest(ctx, name)
	if err != nil {
		return registry.Image{}, failed(err)
	}
	if now == "" {
		return registry.Image{}, failed(errors.New("the registry lacks it"))
	}
	if now != locked {
		return registry.Image{}, errOther(m.StateDir, name, locked, now)
	}
	b := registry.Image{Registry: local, Name: name, Digest: locked}
	if b.Manifest, b.Text, err = local.Manifest(ctx, name, locked); err != nil {
		return registry.Image{}, failed(err)
	}
	return b, nil
}

// IsOutdated says whether the engine's image, by its ID and its repository digests, is an earlier one of ours: setup
// loaded it, or, before it did so, had the engine pull it from the local registry.
func (m *Maker) IsOutdated(id string, digests []string, now registry.Image) bool {
	if slices.Contains(now.IDs(), id) {
		return false
	}
	if m.Loaded[now.Name] == id {
		return true
	}
	repository, _, _ := strings.Cut(now.Name, ":")
	return slices.ContainsFunc(digests, func(d string) bool {
		from, _, _ := strings.Cut(d, "@")
		return from == now.Registry.Address+"/library/"+repository ||
			m.EarlierRegistry != "" && from == m.EarlierRegistry+"/library/"+repository
	})
}

// Load gives the engine the image. The error says which of the two, registry or engine, it is about.
func Load(ctx context.Context, e imageload.Engine, base registry.Image) error {
	reader, writer := io.Pipe()
	read := make(chan error, 1)
	go func() {
		err := base.Archive(ctx, writer)
		_ = writer.CloseWithError(err)
		read <- err
	}()
	err := imageload.LoadArchive(ctx, e, reader)
	_ = reader.Close() // ends the archive where the engine gave up
	if from := <-read; from != nil && !errors.Is(from, io.ErrClosedPipe) && ctx.Err() == nil {
		return fault.New(fault.Registry, "go tool mage setup", "reading %q from the local registry: %w", base.Name,
			from)
	}
	if err != nil && ctx.Err() == nil {
		return fault.New(fault.Engine, "go tool mage setup", "giving the engine %q: %w", base.Name, err)
	}
	return err
}

// debianDir is the build context of the first image: the root file system, from MakeRootfs until the image is pushed.
func debianDir(stateDir string) string { return filepath.Join(stateDir, "bases", "debian") }

// HasRootfs says whether a root file system was made and waits to be pushed.
func HasRootfs(stateDir string) bool {
	_, err := os.Stat(filepath.Join(debianDir(stateDir), "rootfs.tar"))
	return err == nil
}

// MakeRootfs makes Debian's root file system from the host's apt sources.
func MakeRootfs(ctx context.Context, stateDir string, report func(string)) error {
	dir, err := writeRecipes(stateDir)
	if err != nil {
		return err
	}
	// Caged: debootstrap mounts and chroots, and none of it may stay behind after a kill.
	c := daemon.Command{
		Args: []string{"/bin/sh", filepath.Join(dir, "debian-rootfs.sh"), debianDir(stateDir)},
		Dir:  dir, Log: filepath.Join(stateDir, "logs", "debootstrap.log"), Caged: true,
	}
	if _, err := daemon.Run(ctx, c, report); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fault.New(fault.Failed, "go tool mage setup", "making a Debian root file system: %w", err).
			WithDetail(daemon.OutputOf(err)...)
	}
	return nil
}
