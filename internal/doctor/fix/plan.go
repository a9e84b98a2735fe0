// Package fix owns how findings of doctor are made to go: a change of a file or an action on the engine for each, which
// is shown, agreed to, proved on the model before a file is touched, made, and proved again by the finding's own check.
package fix

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/25eloquence/compose-mage/internal/compose"
	"github.com/25eloquence/compose-mage/internal/doctor/check"
	"github.com/25eloquence/compose-mage/internal/doctor/edit"
	"github.com/25eloquence/compose-mage/internal/fault"
)

// State is what became of a fix.
type State string

// The states.
const (
	Proposed State = "proposed" // it would be made
	Left     State = "left"     // nobody agreed to it
	Refused  State = "refused"  // it can't be made
	Agreed   State = "agreed"   // it is to be made
	Done     State = "done"     // it was made, and the finding is gone
	Remains  State = "remains"  // it was made, and the finding is there all the same
	Failed   State = "failed"   // making it failed
)

// Fix is what is done about one finding.
type Fix struct {
	ID       string    `json:"id"`                 // of the finding
	Subjects []string  `json:"subjects,omitempty"` // its services
	Evidence string    `json:"evidence"`           // what was seen
	Class    check.Fix `json:"class"`              // safe: it can't break a service; ask: a person has to agree
	State    State     `json:"state"`              // proposed, left, refused, done, remains or failed
	Diff     []string  `json:"diff,omitempty"`     // of the files, unified; what looks like a secret is left out
	Recreate []string  `json:"recreate,omitempty"` // the services that the next start makes anew for it
	// Action is what is done on the engine: restart, or cleanup.
	Action check.Action `json:"action,omitempty"`
	Why    string       `json:"why,omitempty"`  // it is left or refused, remains or failed
	Next   string       `json:"next,omitempty"` // what to type, or to write by hand

	finding check.Finding
	hashes  []string  // of the services to recreate, before and after
	changes []content // of files, whole
}

// content is what a file has, and is to have.
type content struct {
	path   string
	before []byte
	made   bool // the file is not there before
	after  []byte
}

// Report is what a run of doctor -fix did, or would do.
type Report struct {
	Project string `json:"project,omitempty"` // "" where its Compose files do not load
	Fixes   []Fix  `json:"fixes"`             // of the findings that have a fix
}

// Options are what a plan needs.
type Options struct {
	Model *compose.Model // nil where the files do not load
	// Load gives the model with other texts in the place of Compose files.
	Load     func(ctx context.Context, instead map[string][]byte) (*compose.Model, error)
	Findings []check.Finding
	// Decide says whether a fix is agreed to, or why it is left, with what to type for it. It is asked once for each.
	Decide func(ctx context.Context, f Fix) (agreed bool, why, next string, err error)
}

// planner makes the fixes one after the other, each upon what the ones before have made of the files.
type planner struct {
	Options
	texts map[string]content // by path
	model *compose.Model     // as the texts are
}

// Plan makes a fix of each finding that has one, asks whether it is agreed to, and leaves all files as they are. Each
// edit is tried on the model, and refused where the model would differ in more than that key.
func Plan(ctx context.Context, o Options) (Report, error) {
	p := &planner{Options: o, texts: map[string]content{}, model: o.Model}
	r := Report{Fixes: []Fix{}}
	if o.Model != nil {
		r.Project = o.Model.Project.Name
	}
	waiting := fixable(o.Findings)
	if err := p.begin(ctx, waiting); err != nil {
		return r, err
	}
	for len(waiting) > 0 {
		var again, refused []Fix
		for _, f := range waiting {
			if err := p.try(ctx, &f); err != nil {
				return r, err
			}
			if f.State == Refused {
				again = append(again, Fix{finding: f.finding, Class: f.Class, Action: f.Action})
				refused = append(refused, f)
				continue
			}
			r.Fixes = append(r.Fixes, f)
		}
		if len(again) == len(waiting) || len(again) == 0 { // none of the others has made way for these
			for _, f := range refused {
				_, _, _, err := o.Decide(ctx, f) // which shows it
				if err != nil {
					return r, err
				}
			}
			r.Fixes = append(r.Fixes, refused...)
			break
		}
		waiting = again
	}
	return r, nil
}

// begin reads the Compose files where one is to be changed, and the model of just these texts: whoever changes a file
// while fixes are planned is noticed when it is written, and is in none of the comparisons.
func (p *planner) begin(ctx context.Context, fixes []Fix) (err error) {
	edits := slices.ContainsFunc(fixes, func(f Fix) bool { return len(f.finding.Edits) > 0 })
	if p.Model == nil || !edits {
		return nil
	}
	instead := map[string][]byte{}
	for _, path := range p.Model.Files {
		if c, err := p.read(path, false); err == nil { // the others are not this machine's
			p.texts[path], instead[path] = c, c.after
		}
	}
	p.model, err = p.Load(ctx, instead)
	return err
}

// fixable are the findings that have a fix.
func fixable(all []check.Finding) []Fix {
	var out []Fix
	for _, f := range all {
		action, class := check.ActionOf(f.ID)
		if len(f.Edits) > 0 {
			action, class = check.NoAction, f.Fix
		}
		if len(f.Edits) > 0 || action != check.NoAction {
			out = append(out, Fix{finding: f, Class: class, Action: action})
		}
	}
	return out
}

// try makes a fix out of its finding, and has it decided.
func (p *planner) try(ctx context.Context, f *Fix) error {
	f.ID, f.Subjects, f.Evidence = f.finding.ID, f.finding.Subjects, f.finding.Evidence
	f.State, f.Next = Proposed, f.finding.Remedy
	if f.Action != check.NoAction {
		f.Next = command(*f)
		return p.decide(ctx, f)
	}
	tried, err := p.edited(f)
	if err == nil {
		var model *compose.Model
		if model, err = p.proved(ctx, f, tried); err == nil {
			for _, c := range f.changes {
				f.Diff = append(f.Diff, shown(c, p.dir())...)
			}
			if err = p.decide(ctx, f); err == nil && f.State != Left {
				p.texts, p.model = tried, model
			}
			return err
		}
	}
	var refusal *edit.Refusal
	if !errors.As(err, &refusal) {
		return err
	}
	f.State, f.Why, f.Next = Refused, refusal.Why, byHand(f.finding.Edits)
	if refusal == already { // what runs is older than the files
		f.Next = "go tool mage start " + fault.Quote(f.Subjects...)
	}
	return nil
}

func (p *planner) decide(ctx context.Context, f *Fix) error {
	agreed, why, next, err := p.Decide(ctx, *f)
	if err != nil {
		return err
	}
	switch {
	case agreed:
		f.State = Agreed
	case why != "":
		f.State, f.Why, f.Next = Left, why, next
	}
	return nil
}

// already is why nothing is edited.
var already = &edit.Refusal{Why: "the files have it already, and what runs is older"}

// edited makes the edits of a fix in the texts as they are by now.
func (p *planner) edited(f *Fix) (map[string]content, error) {
	texts := map[string]content{}
	for path, c := range p.texts {
		texts[path] = c
	}
	f.changes = nil
	for _, e := range f.finding.Edits {
		path, err := p.fileOf(e)
		if err != nil {
			return nil, err
		}
		c, known := texts[path]
		if !known {
			if c, err = p.read(path, len(e.Lines) > 0); err != nil {
				return nil, err
			}
		}
		after := edit.Ignore(c.after, e.Lines)
		if len(e.Lines) == 0 {
			if after, err = edit.Apply(c.after, e); err != nil {
				return nil, within(p.shortest(path), err)
			}
		}
		i := slices.IndexFunc(f.changes, func(o content) bool { return o.path == path })
		if i < 0 {
			f.changes = append(f.changes, content{path: path, before: c.after, made: c.made && len(c.after) == 0})
			i = len(f.changes) - 1
		}
		f.changes[i].after = after
		c.after = after
		texts[path] = c
	}
	if !slices.ContainsFunc(f.changes, func(c content) bool { return string(c.before) != string(c.after) }) {
		return nil, already
	}
	return texts, nil
}

func within(file string, err error) error {
	var refusal *edit.Refusal
	if errors.As(err, &refusal) {
		return &edit.Refusal{Why: file + ": " + refusal.Why}
	}
	return err
}

// command is what to type for an action.
func command(f Fix) string {
	if f.Action == check.Cleanup {
		return "go tool mage cleanup"
	}
	return "go tool mage restart " + fault.Quote(f.Subjects...)
}

// byHand says what to write for edits.
func byHand(edits []check.Edit) string {
	var out []string
	for _, e := range edits {
		key := strings.Join(e.Path, ".")
		switch {
		case len(e.Lines) > 0:
			out = append(out, strings.Join(e.Lines, ", ")+" in "+e.File)
		case e.Delete:
			out = append(out, "take "+key+" out")
		default:
			out = append(out, key+": "+e.Value)
		}
	}
	return "by hand: " + strings.Join(out, "; ")
}
