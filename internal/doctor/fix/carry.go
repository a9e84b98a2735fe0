package fix

import (
	"context"
	"errors"
	"slices"

	"github.com/25eloquence/compose-mage/internal/doctor/check"
	"github.com/25eloquence/compose-mage/internal/fault"
)

// WriteFiles makes the changes of files that were agreed to, each file in one step. A fix of a file that could not be
// changed has failed; the others are made.
func (r *Report) WriteFiles(ctx context.Context) error {
	var all []content
	for _, f := range r.Fixes {
		for _, c := range f.changes {
			if f.State != Agreed {
				continue
			}
			if i := slices.IndexFunc(all, func(o content) bool { return o.path == c.path }); i >= 0 {
				all[i].after = c.after // which was made of the one before
				continue
			}
			all = append(all, c)
		}
	}
	var failures []error
	for _, c := range all {
		err := ctx.Err()
		if err == nil {
			err = write(c)
		}
		if err == nil {
			continue
		}
		failures = append(failures, err)
		r.fail(err, func(f Fix) bool {
			return slices.ContainsFunc(f.changes, func(o content) bool { return o.path == c.path })
		})
	}
	return errors.Join(failures...)
}

// Act does what was agreed to on the engine, each action once, for all services that it is of.
func (r *Report) Act(ctx context.Context, do func(context.Context, check.Action, []string) error) error {
	var failures []error
	for _, action := range []check.Action{check.Cleanup, check.Restart} {
		var services []string
		agreed := false
		for _, f := range r.Fixes {
			if f.State == Agreed && f.Action == action {
				agreed, services = true, append(services, f.Subjects...)
			}
		}
		if !agreed {
			continue
		}
		slices.Sort(services)
		if err := do(ctx, action, slices.Compact(services)); err != nil {
			failures = append(failures, err)
			r.fail(err, func(f Fix) bool { return f.Action == action })
		}
	}
	return errors.Join(failures...)
}

// fail marks the fixes that an error is of.
func (r *Report) fail(err error, of func(Fix) bool) {
	for i, f := range r.Fixes {
		if f.State == Agreed && of(f) {
			r.Fixes[i].State, r.Fixes[i].Why = Failed, check.FirstLine(err)
		}
	}
}

// Made says whether anything was done, so that it is to be proved.
func (r *Report) Made() bool {
	return slices.ContainsFunc(r.Fixes, func(f Fix) bool { return f.State == Agreed })
}

// Prove holds what was made against what is found now, by the same checks.
func (r *Report) Prove(now []check.Finding) {
	for i, f := range r.Fixes {
		if f.State != Agreed {
			continue
		}
		r.Fixes[i].State = Done
		for _, found := range now {
			if f.same(found) {
				r.Fixes[i].State, r.Fixes[i].Why = Remains, "it is still found: "+found.Evidence
				if len(f.Recreate) > 0 {
					r.Fixes[i].Why += "; what runs was made before the edit"
					r.Fixes[i].Next = "go tool mage start " + fault.Quote(f.Recreate...)
				}
			}
		}
	}
}

// same says whether a finding is the one that the fix was to make go. What is seen of the engine has other numbers each
// time; of a finding about several services those count that the fix is of.
func (f Fix) same(found check.Finding) bool {
	if found.ID != f.ID || f.Action == check.NoAction && found.Evidence != f.Evidence {
		return false
	}
	services := f.Subjects
	if f.Action == check.NoAction {
		services = nil
		for _, e := range f.finding.Edits {
			if s := serviceOf(e); s != "" {
				services = append(services, s)
			}
		}
	}
	if len(services) == 0 {
		return samePlaces(f.finding.Places, found.Places)
	}
	return slices.ContainsFunc(services, func(s string) bool { return slices.Contains(found.Subjects, s) })
}

// samePlaces says whether two findings are about one file, if about any.
func samePlaces(a, b []check.Place) bool {
	return len(a) == 0 || slices.ContainsFunc(b, func(p check.Place) bool { return p.File == a[0].File })
}

// Verdict is an error where something was made and its finding is there all the same.
func (r *Report) Verdict() error {
	for _, f := range r.Fixes {
		if f.State == Remains {
			return fault.New(fault.Failed, f.Next, "doctor -fix: %s: %s", f.head(), f.Why)
		}
	}
	return nil
}
