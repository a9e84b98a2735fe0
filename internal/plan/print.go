package plan

import (
	"fmt"
	"io"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/ui"
)

// Print writes the plan, a line per service.
func (p Plan) Print(w io.Writer) {
	if p.Restart {
		p.printRestart(w)
	} else {
		p.printStart(w)
	}
	for _, text := range p.Kept {
		ui.Fprintf(w, "%s\n", text)
	}
}

// printStart writes a start's steps: of each its stage, what it waits for, and what it holds of the machine meanwhile.
func (p Plan) printStart(w io.Writer) {
	held := 0.0
	for _, s := range p.Steps {
		ui.Fprintf(w, "stage %d: %s\n", s.Stage, s)
		held += s.CPUs
	}
	ui.Fprintf(w, "at most %d containers start at a time", p.StartsAtOnce())
	if held > 0 {
		ui.Fprintf(w, "; services that reserve CPUs start as long as those still starting fit %d", p.CPUs)
	}
	ui.Fprintf(w, "\n")
}

// printRestart writes a restart's steps, and what stays as it is.
func (p Plan) printRestart(w io.Writer) {
	for _, s := range p.Steps {
		do := string(s.Do)
		if s.Do == ActionRoll {
			do = "replace without down-time"
		}
		ui.Fprintf(w, "stage %d: %s %s", s.Stage, do, s.Service)
		if s.Have > 1 && s.Do != ActionStart {
			ui.Fprintf(w, ", its %d replicas one at a time", s.Have)
		}
		ui.Fprintf(w, ": %s\n", s.Why)
		for _, why := range s.Refused {
			ui.Fprintf(w, "  can't be: %s\n", why)
		}
	}
	if text := p.leftAlone(); text != "" {
		ui.Fprintf(w, "%s\n", text)
	}
}

// leftAlone names the services that a restart does not touch; "" where it restarts all.
func (p Plan) leftAlone() string {
	switch {
	case len(p.Left) == 0:
		return ""
	case len(p.Steps) == 0:
		return "nothing changed in " + strings.Join(p.Left, ", ") + "; -all restarts all the same"
	}
	return "left alone: " + strings.Join(p.Left, ", ") + "; -all restarts them too"
}

// Announce says before a restart why each service is restarted, and of a start and a restart which volumes stay as
// they are.
func (p Plan) Announce(out *ui.Out) {
	if p.Restart && !p.All {
		for _, s := range p.Steps {
			out.Info("%s: %s", s.Service, s.Why)
		}
	}
	if text := p.leftAlone(); text != "" {
		out.Info("%s", text)
	}
	for _, text := range p.Kept {
		out.Warn("%s", text)
	}
}

// String says what the step does: "start web (3 replicas) when db is healthy; holds 0.5 CPUs until ready",
// "recreate web when db is healthy: its image changed".
func (s Step) String() string {
	var b strings.Builder
	verb := string(s.Do)
	if s.OneShot && s.Do == ActionStart {
		verb = "run"
	}
	b.WriteString(verb + " " + s.Service)
	if s.Replicas != 1 {
		fmt.Fprintf(&b, " (%d replicas)", s.Replicas)
	}
	for i, wait := range s.Waits {
		sep := ", "
		if i == 0 {
			sep = " when "
		}
		b.WriteString(sep + wait.String())
	}
	if s.CPUs > 0 {
		fmt.Fprintf(&b, "; holds %g CPUs until ready", s.CPUs)
	}
	if s.Why != "" {
		b.WriteString(": " + s.Why)
	}
	return b.String()
}

// String says what must be true: "db is healthy", "migrate has completed (optional)".
func (w Wait) String() string {
	out := w.Service + " is started"
	switch w.Condition {
	case types.ServiceConditionHealthy:
		out = w.Service + " is healthy"
	case types.ServiceConditionCompletedSuccessfully:
		out = w.Service + " has completed"
	}
	switch {
	case w.Optional && w.Restart:
		out += " (optional, restarts with it)"
	case w.Optional:
		out += " (optional)"
	case w.Restart:
		out += " (restarts with it)"
	}
	return out
}
