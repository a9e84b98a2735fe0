package engine

import (
	"context"
	"sync"
)

type keptKey struct{}

// kept is the connection of a context.
type kept struct {
	mu     sync.Mutex
	engine *Engine
}

// Keep gives a context in which Connect connects once, and gives the same engine to whoever asks again: an engine is
// not asked twice what it is.
func Keep(ctx context.Context) context.Context { return context.WithValue(ctx, keptKey{}, &kept{}) }

func (k *kept) connect(ctx context.Context) (*Engine, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.engine == nil {
		e, err := connect(ctx)
		if err != nil {
			return nil, err
		}
		k.engine = e
	}
	return k.engine, nil
}
