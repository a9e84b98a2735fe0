package readiness

import (
	"context"
	"errors"
	"sync"

	"github.com/moby/moby/client"
)

// Shells remembers which images have no shell, so that only one container of each is asked in vain.
type Shells struct {
	mu   sync.Mutex
	none map[string]bool        // by the image's ID
	each map[string]*sync.Mutex // held while a container of the image is asked
}

// NewShells knows of no image yet.
func NewShells() *Shells { return &Shells{none: map[string]bool{}, each: map[string]*sync.Mutex{}} }

// open opens a session in a container of the image; nil where it has no shell.
func (s *Shells) open(ctx context.Context, api Prober, id, image string, check []string) (*session, error) {
	s.mu.Lock()
	if s.each[image] == nil {
		s.each[image] = &sync.Mutex{}
	}
	asking := s.each[image]
	s.mu.Unlock()
	asking.Lock()
	defer asking.Unlock()
	if s.lacks(image) {
		return nil, nil
	}
	opened, err := openSession(ctx, api, id, check)
	if err == nil || !errors.Is(err, errNoShell) || ctx.Err() != nil {
		return opened, err
	}
	// The same error comes where the container has just ended; the image may well have a shell then.
	found, inspectErr := api.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if inspectErr != nil || !found.Container.State.Running {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.none[image] = true
	return nil, nil
}

// lacks says whether the image, an ID, is known to have no shell.
func (s *Shells) lacks(image string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.none[image]
}
