package targets

import (
	"context"
	"strings"

	"github.com/25eloquence/compose-mage/internal/doctor"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/provision"
	"github.com/25eloquence/compose-mage/internal/state"
)

// Check looks for what would make a build or a start fail.
//
// Engine, builder, registry, disk, memory and CPUs, the Compose files, secrets, ports, and the size of the logs: each
// with what was found and the remedy. It changes nothing.
func Check(ctx context.Context,
	services *string, // comma-separated services; all by default
) error {
	return fault.Exit(ctx, check(ctx, services))
}

func check(ctx context.Context, services *string) error {
	s, err := open(ctx, services)
	if err != nil {
		return err
	}
	dir, err := state.Dir()
	if err != nil {
		return err
	}
	cache, err := s.cache()
	if err != nil {
		return err
	}
	registry := "" // a cache of another type has no address to ask
	if cache.Type == "registry" {
		registry, _, _ = strings.Cut(cache.Prefix, "/")
	}
	return doctor.Check(ctx, doctor.Input{
		API: s.engine, Host: s.engine.Host, Local: s.engine.Local(), Info: s.engine.Info, Machine: s.engine.Machine(),
		Project: s.stack.Project, Notices: s.stack.Notices, Builder: s.builderAddress(), EngineBuilder: provision.EngineBuilder, Registry: registry, StateDir: dir,
	}, s.out)
}
