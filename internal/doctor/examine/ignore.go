package examine

import (
	"slices"

	"github.com/25eloquence/compose-mage/internal/doctor/check"
	"github.com/25eloquence/compose-mage/internal/doctor/subject"
	"github.com/25eloquence/compose-mage/internal/extension"
	"github.com/25eloquence/compose-mage/internal/fault"
)

// The rules about what a Compose file does not want to be told. They can't be ignored themselves.
var ignoreRules = []check.Rule{
	{
		ID: "ignore.unknown", Title: "an id to ignore that is none", Where: check.Model, Worst: worstWarning,
		Basis: "this page", Fix: check.NoFix,
	},
	{
		ID: "ignore.stale", Title: "an id to ignore of which nothing is found any more", Where: check.Model,
		Worst: worstWarning, Basis: "this page", Fix: check.Safe,
	},
}

func ignoresOf(s *subject.Subject) []extension.Ignore { return extension.Ignores(s.Model.Project) }

// place gives the path of keys that has an ignore.
func place(i extension.Ignore) []string {
	path := []string{extension.Key, "doctor", "ignore", i.ID}
	if i.Service != "" {
		path = append([]string{"services", i.Service}, path...)
	}
	return path
}

// ignore takes the findings out that the Compose file does not want to be told, and reports ignores that name no rule,
// or nothing that is found.
func (r *Report) ignore(s *subject.Subject, ignores []extension.Ignore, rules []check.Rule) {
	r.Rules += len(ignoreRules)
	known := ids(rules)
	for _, i := range ignores {
		if !slices.Contains(known, i.ID) {
			r.Findings = append(r.Findings, check.Warn("ignore.unknown", "name an id of docs/doctor.md",
				"no finding has the id %q that x-compose-mage ignores%s", i.ID, fault.DidYouMean(i.ID, known)).
				Of(named(i.Service)...).At(s.Files.Place(place(i)...)))
			continue
		}
		if r.take(i) || r.notSeen(i.ID) {
			continue
		}
		r.Findings = append(r.Findings, check.Warn("ignore.stale", "take it out of the Compose file",
			"%s is ignored (%s), and nothing of it is found", i.ID, i.Reason).
			Of(named(i.Service)...).At(s.Files.Place(place(i)...)).
			Edited(check.Safe, check.Edit{Path: place(i), Delete: true}))
	}
}

func named(service string) []string {
	if service == "" {
		return nil
	}
	return []string{service}
}

// notSeen says whether findings of the id may be there all the same.
func (r *Report) notSeen(id string) bool {
	return slices.ContainsFunc(r.Unseen, func(u Unseen) bool { return slices.Contains(u.IDs, id) })
}

// take moves the findings of an ignore to the ignored, and says whether there were any. A finding about several
// services stays for the others.
func (r *Report) take(i extension.Ignore) bool {
	var left []check.Finding
	taken := false
	for _, f := range r.Findings {
		if f.ID != i.ID || i.Service != "" && !slices.Contains(f.Subjects, i.Service) {
			left = append(left, f)
			continue
		}
		taken = true
		gone := Ignored{ID: f.ID, Subjects: f.Subjects, Evidence: f.Evidence, Reason: i.Reason}
		if i.Service != "" {
			gone.Subjects = []string{i.Service}
			others := slices.DeleteFunc(slices.Clone(f.Subjects), func(s string) bool { return s == i.Service })
			if len(others) > 0 {
				f.Subjects = others
				f.Edits = slices.DeleteFunc(slices.Clone(f.Edits), func(e check.Edit) bool {
					return len(e.Path) > 1 && e.Path[1] == i.Service
				})
				left = append(left, f)
			}
		}
		r.Ignored = append(r.Ignored, gone)
	}
	r.Findings = left
	if r.Findings == nil {
		r.Findings = []check.Finding{}
	}
	return taken
}
