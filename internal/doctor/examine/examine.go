// Package examine runs all checks of doctor at once, and owns what becomes of their findings: the order, those that a
// Compose file does not want to be told, those that could not be looked for, the verdict, and how it is all printed.
package examine

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/25eloquence/compose-mage/internal/doctor/check"
	"github.com/25eloquence/compose-mage/internal/doctor/subject"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/finding"
)

// longest is how long one check may take before it counts as one that could not look.
const longest = 20 * time.Second

// Check is a check of doctor.
type Check = check.Check[*subject.Subject]

// Report is what an examination found.
type Report struct {
	Project  string          `json:"project,omitempty"`
	Findings []check.Finding `json:"findings"`          // the worst first
	Ignored  []Ignored       `json:"ignored,omitempty"` // what the Compose file does not want to be told
	Unseen   []Unseen        `json:"unseen,omitempty"`  // what could not be looked for, or not everywhere
	Rules    int             `json:"rules"`             // the kinds of findings that were looked for
	Seconds  float64         `json:"seconds"`           // that the examination took
}

// Ignored is a finding that the Compose file does not want to be told.
type Ignored struct {
	ID       string   `json:"id"`
	Subjects []string `json:"subjects,omitempty"`
	Evidence string   `json:"evidence"`
	Reason   string   `json:"reason"` // the Compose file's
}

// Unseen are kinds of findings that could not be looked for, or not everywhere.
type Unseen struct {
	IDs []string `json:"ids"`
	Why string   `json:"why"`
}

// outcome is what one check came to.
type outcome struct {
	rules []check.Rule
	found []check.Finding
	err   error
}

// Run runs the checks. An error means that it was interrupted.
func Run(ctx context.Context, s *subject.Subject, checks []Check) (Report, error) {
	began := time.Now()
	outcomes := make([]outcome, len(checks))
	var all sync.WaitGroup
	for i, c := range checks {
		all.Go(func() { outcomes[i] = run(ctx, s, c) })
	}
	all.Wait()
	if err := ctx.Err(); err != nil { // what was found meanwhile may only say that it was interrupted
		return Report{}, err
	}
	r := judge(s, outcomes)
	r.Seconds = time.Since(began).Seconds()
	return r, nil
}

// run runs one check, and leaves one behind that does not come to an end.
func run(ctx context.Context, s *subject.Subject, c Check) outcome {
	within, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	done := make(chan outcome, 1)
	go func() {
		found, err := c.Look(within, s)
		done <- outcome{rules: c.Rules, found: found, err: err}
	}()
	select {
	case o := <-done:
		return o
	case <-within.Done():
		return outcome{rules: c.Rules, err: check.NotSeen("it took longer than %s", longest)}
	}
}

// judge makes the report of what the checks came to.
func judge(s *subject.Subject, outcomes []outcome) Report {
	r := Report{Findings: []check.Finding{}}
	var rules []check.Rule
	unseen := map[string][]string{} // ids by reason
	for _, o := range outcomes {
		rules = append(rules, o.rules...)
		for _, f := range o.found {
			if f.Severity != finding.OK && s.Asked(f.Subjects) {
				r.Findings = append(r.Findings, f)
			}
		}
		if o.err != nil {
			why := check.FirstLine(o.err)
			unseen[why] = append(unseen[why], notSeen(o)...)
		}
	}
	for why, which := range unseen {
		slices.Sort(which)
		r.Unseen = append(r.Unseen, Unseen{IDs: slices.Compact(which), Why: why})
	}
	slices.SortFunc(r.Unseen, func(a, b Unseen) int { return cmp.Compare(a.IDs[0], b.IDs[0]) })
	r.Rules = len(rules)
	if s.Model != nil {
		r.Project = s.Model.Project.Name
		r.ignore(s, ignoresOf(s), rules)
	}
	slices.SortStableFunc(r.Findings, func(a, b check.Finding) int {
		return cmp.Or(cmp.Compare(b.Severity, a.Severity), cmp.Compare(a.ID, b.ID),
			cmp.Compare(strings.Join(a.Subjects, ","), strings.Join(b.Subjects, ",")))
	})
	return r
}

// notSeen are the ids that a check could not look for.
func notSeen(o outcome) []string {
	if some := (*check.Unseen)(nil); errors.As(o.err, &some) && len(some.IDs) > 0 {
		return some.IDs
	}
	return ids(o.rules)
}

func ids(rules []check.Rule) []string {
	out := make([]string, 0, len(rules))
	for _, r := range rules {
		out = append(out, r.ID)
	}
	return out
}

// count gives how many findings are that bad.
func (r Report) count(s finding.Severity) int {
	n := 0
	for _, f := range r.Findings {
		if f.Severity == s {
			n++
		}
	}
	return n
}

// The findings that an examination may fail of.
const (
	FailOnError   = "error"
	FailOnWarning = "warning"
	FailOnNever   = "never"
)

// CheckFailOn says what is wrong with a choice of findings to fail of.
func CheckFailOn(what string) error {
	known := []string{FailOnError, FailOnWarning, FailOnNever}
	if slices.Contains(known, what) {
		return nil
	}
	return fault.New(fault.Usage, "go tool mage doctor -fail-on=warning", "-fail-on=%s is none of %s%s", what,
		strings.Join(known, ", "), fault.DidYouMean(what, known))
}

// Verdict is an error where something was found that is as bad as failOn says: with the exit code of the first
// failure, or 1.
func (r Report) Verdict(failOn string) error {
	worst := map[string]finding.Severity{FailOnError: finding.Failure, FailOnWarning: finding.Warning}[failOn]
	if worst == finding.OK {
		return nil
	}
	if len(r.Findings) == 0 || r.Findings[0].Severity < worst { // the worst are first
		return nil
	}
	f := r.Findings[0]
	return fault.New(cmp.Or(f.Code, fault.Failed), f.Remedy, "doctor: %s; the first is %s: %s", r.severities(), f.ID,
		f.Text())
}
