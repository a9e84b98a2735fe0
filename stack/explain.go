package stack

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"github.com/25eloquence/compose-mage/internal/bases"
	"github.com/25eloquence/compose-mage/internal/buildinputs"
	"github.com/25eloquence/compose-mage/internal/buildplan"
	"github.com/25eloquence/compose-mage/internal/explain"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/lifecycle"
	"github.com/25eloquence/compose-mage/internal/recreate"
	"github.com/25eloquence/compose-mage/internal/state"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// ExplainOptions are the choices of an explanation.
type ExplainOptions struct {
	Services []string // only these; empty is all
}

// Explanation is what is known of one image's builds on this machine.
type Explanation struct {
	Service string       `json:"service"`
	Last    *BuildRecord `json:"last,omitempty"` // nil where nothing is known of a build
	Since   []Reason     `json:"since"`          // the steps that the next build would run
}

// BuildRecord is what one build did.
type BuildRecord struct {
	Project string    `json:"project"`
	Service string    `json:"service"` // whose build section it was; several services may have the same
	Time    time.Time `json:"time"`
	Steps   int       `json:"steps"` // of the Dockerfile, bases not counted
	Ran     int       `json:"ran"`
	Failed  bool      `json:"failed,omitempty"`
	Reasons []Reason  `json:"reasons,omitempty"`
	// Earlier is the last build in which a step ran, where that is another one.
	Earlier *BuildRecord `json:"earlier,omitempty"`
}

// Reason says why one step ran, or would run.
type Reason struct {
	// Step has BuildKit's numbering and the Dockerfile's text, without a number for a line that is no step.
	Step    string   `json:"step"`
	Line    int      `json:"line"` // of the Dockerfile
	Why     string   `json:"why"`
	Detail  []string `json:"detail,omitempty"`
	Seconds float64  `json:"seconds,omitempty"` // that it ran
}

// Explain prints and gives, for each image, what its last build on this machine did and what has changed since.
// Nothing is built, and no registry is asked.
func (s *Stack) Explain(ctx context.Context, o ExplainOptions) ([]Explanation, error) {
	found, err := s.explain(ctx, o)
	return found, fault.Exit(ctx, err)
}

func (s *Stack) explain(ctx context.Context, o ExplainOptions) ([]Explanation, error) {
	p, err := s.loadOnly(ctx, o.Services)
	if err != nil {
		return nil, err
	}
	plan, err := buildplan.Make(p.model.Project, buildplan.Options{})
	if err != nil {
		return nil, err
	}
	dir, err := state.Dir()
	if err != nil {
		return nil, err
	}
	lock, err := p.lockedBases(dir)
	if err != nil {
		return nil, err
	}
	store := explain.NewStore(filepath.Join(dir, "inputs"))
	if len(p.named) > 0 {
		for _, name := range plan.Pulled {
			p.out.Info("%s: it has no build section", name)
		}
	}
	var all []Explanation
	var failed []error
	for _, t := range plan.Targets {
		e, err := p.explainImage(ctx, store, plan.Project, t, lock)
		if err != nil {
			failed = append(failed, fault.New(fault.Config, fault.Correct, "explaining %q: %w", t.Service, err))
			continue
		}
		all = append(all, e)
	}
	if len(p.named) > 0 {
		started, err := s.loadToStart(ctx, p.named)
		if err == nil {
			err = lifecycle.ExplainContainers(ctx, started.engine, started.model.Project,
				recreate.In(dir, started.model.Project.Name), p.named, p.out)
		}
		failed = append(failed, err)
	}
	return all, errors.Join(failed...)
}

func (p *project) explainImage(
	ctx context.Context, store *explain.Store, name string, t buildplan.Target, lock bases.Lock,
) (Explanation, error) {
	out := Explanation{Service: t.Service, Since: []Reason{}}
	last, err := store.Last(name, t.Key)
	if errors.Is(err, fs.ErrNotExist) {
		p.out.Info("%s: nothing is known of a build of it on this machine; go tool mage build %s", t.Service, t.Service)
		return out, nil
	}
	if err != nil {
		return out, err
	}
	if t.Key != t.Service {
		p.out.Info("%s has the same build section as %s: one image", t.Service, t.Key)
	}
	last.Print(p.out.Writer())
	in, err := buildinputs.Of(name, t)
	if err != nil {
		return out, err
	}
	in.Bases = map[string]string{}
	for _, ref := range lock.Refs() {
		digest, _ := lock.Digest(ref)
		in.Bases[ref] = digest.String()
	}
	since, err := store.Since(ctx, in)
	if err != nil {
		return out, err
	}
	explain.PrintSince(p.out.Writer(), since)
	for _, context := range slices.Sorted(maps.Keys(t.Needs)) {
		ui.Fprintf(p.out.Writer(), "  what has changed in %q counts here too: its image is the additional context %q\n",
			t.Needs[context].Service, context)
	}
	if out.Last, err = shaped[*BuildRecord](last); err != nil {
		return out, err
	}
	out.Since, err = shaped[[]Reason](append([]explain.Reason{}, since...))
	return out, err
}
