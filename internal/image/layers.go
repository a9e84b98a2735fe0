package image

import (
	"context"
	"fmt"
	"sync"

	moby "github.com/moby/moby/client"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/identity"
)

// engineLayers knows which layers the engine holds, as chain IDs: a layer and everything under it. It is asked for once a
// run, and only where something has to be loaded.
type engineLayers struct {
	engine Engine
	asked  func(ctx context.Context) error

	mu      sync.Mutex
	held    map[digest.Digest]bool
	sending map[digest.Digest]chan struct{} // closed when the load that sends the layer has ended
}

func newEngineLayers(e Engine) *engineLayers {
	l := &engineLayers{engine: e, held: map[digest.Digest]bool{}, sending: map[digest.Digest]chan struct{}{}}
	var once sync.Once
	var err error
	l.asked = func(ctx context.Context) error {
		once.Do(func() { err = l.ask(ctx) })
		return err
	}
	return l
}

// ask reads the layers of every image of the engine, intermediate ones included.
func (l *engineLayers) ask(ctx context.Context) error {
	if l.engine.ContainerdStore() {
		return nil
	}
	list, err := l.engine.ImageList(ctx, moby.ImageListOptions{All: true})
	if err != nil {
		return fmt.Errorf("listing the engine's images: %w", err)
	}
	var all sync.WaitGroup
	few := make(chan struct{}, 8) // inspections at a time
	for _, image := range list.Items {
		few <- struct{}{}
		all.Go(func() {
			defer func() { <-few }()
			// An image that went away meanwhile has no layers to offer.
			if found, err := l.engine.ImageInspect(ctx, image.ID); err == nil {
				l.add(found)
			}
		})
	}
	all.Wait()
	return ctx.Err()
}

func (l *engineLayers) add(image moby.ImageInspectResult) {
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

// reserve says which of the layers have to be sent (indexes, bottom first). Others wait with layers that they share; the
// caller calls done when its load has ended, saying whether the engine holds them now.
func (l *engineLayers) reserve(ctx context.Context, diffs []digest.Digest) (send []int, done func(ok bool), err error) {
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
			return send, func(ok bool) { l.sent(chains, send, ended, ok) }, nil
		}
		l.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
	}
}

func (l *engineLayers) sent(chains []digest.Digest, send []int, ended chan struct{}, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, i := range send {
		delete(l.sending, chains[i])
		l.held[chains[i]] = l.held[chains[i]] || ok
	}
	close(ended)
}

// forget drops what is known after the engine refused a load: a layer that it held may be gone.
func (l *engineLayers) forget(diffs []digest.Digest) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, chain := range identity.ChainIDs(append([]digest.Digest(nil), diffs...)) {
		delete(l.held, chain)
	}
}
