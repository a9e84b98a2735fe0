// Package subject owns what doctor's checks look at: a project, its Compose files, and what the engine says of its
// containers and images. Each part is asked for once, however many checks want it, and when the first one does.
package subject

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/compose"
	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/doctor/check"
	"github.com/25eloquence/compose-mage/internal/doctor/source"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/monitor"
)

// Given is what a subject is made of. Either of engine and model may be missing, with the reason.
type Given struct {
	Engine    *engine.Engine
	EngineErr error
	Model     *compose.Model
	ModelErr  error
	Services  []string // that are asked for, with what they depend on; empty is all
	StateDir  string
	Builder   string // where images are built; "" where the engine does it, or nobody
}

// Subject is what checks look at. Its methods may be called at the same time.
type Subject struct {
	Given
	Files source.Files

	containers once[map[string][]container.Replica]
	images     once[Images]
	snapshot   once[monitor.Snapshot]
}

// once asks for something once.
type once[T any] struct {
	once  sync.Once
	value T
	err   error
}

func (o *once[T]) get(ask func() (T, error)) (T, error) {
	o.once.Do(func() { o.value, o.err = ask() })
	return o.value, o.err
}

// New is a subject of what is given.
func New(g Given) *Subject {
	s := &Subject{Given: g}
	if g.Model != nil {
		s.Files = source.Read(append(append([]string{}, g.Model.Files...), g.Model.Read...))
	}
	return s
}

// Asked says whether a finding about services is about one that is asked for.
func (s *Subject) Asked(services []string) bool {
	if len(s.Services) == 0 || len(services) == 0 || s.Model == nil {
		return true
	}
	return slices.ContainsFunc(services, func(name string) bool {
		_, active := s.Model.Project.Services[name]
		return active
	})
}

// Project gives the project, or why there is none.
func (s *Subject) Project() (*types.Project, error) {
	if s.Model == nil {
		return nil, check.NotSeen("the Compose files do not load")
	}
	return s.Model.Project, nil
}

// Connected gives the engine and the project, or why one is missing.
func (s *Subject) Connected() (*engine.Engine, *types.Project, error) {
	if s.Engine == nil {
		return nil, nil, check.NotSeen("no engine answers")
	}
	p, err := s.Project()
	return s.Engine, p, err
}

// Local says why this machine's kernel is not the one that runs the containers; nil where it is.
func (s *Subject) Local() error {
	switch {
	case s.Engine == nil:
		return check.NotSeen("no engine answers")
	case !s.Engine.Local():
		return check.NotSeen("the engine is on another machine: its kernel and disks can't be seen from here")
	}
	return nil
}

// Now is the time by the engine's clock, or this machine's where there is no engine.
func (s *Subject) Now() time.Time {
	if s.Engine == nil {
		return time.Now()
	}
	return s.Engine.Now()
}

// Containers gives the project's containers by service.
func (s *Subject) Containers(ctx context.Context) (map[string][]container.Replica, error) {
	return s.containers.get(func() (map[string][]container.Replica, error) {
		e, p, err := s.Connected()
		if err != nil {
			return nil, err
		}
		return container.Inspect(ctx, e, p.Name)
	})
}

// Running says why nothing can be said of running services: the project has no containers. It is nil where there are
// any.
func (s *Subject) Running(ctx context.Context) error {
	found, err := s.Containers(ctx)
	if err == nil && len(found) == 0 {
		return check.NotSeen("the project has no containers: go tool mage start, and look again")
	}
	return err
}

// Snapshot gives what monitor says of the project.
func (s *Subject) Snapshot(ctx context.Context) (monitor.Snapshot, error) {
	return s.snapshot.get(func() (monitor.Snapshot, error) {
		e, p, err := s.Connected()
		if err != nil {
			return monitor.Snapshot{}, err
		}
		return monitor.Take(ctx, e, p, e.Machine())
	})
}
