package stack

import (
	"context"
	"os"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/25eloquence/compose-mage/internal/baseimages"
	"github.com/25eloquence/compose-mage/internal/bases"
	"github.com/25eloquence/compose-mage/internal/builder"
	"github.com/25eloquence/compose-mage/internal/compose"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/provision"
	"github.com/25eloquence/compose-mage/internal/registry"
	"github.com/25eloquence/compose-mage/internal/state"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// TestFile is the Compose file whose images run the services' tests while they are built, in the repositories that
// have one.
const TestFile = "compose/test.yaml"

// LockOptions are the choices of a lock of the base images.
type LockOptions struct {
	Options      // of the project, which is not opened: no engine need be there
	Check   bool // write nothing, and fail where something would change
}

// LockReport is what the registries made of the lock file.
type LockReport struct {
	File    string       `json:"file"`
	Changes []LockChange `json:"changes"` // by reference
	Locked  int          `json:"locked"`  // references that the file has then
}

// LockChange is what becomes of one reference.
type LockChange struct {
	Ref  string `json:"ref"`  // as the Dockerfile writes it: golang:1.26-bookworm
	From string `json:"from"` // sha256:…; "" where the reference is new
	To   string `json:"to"`   // sha256:…; "" where no Dockerfile starts from it any more
}

// LockBases moves docker/bases.lock, or the file that BASES_LOCK names, to the digests that the registries have now
// for the base images of the Dockerfiles, in every profile. Bases that setup made on this machine are left as they
// are.
func LockBases(ctx context.Context, o LockOptions) (LockReport, error) {
	report, err := unconnected(o.Options).lockBases(ctx, o.Check)
	return report, fault.Exit(ctx, err)
}

func (s *Stack) lockBases(ctx context.Context, check bool) (LockReport, error) {
	report := LockReport{File: bases.File(), Changes: []LockChange{}}
	old, err := bases.Read(report.File)
	if err != nil {
		return report, err
	}
	refs, err := s.baseRefs(ctx)
	if err != nil {
		return report, err
	}
	local, err := localBases()
	if err != nil {
		return report, err
	}
	for _, ref := range refs {
		if _, made := local.Digest(ref); made {
			s.out.Info("%s was made on this machine by setup: not asked for", ref)
		}
	}
	next, changes, err := bases.Refresh(ctx, throughBuilder{s}, refs, old, local)
	if err != nil {
		return report, err
	}
	report.Locked = next.Len()
	for _, c := range changes {
		report.Changes = append(report.Changes, LockChange{Ref: c.Ref, From: c.From.String(), To: c.To.String()})
		ui.Fprintf(s.out.Writer(), "%s\n", c)
	}
	switch {
	case len(changes) == 0:
		s.out.Done("%s: nothing changed, %d locked", report.File, next.Len())
		return report, nil
	case check:
		return report, fault.New(fault.Failed, "go tool mage lock",
			"%s is not up to date: %d of its bases would change", report.File, len(changes))
	}
	if err := next.Write(report.File); err != nil {
		return report, err
	}
	s.out.Done("%s: %d changed, %d locked", report.File, len(changes), next.Len())
	return report, nil
}

// baseRefs lists what the stack's Dockerfiles start from, in every profile, and those of the services' tests.
func (s *Stack) baseRefs(ctx context.Context) ([]string, error) {
	requests := []compose.Request{{Files: s.options.Files, AllProfiles: true, NoEnvFiles: true}}
	if _, err := os.Stat(TestFile); err == nil {
		requests = append(requests, compose.Request{Files: []string{TestFile}, AllProfiles: true, NoEnvFiles: true})
	}
	var all []string
	for _, request := range requests {
		model, err := compose.Load(ctx, request)
		if err != nil {
			return nil, err
		}
		refs, err := bases.Refs(model.Project)
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

// throughBuilder asks the builder for digests, and refuses those that setup made here: a setup of before there was
// a lock has not written them down, and its registry passes for Docker Hub's mirror.
type throughBuilder struct{ *Stack }

// Resolve connects only now: where nothing is to be asked, no builder is needed.
func (b throughBuilder) Resolve(ctx context.Context, refs []string) (map[string]digest.Digest, error) {
	var err error
	if b.setup, err = provision.Load(); err != nil {
		return nil, err
	}
	if b.Builder() == provision.EngineBuilder {
		if b.engine, err = engine.Connect(ctx); err != nil {
			return nil, err
		}
	}
	builders, err := b.connectBuilders(ctx)
	if err != nil {
		return nil, err
	}
	defer closeBuilders(builders)
	digests, err := registry.Builder{Client: builders[0].Client}.Resolve(ctx, refs)
	if err != nil {
		return nil, err
	}
	dir, err := state.Dir()
	if err != nil {
		return nil, err
	}
	made := baseimages.Made(ctx, dir, b.setup.Registry)
	for _, ref := range refs {
		if d, ok := made.Digest(ref); ok && d == digests[ref] {
			return nil, fault.New(fault.Config, "go tool mage setup, then go tool mage lock",
				"asking for the digest of %q: %s is an image that setup made on this machine, which no other can get",
				ref, d)
		}
	}
	return digests, nil
}

// moveLock asks the registries for the bases of what is built, and writes the digests that they have now into the
// lock file. Only what is locked is moved: for the others the builder asks itself.
func (p *project) moveLock(ctx context.Context, b *builder.Builder) error {
	file := bases.File()
	old, err := bases.Read(file)
	if err != nil {
		return err
	}
	all, err := bases.Refs(p.model.Project)
	if err != nil {
		return err
	}
	local, err := localBases()
	if err != nil {
		return err
	}
	var refs []string
	for _, ref := range all {
		if _, made := local.Digest(ref); made {
			p.out.Info("%s stays as it is: setup made it on this machine, and no registry has it", ref)
		} else if _, locked := old.Digest(ref); locked {
			refs = append(refs, ref)
		}
	}
	if len(refs) == 0 {
		return nil
	}
	next, changes, err := bases.Refresh(ctx, registry.Builder{Client: b.Client}, refs, old, local)
	if err != nil {
		return err
	}
	moved := 0
	for _, c := range changes {
		if c.To != "" { // the others are not built now
			p.out.Info("%s", c)
			moved++
		}
	}
	if moved == 0 {
		p.out.Info("%s: no newer base", file)
		return nil
	}
	return old.Merge(next).Write(file)
}
