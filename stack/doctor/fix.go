package doctor

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"slices"

	"github.com/moby/term"

	"github.com/25eloquence/compose-mage/internal/compose"
	"github.com/25eloquence/compose-mage/internal/doctor/check"
	"github.com/25eloquence/compose-mage/internal/doctor/examine"
	"github.com/25eloquence/compose-mage/internal/doctor/fix"
	"github.com/25eloquence/compose-mage/internal/doctor/subject"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/shape"
	"github.com/25eloquence/compose-mage/internal/state"
	"github.com/25eloquence/compose-mage/internal/ui"
	"github.com/25eloquence/compose-mage/stack"
)

// FixOptions are the choices of a fix. The zero value asks on standard input where that is a terminal, and does nothing
// elsewhere.
type FixOptions struct {
	Options
	Only   []string // the ids of the findings that are to go; empty is all
	Yes    bool     // without asking, what can't break a service, and what Only names
	DryRun bool     // only show
	Input  io.Reader
	Output io.Writer // os.Stdout where it is nil
}

// FixReport is what was done about findings, or would be; its JSON is in docs/json.md.
type FixReport struct {
	Project string  `json:"project,omitempty"` // "" where its Compose files do not load
	Fixes   []Fixed `json:"fixes"`
}

// Fixed is what was done about one finding.
type Fixed struct {
	ID       string   `json:"id"`                 // of the finding: docs/doctor.md
	Subjects []string `json:"subjects,omitempty"` // its services
	Evidence string   `json:"evidence"`           // what was seen
	Class    string   `json:"class"`              // safe: it can't break a service; ask: a person has to agree
	State    string   `json:"state"`              // proposed, left, refused, done, remains or failed
	Diff     []string `json:"diff,omitempty"`     // of the files, unified; what looks like a secret is left out
	Recreate []string `json:"recreate,omitempty"` // the services that the next start makes anew for it
	// Action is what is done on the engine: restart, or cleanup.
	Action string `json:"action,omitempty"`
	Why    string `json:"why,omitempty"`  // it is left or refused, remains or failed
	Next   string `json:"next,omitempty"` // what to type, or to write by hand
}

// Fix makes findings go: it shows for each what it would do, a change of a file as a diff, does what is agreed to, and
// looks again. It never changes a file that is remote, included, extended or a link, nor one by more than its diff. An
// error says that something failed, or that a finding is there all the same.
func Fix(ctx context.Context, o FixOptions) (FixReport, error) {
	if o.Output == nil {
		o.Output = os.Stdout
	}
	if o.Input == nil {
		o.Input = os.Stdin
	}
	r, err := fixed(ctx, o, ui.New(o.Output))
	if err != nil && len(r.Fixes) == 0 {
		return FixReport{}, fault.Exit(ctx, err)
	}
	out, shapeErr := shape.Into[FixReport](r)
	return out, fault.Exit(ctx, errors.Join(err, shapeErr))
}

func fixed(ctx context.Context, o FixOptions, out *ui.Out) (fix.Report, error) {
	if err := checkOnly(o.Only); err != nil {
		return fix.Report{}, err
	}
	given, err := look(ctx, o.Options)
	if err != nil {
		return fix.Report{}, err
	}
	found, err := examine.Run(ctx, subject.New(given), checks(o.Options))
	if err != nil {
		return fix.Report{}, err
	}
	title := "doctor -fix"
	if found.Project != "" {
		title += ": " + found.Project
	}
	out.Title("%s", title)
	whole := given.Model // an edit must change none of the services that are not named either
	load := func(ctx context.Context, instead map[string][]byte) (*compose.Model, error) {
		request := requestOf(o.Options, given)
		request.Services, request.Instead = nil, instead
		return compose.Load(ctx, request)
	}
	if whole != nil && len(o.Services) > 0 {
		if whole, err = load(ctx, nil); err != nil {
			return fix.Report{}, err
		}
	}
	asker := &fix.Asker{Out: out, In: person(o.Input, out), DryRun: o.DryRun, Yes: o.Yes, Only: o.Only}
	r, err := fix.Plan(ctx, fix.Options{
		Model: whole, Load: load, Decide: asker.Decide,
		Findings: slices.DeleteFunc(found.Findings, func(f check.Finding) bool {
			return len(o.Only) > 0 && !slices.Contains(o.Only, f.ID)
		}),
	})
	if err != nil {
		return r, err
	}
	if r.Made() {
		err = carried(ctx, o, &r, out)
	}
	r.PrintOutcome(out)
	if err == nil {
		err = errors.Join(r.Verdict(), nobody(r, asker))
	}
	return r, err
}

// carried does what was agreed to, and looks again.
func carried(ctx context.Context, o FixOptions, r *fix.Report, out *ui.Out) error {
	var err error
	if r.Project != "" { // without a project there is no file to change
		release, lockErr := state.LockProject(ctx, r.Project, out)
		if lockErr != nil {
			return lockErr
		}
		err = r.WriteFiles(ctx)
		release() // what is done on the engine takes the project by itself
	}
	err = errors.Join(err, r.Act(ctx, func(ctx context.Context, action check.Action, services []string) error {
		s, err := stack.Open(ctx, stack.Options{Files: o.Files, Output: o.Output, Errors: o.Output})
		if err != nil {
			return err
		}
		if action == check.Cleanup {
			_, err = s.Cleanup(ctx, stack.CleanupOptions{})
			return err
		}
		_, err = s.Restart(ctx, stack.RestartOptions{Services: services})
		return err
	}))
	if ctx.Err() != nil || !r.Made() {
		return err
	}
	again, lookErr := run(ctx, o.Options)
	if lookErr == nil {
		r.Prove(again.Findings)
	}
	return errors.Join(err, lookErr)
}

// person is who is asked; nil for nobody.
func person(in io.Reader, out *ui.Out) *bufio.Reader {
	if f, ok := in.(*os.File); ok && (!term.IsTerminal(f.Fd()) || !out.Terminal()) {
		return nil
	}
	return bufio.NewReader(in)
}

// nobody is an error where something was to be asked, and nobody could be.
func nobody(r fix.Report, a *fix.Asker) error {
	if a.In != nil || a.Yes || a.DryRun || !slices.ContainsFunc(r.Fixes, func(f fix.Fix) bool {
		return f.State == fix.Left
	}) {
		return nil
	}
	return fault.New(fault.Usage, "go tool mage doctor -fix -yes, or go tool mage doctor -fix -dry-run",
		"nothing was done: there is no terminal to ask on")
}

// checkOnly refuses ids that are no rule's.
func checkOnly(only []string) error {
	var known []string
	for _, r := range examine.Rules(checks(Options{})) {
		known = append(known, r.ID)
	}
	for _, id := range only {
		if !slices.Contains(known, id) {
			return fault.New(fault.Usage, "go tool mage doctor, which names the ids", "no finding has the id %q%s", id,
				fault.DidYouMean(id, known))
		}
	}
	return nil
}
