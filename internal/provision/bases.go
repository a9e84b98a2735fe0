package provision

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/25eloquence/compose-mage/docker/bases"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/imageload"
	"github.com/25eloquence/compose-mage/internal/registry"
	"github.com/25eloquence/compose-mage/internal/state"
)

// The base images, under Docker Hub's names for them.
const (
	debianBase = "debian:bookworm-slim"
	golangBase = "golang:1.26-bookworm"
)

// baseNames is in the order in which they are built: each from the ones before.
var baseNames = []string{debianBase, golangBase}

// makeRootfs makes Debian's root file system from the host's apt sources, as <state>/bases/debian/rootfs.tar.
func (s *setup) makeRootfs(ctx context.Context, report func(string)) error {
	dir, err := s.recipes()
	if err != nil {
		return err
	}
	// Caged: debootstrap mounts and chroots, and none of it may stay behind after a kill.
	c := child{
		args: []string{"/bin/sh", filepath.Join(dir, "debian-rootfs.sh"), filepath.Join(s.dir, "bases", "debian")},
		dir:  dir, log: s.logFile("debootstrap"), caged: true,
	}
	if _, err := run(ctx, c, report); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fault.New(fault.Failed, "go tool mage setup", "making a Debian root file system: %w", err).WithDetail(tailOf(err)...)
	}
	return nil
}

// recipes writes the embedded recipes to <state>/bases/recipes.
func (s *setup) recipes() (string, error) {
	dir := filepath.Join(s.dir, "bases", "recipes")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("making %q: %w", dir, err)
	}
	names, err := fs.Glob(bases.Files, "*")
	if err != nil {
		return "", fmt.Errorf("listing the recipes: %w", err)
	}
	for _, name := range names {
		data, err := bases.Files.ReadFile(name)
		if err == nil {
			err = state.WriteIfChanged(filepath.Join(dir, name), data, 0o600)
		}
		if err != nil {
			return "", fmt.Errorf("writing the recipe %q: %w", name, err)
		}
	}
	return dir, nil
}

// ensureBases makes the base images where the Hub can't be reached, and gives them to the engine under their usual
// names, so that plain docker compose build finds them. Their digests are locked for this machine.
func (s *setup) ensureBases(ctx context.Context, f facts, p plan) error {
	if f.hub {
		s.out.Done("base images: from Docker Hub%s", map[bool]string{true: " through " + s.mirror}[s.mirror != ""])
		return s.unlockBases()
	}
	if p.registry == none {
		s.out.Info("base images: the builder at %s gets them as it is set up to: Docker Hub does not answer here", s.state.Builder)
		return nil
	}
	for _, name := range baseNames {
		if !slices.Contains(p.bases, name) {
			s.out.Done("base image: %s in %s (already there)", name, f.registry)
		} else if err := s.buildBase(ctx, f, name); err != nil {
			return err
		}
		if err := s.offerBase(ctx, f, name); err != nil {
			return err
		}
	}
	// Both are in the registry now; the root file system served its turn.
	return os.RemoveAll(filepath.Join(s.dir, "bases", "debian"))
}

func (s *setup) buildBase(ctx context.Context, f facts, name string) error {
	return s.out.Step(ctx, "base image: "+name, func(ctx context.Context, report func(string)) error {
		dir, err := s.recipes()
		if err != nil {
			return err
		}
		r := recipe{
			builder: s.state.Builder, network: s.state.StepNetwork(s.state.Builder), dir: dir, file: "debian.Dockerfile",
			image:    f.registry + "/library/" + name,
			contexts: map[string]string{"context": filepath.Join(s.dir, "bases", "debian")},
		}
		if name == golangBase {
			if r, err = golangRecipe(ctx, r, s.logFile("go-env"), filepath.Join(s.dir, "tmp")); err != nil {
				return err
			}
		}
		pushed, err := r.push(ctx, report)
		if err != nil {
			return err
		}
		return s.lockBase(name, pushed)
	})
}

// golangRecipe adds the host's Go to r.
func golangRecipe(ctx context.Context, r recipe, log, empty string) (recipe, error) {
	out, err := run(ctx, child{args: []string{"go", "env", "GOROOT", "GOVERSION"}, log: log}, func(string) {})
	lines := strings.Fields(string(out))
	if err != nil || len(lines) != 2 {
		return r, fault.New(fault.Failed, "go env GOROOT GOVERSION", "finding the Go toolchain: %w", err).WithDetail(tailOf(err)...)
	}
	r.file = "golang.Dockerfile"
	r.contexts = map[string]string{"context": empty, "goroot": lines[0]}
	r.args = map[string]string{"GOLANG_VERSION": strings.TrimPrefix(lines[1], "go")}
	return r, nil
}

// offerBase loads the image into the engine under its name, unless the engine has it. The engine is given no address to ask: who
// listens on a port of this machine while the registry is down would be believed. An image of that name from elsewhere is the user's
// and stays.
func (s *setup) offerBase(ctx context.Context, f facts, name string) error {
	if !f.engineLocal && f.engine != "" {
		// It may be of another platform.
		s.out.Info("engine at %s is not on this machine: load %s there yourself", f.engine, name)
		return nil
	}
	base, err := s.base(ctx, f.registry, name)
	if err != nil {
		return err
	}
	image, err := s.engine.ImageInspect(ctx, name)
	if err == nil && !s.outdated(image.ID, image.RepoDigests, base) {
		return nil
	}
	return s.out.Step(ctx, "engine: loading "+name, func(ctx context.Context, _ func(string)) error {
		ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
		defer cancel()
		if err := load(ctx, s.engine, base); err != nil {
			return err
		}
		image, err := s.engine.ImageInspect(ctx, name)
		if err != nil {
			return fault.New(fault.Engine, "go tool mage setup", "giving the engine %q: %w", name, err)
		}
		if s.state.Loaded == nil {
			s.state.Loaded = map[string]string{}
		}
		s.state.Loaded[name] = image.ID
		return s.state.save(s.dir)
	})
}

// base is what the lock says of the name, as the registry has it.
func (s *setup) base(ctx context.Context, address, name string) (registry.Image, error) {
	failed := func(err error) error {
		return fault.New(fault.Registry, "go tool mage setup", "looking up %q at %s: %w", name, address, err)
	}
	locked, ok := s.lockedBases().Digest(name)
	if !ok {
		return registry.Image{}, failed(errors.New("it is not locked"))
	}
	local := registry.Open(s.dir, address)
	now, err := local.Digest(ctx, name)
	if err != nil {
		return registry.Image{}, failed(err)
	}
	if now == "" {
		return registry.Image{}, failed(errors.New("the registry lacks it"))
	}
	if now != locked {
		return registry.Image{}, otherBase(s.dir, name, locked, now)
	}
	b := registry.Image{Registry: local, Name: name, Digest: locked}
	if b.Manifest, b.Text, err = local.Manifest(ctx, name, locked); err != nil {
		return registry.Image{}, failed(err)
	}
	return b, nil
}

// outdated says whether the engine's image is an earlier one of ours: setup loaded it, or, before it did so, had the engine pull it
// from the local registry.
func (s *setup) outdated(id string, digests []string, now registry.Image) bool {
	if slices.Contains(now.IDs(), id) {
		return false
	}
	if s.state.Loaded[now.Name] == id {
		return true
	}
	repository, _, _ := strings.Cut(now.Name, ":")
	return slices.ContainsFunc(digests, func(d string) bool {
		from, _, _ := strings.Cut(d, "@")
		return from == now.Registry.Address+"/library/"+repository || s.earlier != "" && from == s.earlier+"/library/"+repository
	})
}

// load gives the engine the image. The error says which of the two, registry or engine, it is about.
func load(ctx context.Context, e imageload.Engine, base registry.Image) error {
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
		return fault.New(fault.Registry, "go tool mage setup", "reading %q from the local registry: %w", base.Name, from)
	}
	if err != nil && ctx.Err() == nil {
		return fault.New(fault.Engine, "go tool mage setup", "giving the engine %q: %w", base.Name, err)
	}
	return err
}
