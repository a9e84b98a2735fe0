package deploy

import (
	"fmt"
	"io"
	"strings"

	"github.com/25eloquence/compose-mage/internal/operation"
	"github.com/25eloquence/compose-mage/internal/swarmspec"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// Print writes the plan: what does not carry over, what is made, what becomes of each service with the keys that
// differ, and what stays.
func (p Plan) Print(w io.Writer) {
	p.printChanges(w)
	for _, n := range p.Notes {
		ui.Fprintf(w, "%s\n", n)
	}
	for _, o := range p.Operations {
		if o.Resource != "" && o.Kind == operation.Create {
			ui.Fprintf(w, "%s\n", o)
		}
	}
	kept := 0
	for _, s := range p.Steps {
		if s.Action == Keep {
			kept++
			continue
		}
		s.print(w)
	}
	for _, o := range p.Operations {
		if o.Resource != "" && o.Kind == operation.Remove {
			ui.Fprintf(w, "%s\n", o)
		}
	}
	for _, name := range p.Orphans {
		ui.Fprintf(w, "%s stays, though %s; -remove-orphans removes it\n", name, gone)
	}
	if kept > 0 {
		ui.Fprintf(w, "as they should be: %d of %d services\n", kept, len(p.Steps))
	}
}

// printChanges says what does not carry over, those that are said of several services once.
func (p Plan) printChanges(w io.Writer) {
	services, first := map[string][]string{}, map[string]swarmspec.Change{}
	var order []string
	for _, c := range p.Changes {
		key := c.Path + "\x00" + c.Instead
		if len(services[key]) == 0 {
			order, first[key] = append(order, key), c
		}
		services[key] = append(services[key], c.Service)
	}
	for _, key := range order {
		c := first[key]
		text := c.Path + ": " + c.Instead
		if c.Service != "" {
			text = strings.Join(services[key], ", ") + ": " + text
		}
		if c.Where != "" {
			text = c.Where + ": " + text
		}
		ui.Fprintf(w, "%s\n", text)
	}
}

// PrintBrief writes what a deploy that goes on at once has to say before: what becomes of services and why, without
// each key, and how many keys do not carry over.
func (p Plan) PrintBrief(w io.Writer) {
	if len(p.Operations) == 0 {
		return
	}
	for _, n := range p.Notes {
		ui.Fprintf(w, "   %s\n", n)
	}
	for _, s := range p.Steps {
		if s.Action == Keep {
			continue
		}
		ui.Fprintf(w, "   %s\n", s)
		if s.Away != "" {
			ui.Fprintf(w, "     away meanwhile: %s\n", s.Away)
		}
	}
	if n := len(p.Changes); n > 0 {
		ui.Fprintf(w, "   %d keys do not carry over as they are; -dry-run says which\n", n)
	}
}

func (s Step) print(w io.Writer) {
	ui.Fprintf(w, "%s\n", s)
	if s.Action == Replace && s.Away != "" {
		ui.Fprintf(w, "  away meanwhile: %s\n", s.Away)
	}
	if s.Action != Replace && s.Action != Update {
		return
	}
	for _, d := range s.Differences {
		ui.Fprintf(w, "  %s\n", d)
	}
}

// String says what becomes of the service: "replace web when db is healthy, without down-time: image a -> b".
func (s Step) String() string {
	var b strings.Builder
	verb := string(s.Action)
	if s.Job && s.Action == Create {
		verb = "run"
	}
	b.WriteString(verb + " " + s.Service)
	for i, wait := range s.Waits {
		sep := ", "
		if i == 0 {
			sep = " when "
		}
		b.WriteString(sep + wait.String())
	}
	if s.Action == Replace && s.Away == "" {
		b.WriteString(", without down-time")
	}
	if s.Why != "" {
		b.WriteString(": " + s.Why)
	}
	return b.String()
}

// String is what must be true: "db is healthy".
func (w Wait) String() string {
	out := w.Service + " is started"
	switch w.Condition {
	case "service_healthy":
		out = w.Service + " is healthy"
	case "service_completed_successfully":
		out = w.Service + " has completed"
	}
	if w.Optional {
		out += " (optional)"
	}
	return out
}

// Summary is one line of what the plan comes to: "1 created, 2 replaced, 3 as they should be".
func (p Plan) Summary() string {
	counts := map[Action]int{}
	for _, s := range p.Steps {
		counts[s.Action]++
	}
	var parts []string
	for _, a := range []struct {
		action Action
		text   string
	}{
		{Create, "%d to create"},
		{Replace, "%d to replace"},
		{Update, "%d to update"},
		{Await, "%d to wait for"},
		{Remove, "%d to remove"},
		{Keep, "%d as they should be"},
	} {
		if n := counts[a.action]; n > 0 {
			parts = append(parts, fmt.Sprintf(a.text, n))
		}
	}
	return strings.Join(parts, ", ")
}
