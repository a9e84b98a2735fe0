package targets

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"

	"github.com/25eloquence/compose-mage/internal/bases"
	"github.com/25eloquence/compose-mage/internal/buildinputs"
	"github.com/25eloquence/compose-mage/internal/buildplan"
	"github.com/25eloquence/compose-mage/internal/explain"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/state"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// Explain says which build steps ran again, or would, and why.
//
// For each image: what its last build on this machine did, then what has changed since. Nothing is built, and no registry is
// asked.
func Explain(ctx context.Context,
	services *string, // comma-separated services; all by default
) error {
	return fault.Exit(ctx, explainImages(ctx, services))
}

func explainImages(ctx context.Context, services *string) error {
	s, err := openOnly(ctx, services)
	if err != nil {
		return err
	}
	plan, err := buildplan.Make(s.stack.Project, buildplan.Options{})
	if err != nil {
		return err
	}
	dir, err := state.Dir()
	if err != nil {
		return err
	}
	lock, err := s.lockedBases(dir)
	if err != nil {
		return err
	}
	store := explain.NewStore(filepath.Join(dir, "inputs"))
	if services != nil {
		for _, name := range plan.Pulled {
			s.out.Info("%s: it has no build section", name)
		}
	}
	var failed []error
	for _, t := range plan.Targets {
		if err := s.explainImage(ctx, store, plan.Project, t, lock); err != nil {
			failed = append(failed, fault.New(fault.Config, fault.Correct, "explaining %q: %w", t.Service, err))
		}
	}
	return errors.Join(failed...)
}

func (s *session) explainImage(ctx context.Context, store *explain.Store, project string, t buildplan.Target, lock bases.Lock) error {
	last, err := store.Last(project, t.Key)
	if errors.Is(err, fs.ErrNotExist) {
		s.out.Info("%s: nothing is known of a build of it on this machine; go tool mage build %s", t.Service, t.Service)
		return nil
	}
	if err != nil {
		return err
	}
	if t.Key != t.Service {
		s.out.Info("%s has the same build section as %s: one image", t.Service, t.Key)
	}
	last.Print(s.out.Writer())
	in, err := buildinputs.Of(project, t)
	if err != nil {
		return err
	}
	in.Bases = map[string]string{}
	for _, ref := range lock.Refs() {
		digest, _ := lock.Digest(ref)
		in.Bases[ref] = digest.String()
	}
	since, err := store.Since(ctx, in)
	if err != nil {
		return err
	}
	explain.PrintSince(s.out.Writer(), since)
	for _, name := range slices.Sorted(maps.Keys(t.Needs)) {
		ui.Fprintf(s.out.Writer(), "  what has changed in %q counts here too: its image is the additional context %q\n", t.Needs[name].Service, name)
	}
	return nil
}
