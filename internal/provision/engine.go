package provision

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/25eloquence/compose-mage/internal/bounded"
	"github.com/25eloquence/compose-mage/internal/daemon"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/fault"
)

// Where dockerd notes its process id and its containerd's unless told otherwise.
const (
	dockerdPid    = "/var/run/docker.pid"
	containerdPid = "/var/run/docker/containerd/containerd.pid"
)

// ensureEngine makes an engine answer, and connects to it.
func (s *setup) ensureEngine(ctx context.Context, f facts, p plan) error {
	switch p.engine {
	case found:
		s.out.Done("engine: Docker %s at %s (already there)", s.engine.Info.ServerVersion, s.engine.Host)
		s.warnOfMirrors()
		return s.startAgain(ctx)
	case restart:
		return s.restartEngine(ctx, f)
	}
	err := s.out.Step(ctx, "starting the Docker engine", func(ctx context.Context, report func(string)) error {
		if f.systemd {
			return s.startUnit(ctx, report)
		}
		return s.startDockerd(ctx, p, dockerdPid, containerdPid)
	})
	if err != nil {
		return err
	}
	if s.engine, err = engine.Connect(ctx); err != nil {
		return err
	}
	s.out.Done("engine: Docker %s at %s", s.engine.Info.ServerVersion, s.engine.Host)
	return s.startAgain(ctx)
}

// startUnit starts the engine where systemd is PID 1.
func (s *setup) startUnit(ctx context.Context, report func(string)) error {
	if err := s.Record(daemon.Process{Name: "engine", Unit: "docker.service"}); err != nil {
		return err
	}
	if _, err := daemon.Run(ctx, daemon.Command{
		Args: []string{"systemctl", "start", "docker.service"},
		Log:  s.logFile("systemctl"),
	}, report); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fault.New(fault.Engine, "journalctl -u docker", "starting the engine: %w",
			err).WithDetail(daemon.OutputOf(err)...)
	}
	return daemon.Daemon{
		Name: "engine", Log: "/dev/null", Code: fault.Engine, Within: time.Minute,
		Ready: engineReady,
	}.Await(ctx)
}

// startDockerd starts the engine where there is no systemd (a container, WSL 1, another init).
func (s *setup) startDockerd(ctx context.Context, p plan, pidFile, containerdPidFile string) error {
	pid := readPid(pidFile)
	runs := daemon.Runs(pid, "dockerd", "")
	if p.engine == install && runs {
		// The package's own script has started it.
		p, err := daemon.OfPID("engine", pid)
		if err == nil {
			p.Args = []string{"dockerd"}
			err = s.Record(p)
		}
		if err != nil {
			return err
		}
		return s.dockerd().Await(ctx)
	}
	if !runs {
		if err := errors.Join(removePid(pidFile), endContainerd(ctx, containerdPidFile)); err != nil {
			return err
		}
	}
	_, err := s.dockerd().Ensure(ctx, s, func(string) {})
	return err
}

// dockerd is the engine as a detached daemon. It has no mirror on the loopback: an engine knows neither certificates
// nor credentials of a mirror there, so that whoever listened on that port while the registry was down would feed it.
// Setup loads the bases instead.
func (s *setup) dockerd() daemon.Daemon {
	path := daemon.LookPath("dockerd")
	if path == "" {
		path = "dockerd"
	}
	return daemon.Daemon{
		Name: "engine", Args: append([]string{path}, s.dockerdArgs...), Log: s.logFile("dockerd"),
		Address: "unix:///var/run/docker.sock", Code: fault.Engine, Within: time.Minute, Ready: engineReady,
		Ending: time.Minute, // its containers end with it
	}
}

func engineReady(ctx context.Context) error {
	_, err := engine.Connect(ctx)
	return err
}

// readPid gives the process id in a pid file, 0 where there is none.
func readPid(path string) int {
	data, err := bounded.ReadFile(path)
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil {
		return 0
	}
	return pid
}

// removePid removes a pid file that names nobody of this program: dockerd would refuse to start for whoever has its old
// pid now.
func removePid(pidFile string) error {
	if err := os.Remove(pidFile); err != nil && !os.IsNotExist(err) {
		return fault.New(fault.Engine, "rm "+fault.Quote(pidFile), "removing a stale pid file: %w", err)
	}
	return nil
}

// endContainerd ends the containerd that a dockerd which is gone has left. dockerd would take it for its own even
// while it dies of that same end, or is but a zombie or another's pid, and would wait for it in vain. Containers do
// not need it.
func endContainerd(ctx context.Context, pidFile string) error {
	config := filepath.Join(filepath.Dir(pidFile), "containerd.toml") // which dockerd writes beside it
	if pid := readPid(pidFile); daemon.Runs(pid, "containerd", config) {
		if p, err := daemon.OfPID("containerd", pid); err == nil {
			if err := p.Stop(ctx, 10*time.Second); err != nil {
				return err
			}
		}
	}
	return removePid(pidFile)
}
