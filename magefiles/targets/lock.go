package targets

import (
	"context"
	"os"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/25eloquence/compose-mage/internal/baseimages"
	"github.com/25eloquence/compose-mage/internal/bases"
	"github.com/25eloquence/compose-mage/internal/compose"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/provision"
	"github.com/25eloquence/compose-mage/internal/registry"
	"github.com/25eloquence/compose-mage/internal/state"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// Lock updates docker/bases.lock to the registry's digests.
//
// Builds take the base images of the Dockerfiles by these digests, without asking the registry. It prints what changed;
// commit the file. Bases that setup made on this machine are left as they are. BASES_LOCK names another file.
func Lock(ctx context.Context,
	check *bool, // write nothing, and fail where something would change
) error {
	return fault.Exit(ctx, lock(ctx, value(check, false)))
}

func lock(ctx context.Context, check bool) error {
	file := bases.File()
	old, err := bases.Read(file)
	if err != nil {
		return err
	}
	refs, err := baseRefs(ctx)
	if err != nil {
		return err
	}
	local, err := localBases()
	if err != nil {
		return err
	}
	out := ui.Stdout()
	for _, ref := range refs {
		if _, made := local.Digest(ref); made {
			out.Info("%s was made on this machine by setup: not asked for", ref)
		}
	}
	next, changes, err := bases.Refresh(ctx, &throughBuilder{out: out}, refs, old, local)
	if err != nil {
		return err
	}
	for _, c := range changes {
		ui.Fprintf(out.Writer(), "%s\n", c)
	}
	switch {
	case len(changes) == 0:
		out.Done("%s: nothing changed, %d locked", file, next.Len())
		return nil
	case check:
		return fault.New(fault.Failed, "go tool mage lock", "%s is not up to date: %d of its bases would change", file, len(changes))
	}
	if err := next.Write(file); err != nil {
		return err
	}
	out.Done("%s: %d changed, %d locked", file, len(changes), next.Len())
	return nil
}

// baseRefs lists what the stack's Dockerfiles start from, in every profile, and those of the services' tests.
func baseRefs(ctx context.Context) ([]string, error) {
	requests := []compose.Request{{AllProfiles: true, NoEnvFiles: true}}
	if _, err := os.Stat(testFile); err == nil {
		requests = append(requests, compose.Request{Files: []string{testFile}, AllProfiles: true, NoEnvFiles: true})
	}
	var all []string
	for _, request := range requests {
		s, err := compose.Load(ctx, request)
		if err != nil {
			return nil, err
		}
		refs, err := bases.Refs(s.Project)
		if err != nil {
			return nil, err
		}
		all = append(all, refs...)
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// localBases are those that setup made on this machine.
func localBases() (bases.Lock, error) {
	dir, err := state.Dir()
	if err != nil {
		return bases.Lock{}, err
	}
	return bases.ReadMade(dir)
}

// throughBuilder asks the builder for digests, and refuses those that setup made here: a setup of before there was a lock
// has not written them down, and its registry passes for Docker Hub's mirror.
type throughBuilder struct{ out *ui.Out }

// Resolve connects only now: where nothing is to be asked, no builder is needed.
func (b *throughBuilder) Resolve(ctx context.Context, refs []string) (map[string]digest.Digest, error) {
	setup, err := provision.Load()
	if err != nil {
		return nil, err
	}
	s := &session{out: b.out, state: setup}
	if s.builderAddress() == provision.EngineBuilder {
		if s.engine, err = engine.Connect(ctx); err != nil {
			return nil, err
		}
	}
	builders, err := s.connectBuilders(ctx)
	if err != nil {
		return nil, err
	}
	for _, builder := range builders {
		defer builder.Close()
	}
	digests, err := registry.Builder{Client: builders[0].Client}.Resolve(ctx, refs)
	if err != nil {
		return nil, err
	}
	dir, err := state.Dir()
	if err != nil {
		return nil, err
	}
	made := baseimages.Made(ctx, dir, setup.Registry)
	for _, ref := range refs {
		if d, ok := made.Digest(ref); ok && d == digests[ref] {
			return nil, fault.New(fault.Config, "go tool mage setup, then go tool mage lock",
				"asking for the digest of %q: %s is an image that setup made on this machine, which no other can get", ref, d)
		}
	}
	return digests, nil
}
