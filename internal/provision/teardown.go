package provision

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/daemon"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/fault"
)

// Teardown stops what Setup started, the builder first and the engine last, and nothing else. Images, build cache,
// secrets and the registry's content stay.
func Teardown(ctx context.Context, o Options) error {
	s, release, err := begin(ctx, o)
	if err != nil {
		return err
	}
	defer release()
	if err := s.adopt(); err != nil {
		return err
	}
	stopped := 0
	if s.state.Container != "" {
		if err := s.removeContainer(ctx); err != nil {
			return err
		}
		stopped++
	}
	for _, part := range []struct {
		name   string
		within time.Duration
	}{{"builder", 10 * time.Second}, {"registry", 10 * time.Second}, {"engine", time.Minute}} {
		p, ok := s.state.process(part.name)
		if !ok {
			continue
		}
		if p.Alive() || p.Unit != "" {
			err := s.out.Step(ctx, "stopping the "+part.name, func(ctx context.Context, report func(string)) error {
				if p.Unit != "" {
					return s.stopUnit(ctx, p.Unit)
				}
				if part.name == "builder" { // it ends at once where nothing builds
					say := time.AfterFunc(time.Second,
						func() { report(fmt.Sprintf("a build is running: it has %s to end", part.within)) })
					defer say.Stop()
				}
				return p.Stop(ctx, part.within)
			})
			if err != nil {
				return err
			}
			stopped++
		}
		if err := s.Forget(part.name); err != nil {
			return err
		}
	}
	if err := s.removeNetwork(ctx); err != nil {
		return err
	}
	if stopped == 0 {
		s.out.Done("nothing that setup started runs")
	}
	s.out.Info("the registry's images and the build cache stay in %s (safe to delete)", s.dir)
	return nil
}

// removeNetwork removes the network of build steps, and forgets the builder that they ran on.
func (s *setup) removeNetwork(ctx context.Context) error {
	s.state.Builder = ""
	if s.state.Network != nil {
		if err := s.state.Network.Remove(ctx); err != nil {
			return err
		}
		s.state.Network = nil
	}
	return s.state.save(s.dir)
}

// adopt records daemons that run and that the state does not know: a setup was killed before it could record them.
func (s *setup) adopt() error {
	daemons := []daemon.Daemon{{Name: "builder", Args: s.buildkitdArgs(), Log: s.logFile("buildkitd")}}
	daemons = append(daemons, s.registryDaemon(s.state.Registry))
	if p, ok := s.state.process("engine"); ok && p.PID == 0 && p.Unit == "" {
		daemons = append(daemons, daemon.Daemon{Name: "engine", Args: p.Args})
	}
	for _, d := range daemons {
		if p, ok := d.Running(s); ok {
			if err := s.Record(p); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *setup) removeContainer(ctx context.Context) error {
	err := s.out.Step(ctx, "removing the builder's container", func(ctx context.Context, _ func(string)) error {
		e, err := engine.Connect(ctx)
		if err != nil {
			return err
		}
		_, err = e.ContainerRemove(ctx, s.state.Container, client.ContainerRemoveOptions{Force: true})
		if err != nil && !errdefs.IsNotFound(err) {
			return fault.New(fault.Engine, "docker rm -f "+fault.Quote(s.state.Container),
				"removing the builder's container: %w", err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.out.Info("its cache stays in the volume %q", s.state.Container)
	s.state.Container = ""
	return s.state.save(s.dir)
}

// stopUnit stops the engine's unit, and its socket, which would start it again.
func (s *setup) stopUnit(ctx context.Context, unit string) error {
	if exec.CommandContext(ctx, "systemctl", "is-active", "--quiet", unit).Run() != nil {
		return ctx.Err()
	}
	socket := strings.TrimSuffix(unit, ".service") + ".socket"
	if _, err := daemon.Run(ctx, daemon.Command{
		Args: []string{"systemctl", "stop", unit, socket},
		Log:  s.logFile("systemctl"),
	}, func(string) {}); err != nil {
		return fault.New(fault.Engine, "journalctl -u "+unit, "stopping the engine: %w",
			err).WithDetail(daemon.OutputOf(err)...)
	}
	return nil
}
