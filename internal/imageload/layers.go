// Package imageload owns how an image that BuildKit made gets into the Docker Engine: which layers the engine holds,
// the tarball of those that it lacks, the upload, and the check that the engine then has the image. It builds nothing.
package imageload

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/distribution/reference"
	moby "github.com/moby/moby/client"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/identity"

	"github.com/25eloquence/compose-mage/internal/container"
)

// Engine is what a load needs of the Docker Engine.
type Engine interface {
	ImageInspect(ctx context.Context, image string, opts ...moby.ImageInspectOption) (moby.ImageInspectResult, error)
	ImageList(ctx context.Context, options moby.ImageListOptions) (moby.ImageListResult, error)
	ImageLoad(ctx context.Context, input io.Reader, opts ...moby.ImageLoadOption) (moby.ImageLoadResult, error)
	ContainerdStore() bool // it then names an image by its manifest, and a load has to be whole
}

// EngineLayers knows which layers the engine holds, as chain IDs: a layer and everything under it. Images are looked
// at one after another, the likeliest first, and only while something has to be loaded whose layers are not found yet.
type EngineLayers struct {
	engine  Engine
	project string
	names   []string // of the images of this run

	inspecting sync.Mutex // for one image of the run at a time
	images     []*engineImage

	mu      sync.Mutex
	held    map[digest.Digest]bool
	sending map[digest.Digest]chan struct{} // closed when the load that sends the layer has ended
}

// engineImage is an image of the engine that may hold a layer.
type engineImage struct {
	id        string
	tags      []string
	own       bool // an earlier image of this run's names, or another of the project
	inspected bool
}

// NewEngineLayers knows nothing yet. project is the Compose project, names are the image names of this run.
func NewEngineLayers(e Engine, project string, names []string) *EngineLayers {
	l := &EngineLayers{
		engine: e, project: project, held: map[digest.Digest]bool{},
		sending: map[digest.Digest]chan struct{}{},
	}
	for _, name := range names {
		l.names = append(l.names, fullName(name))
	}
	return l
}

// fullName is a name as images are compared by: with registry and tag.
func fullName(name string) string {
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return name
	}
	return reference.TagNameOnly(named).String()
}

// inspections is how many images the engine is asked for at a time.
const inspections = 8

// Find looks for the layers of an image in the engine's images. bases are the images that it starts from, and ran is
// how many steps have just run: the layers of these steps are in no other image, so the search ends when no more
// layers are missing than steps ran.
func (l *EngineLayers) Find(ctx context.Context, diffs []digest.Digest, bases []string, ran int) error {
	if l.engine.ContainerdStore() {
		return nil
	}
	l.inspecting.Lock()
	defer l.inspecting.Unlock()
	if err := l.list(ctx); err != nil {
		return err
	}
	l.inspect(ctx, func(i *engineImage) bool {
		return i.own ||
			slices.ContainsFunc(i.tags, func(tag string) bool { return slices.Contains(bases, fullName(tag)) })
	})
	chains := identity.ChainIDs(slices.Clone(diffs))
	for l.mayBeElsewhere(chains, ran) && ctx.Err() == nil {
		left := inspections
		if !l.inspect(ctx, func(*engineImage) bool { left--; return left >= 0 }) {
			break
		}
	}
	return ctx.Err()
}

// mayBeElsewhere says whether layers are missing that another image may have.
func (l *EngineLayers) mayBeElsewhere(chains []digest.Digest, ran int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	missing := 0
	for _, chain := range chains {
		if !l.held[chain] {
			missing++
		}
	}
	base := ran < len(chains) // the lowest layer is none of a step that ran
	return missing > ran || base && missing == len(chains) && missing > 0
}

// Prepare looks at the images of the project already while the builder is at work.
func (l *EngineLayers) Prepare(ctx context.Context) { _ = l.Find(ctx, nil, nil, 0) }

// list asks for the engine's images, once. Intermediate ones are left out: their layers are those of an image that is
// listed.
func (l *EngineLayers) list(ctx context.Context) error {
	if l.images != nil {
		return nil
	}
	list, err := l.engine.ImageList(ctx, moby.ImageListOptions{})
	if err != nil {
		return fmt.Errorf("listing the engine's images: %w", err)
	}
	l.images = []*engineImage{}
	for _, image := range list.Items {
		l.images = append(l.images, &engineImage{
			id: image.ID, tags: image.RepoTags, own: image.Labels[container.ProjectLabel] == l.project ||
				slices.ContainsFunc(image.RepoTags,
					func(tag string) bool { return slices.Contains(l.names, fullName(tag)) }),
		})
	}
	return nil
}

// inspect asks the engine for the layers of the wanted images that it was not asked for yet; false where there was
// none.
func (l *EngineLayers) inspect(ctx context.Context, wanted func(*engineImage) bool) (any bool) {
	var all sync.WaitGroup
	slots := make(chan struct{}, inspections)
	for _, image := range l.images {
		if image.inspected || !wanted(image) {
			continue
		}
		image.inspected, any = true, true
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			// An image that went away meanwhile has no layers to offer.
			if found, err := l.engine.ImageInspect(ctx, image.id); err == nil {
				l.add(found)
			}
		})
	}
	all.Wait()
	return any
}

func (l *EngineLayers) add(image moby.ImageInspectResult) {
	var diffs []digest.Digest
	for _, d := range image.RootFS.Layers {
		diffs = append(diffs, digest.Digest(d))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, chain := range identity.ChainIDs(diffs) {
		l.held[chain] = true
	}
}

// Reserve says which of the layers have to be sent (indexes, bottom first). Others wait with layers that they share;
// the caller calls done when its load has ended, saying whether the engine holds them now.
func (l *EngineLayers) Reserve(ctx context.Context, diffs []digest.Digest) (send []int, done func(ok bool), err error) {
	if l.engine.ContainerdStore() { // it takes no tarball that lacks a layer, whatever it holds
		for i := range diffs {
			send = append(send, i)
		}
		return send, func(bool) {}, nil
	}
	chains := identity.ChainIDs(append([]digest.Digest(nil), diffs...))
	for {
		l.mu.Lock()
		send = nil
		var other chan struct{}
		for i, chain := range chains {
			if !l.held[chain] {
				send = append(send, i)
				if ch := l.sending[chain]; ch != nil {
					other = ch
				}
			}
		}
		if other == nil {
			ended := make(chan struct{})
			for _, i := range send {
				l.sending[chains[i]] = ended
			}
			l.mu.Unlock()
			return send, func(ok bool) { l.loadEnded(chains, send, ended, ok) }, nil
		}
		l.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
	}
}

func (l *EngineLayers) loadEnded(chains []digest.Digest, send []int, ended chan struct{}, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, i := range send {
		delete(l.sending, chains[i])
		l.held[chains[i]] = l.held[chains[i]] || ok
	}
	close(ended)
}

// Forget drops what is known of these layers, after the engine refused a load: a layer that the engine held may be
// gone.
func (l *EngineLayers) Forget(diffs []digest.Digest) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, chain := range identity.ChainIDs(append([]digest.Digest(nil), diffs...)) {
		delete(l.held, chain)
	}
}
