package targets

import (
	"context"
	"os"
	"strings"

	dockercli "github.com/docker/cli/cli/command"

	"github.com/25eloquence/compose-mage/internal/doctor"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/provision"
	"github.com/25eloquence/compose-mage/internal/state"
)

// Check looks for what would make a build or a start fail.
//
// Engine, builder, registry, disk, memory and CPUs, then the Compose files: build contexts, images, secrets, networks,
// volumes, devices, limits, names, ports, logs. Each with what was found and the remedy. It changes nothing.
func Check(ctx context.Context,
	services *string, // comma-separated services; all by default
	json *bool, // print JSON
) error {
	return fault.Exit(ctx, check(ctx, services, value(json, false)))
}

func check(ctx context.Context, services *string, asJSON bool) error {
	s, err := open(ctx, services)
	if err != nil {
		return err
	}
	in, err := s.doctorInput()
	if err != nil {
		return err
	}
	if !asJSON {
		return doctor.Check(ctx, in, s.out)
	}
	report, err := doctor.Look(ctx, in, nil)
	if err != nil {
		return err
	}
	if err := writeJSON(os.Stdout, report); err != nil {
		return err
	}
	return report.Verdict()
}

// doctorInput is what check looks at.
func (s *session) doctorInput() (doctor.Input, error) {
	dir, err := state.Dir()
	if err != nil {
		return doctor.Input{}, err
	}
	cache, err := s.cache()
	if err != nil {
		return doctor.Input{}, err
	}
	registry := "" // a cache of another type has no address to ask
	if cache.Type == "registry" {
		registry, _, _ = strings.Cut(cache.Prefix, "/")
	}
	in := doctor.Input{
		API: s.engine, Host: s.engine.Host, Local: s.engine.Local(), Info: s.engine.Info, Machine: s.engine.Machine(),
		Project: s.stack.Project, Notices: s.stack.Notices, Unheeded: s.stack.Unheeded, Builder: s.builderAddress(),
		EngineBuilder: provision.EngineBuilder, Registry: registry, StateDir: dir, Auth: s.credentials,
	}
	if cache.Local != nil {
		in.OwnRegistry = cache.Local
	}
	return in, nil
}

// credentials gives those of docker login for an image's registry, as the engine takes them; "" for none.
func (s *session) credentials(image string) string {
	auth, err := dockercli.RetrieveAuthTokenFromImage(s.engine.CLI.ConfigFile(), image)
	if err != nil {
		return ""
	}
	return auth
}
