package provision

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/fault"
)

// engineMirror is the mirror on the loopback with which an earlier setup started the engine that runs; "" for none.
// Setup does not touch an engine that it did not start.
func (s *setup) engineMirror() string {
	p, ok := s.state.process("engine")
	if !ok || !p.Alive() {
		return ""
	}
	i := slices.Index(p.Args, "--registry-mirror")
	if i < 0 || i+1 >= len(p.Args) || !onLoopback(p.Args[i+1]) {
		return ""
	}
	return p.Args[i+1]
}

// onLoopback says whether a mirror's address is on this machine's loopback.
func onLoopback(mirror string) bool {
	u, err := url.Parse(mirror)
	return err == nil && (net.ParseIP(u.Hostname()).IsLoopback() || u.Hostname() == "localhost")
}

// warnOfMirrors names the mirrors on the loopback that somebody gave the engine.
func (s *setup) warnOfMirrors() {
	if s.engine.Info.RegistryConfig == nil {
		return
	}
	for _, mirror := range s.engine.Info.RegistryConfig.Mirrors {
		if onLoopback(mirror) {
			s.out.Warn("engine: it takes %s for Docker Hub, and whoever listens there gives it its images; take it "+
				"out of its configuration", mirror)
		}
	}
}

// restartEngine starts the engine again without the mirror on the loopback that an earlier setup gave it. Containers
// end with an engine; those that ran are started again.
func (s *setup) restartEngine(ctx context.Context, f facts) error {
	list, err := s.engine.ContainerList(ctx, client.ContainerListOptions{})
	if err != nil {
		return fault.New(fault.Engine, "docker ps", "listing what runs before the engine is restarted: %w", err)
	}
	s.out.Info("engine: an earlier setup had it take %s for Docker Hub, and so whoever listens there: it is "+
		"restarted without", f.engineMirror)
	if len(list.Items) > 0 {
		s.out.Info("engine: what runs ends with it and is started again: %s",
			strings.Join(containerNames(list.Items), ", "))
	}
	// In the order in which they were made: what others wait for comes first. Written down, for setup may be killed
	// meanwhile.
	slices.SortStableFunc(list.Items, func(a, b container.Summary) int { return cmp.Compare(a.Created, b.Created) })
	for _, c := range list.Items {
		s.state.StartAgain = append(s.state.StartAgain, c.ID)
	}
	if err := s.state.save(s.dir); err != nil {
		return err
	}
	err = s.out.Step(ctx, "restarting the Docker engine", func(ctx context.Context, report func(string)) error {
		_, err := s.dockerd().Ensure(ctx, s, report)
		return err
	})
	if err != nil {
		return err
	}
	if s.engine, err = engine.Connect(ctx); err != nil {
		return err
	}
	return s.startAgain(ctx)
}

// startAgain starts the containers that ended with the engine when setup restarted it, and that the engine has not
// started itself.
func (s *setup) startAgain(ctx context.Context) error {
	if len(s.state.StartAgain) == 0 {
		return nil
	}
	var failed []error
	for _, id := range s.state.StartAgain {
		within, cancel := context.WithTimeout(ctx, time.Minute)
		_, err := s.engine.ContainerStart(within, id, client.ContainerStartOptions{})
		cancel()
		if ctx.Err() != nil {
			return ctx.Err() // the next setup goes on
		}
		if err != nil && !errdefs.IsNotFound(err) { // one that was to be removed at its end
			failed = append(failed, err)
		}
	}
	if err := errors.Join(failed...); err != nil {
		s.out.Warn("what ran before the engine was restarted does not all run again; docker start NAME tells more: "+
			"%v", err)
	}
	s.state.StartAgain = nil
	return s.state.save(s.dir)
}

func containerNames(list []container.Summary) []string {
	var names []string
	for _, c := range list {
		name := c.ID
		if len(c.Names) > 0 {
			name = strings.TrimPrefix(c.Names[0], "/")
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
