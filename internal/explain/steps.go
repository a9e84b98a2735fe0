package explain

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/25eloquence/compose-mage/internal/buildinputs"
	"github.com/25eloquence/compose-mage/internal/dockerfile"
	"github.com/25eloquence/compose-mage/internal/secret"
)

// shown is the head of a step's name as BuildKit's dockerfile2llb makes it: platform and stage where there are several,
// then the number.
var shown = regexp.MustCompile(`^\[([^\]]*?)\s*(\d+)/(\d+)\] (.*)$`)

// assign finds the nodes of the steps that ran, and gives the steps that are not of this Dockerfile. Of a step that
// appears several times (for several platforms) the slowest counts.
func assign(
	p *dockerfile.Plan, steps []buildinputs.Step,
) (ran map[*dockerfile.Node]buildinputs.Step, others []buildinputs.Step) {
	ran = map[*dockerfile.Node]buildinputs.Step{}
	for _, s := range steps {
		m := shown.FindStringSubmatch(s.Name)
		if s.Cached || m == nil {
			continue
		}
		n := find(p, s.Name)
		switch {
		case n == nil && !strings.HasPrefix(m[4], "FROM "):
			others = append(others, s)
		case n != nil:
			if old, twice := ran[n]; twice {
				s.Failed = s.Failed || old.Failed
				s.Seconds = max(s.Seconds, old.Seconds)
			}
			ran[n] = s
		}
	}
	return ran, others
}

// find gives the node of a step's name; nil for none. A step that images share bears the name that one of their
// Dockerfiles gives it, and after an ONBUILD of the base the numbers are others: the step is then found by what it
// does.
func find(p *dockerfile.Plan, name string) *dockerfile.Node {
	m := shown.FindStringSubmatch(name)
	if m == nil {
		return nil
	}
	index, _ := strconv.Atoi(m[2])
	total, _ := strconv.Atoi(m[3])
	what := strings.Join(strings.Fields(strings.TrimPrefix(m[4], "LINK ")), " ")
	word, _, _ := strings.Cut(what, " ")
	s := stageOf(p, m[1])
	if s != nil && total == s.Total {
		for _, n := range s.Nodes {
			if n.Index == index && n.Index > 0 && string(n.Kind) == word {
				return n
			}
		}
	}
	var found *dockerfile.Node
	for _, n := range p.Nodes {
		if n.IsStep() && does(n, what) && (found == nil || n.Stage == s && found.Stage != s) {
			found = n
		}
	}
	return found
}

// does says whether BuildKit's text of a step is the node's.
func does(n *dockerfile.Node, what string) bool {
	if ref, isFrom := strings.CutPrefix(what, "FROM "); isFrom {
		full, _ := dockerfile.FullReference(n.Image)
		name, _, _ := strings.Cut(ref, "@")
		return n.Kind == dockerfile.From && name == full
	}
	if n.Kind == dockerfile.From {
		return false
	}
	return slices.ContainsFunc(n.Shown, func(text string) bool {
		// a heredoc's first line
		return what == text || strings.HasPrefix(what, text+" (") && strings.Contains(text, "<<")
	})
}

// stageOf finds the stage of a step's name; the platform may stand before it.
func stageOf(p *dockerfile.Plan, head string) *dockerfile.Stage {
	fields := strings.Fields(head)
	name := ""
	if len(fields) > 0 && !strings.Contains(fields[len(fields)-1], "/") {
		name = fields[len(fields)-1]
	}
	for _, s := range p.Stages {
		if s.Name == name || s.Name == "" && name == "stage-0" || name == "" && len(p.Stages) == 1 {
			return s
		}
	}
	return nil
}

// counterpart finds the node of p that is the same step as n, a node of another plan.
func counterpart(p *dockerfile.Plan, n *dockerfile.Node) *dockerfile.Node {
	for _, s := range p.Stages {
		if s.Given() != n.Stage.Given() || s.Given() == "" && s.Index != n.Stage.Index {
			continue
		}
		for _, o := range s.Nodes {
			if o.Kind == n.Kind && o.Instruction != nil && n.Instruction != nil &&
				o.Instruction.Text == n.Instruction.Text {
				return o
			}
		}
	}
	return nil
}

// addBases takes the digests out of the names of FROM steps: "[build 1/9] FROM docker.io/library/golang:1.26@sha256:…".
func addBases(r *buildinputs.Record, steps []buildinputs.Step) {
	for _, s := range steps {
		_, ref, ok := strings.Cut(s.Name, "FROM ")
		if !ok || !strings.HasPrefix(s.Name, "[") && !strings.HasPrefix(s.Name, "FROM ") {
			continue
		}
		if name, digest, pinned := strings.Cut(strings.Fields(ref + " ")[0], "@"); pinned {
			r.AddBase(name, digest)
		}
	}
}

// settle notes what became of each step. BuildKit tells nothing of the steps that it did not get to.
func settle(r *buildinputs.Record, steps []buildinputs.Step) {
	p, err := r.Plan()
	if err != nil {
		return
	}
	r.Failed = false
	for _, s := range steps {
		state := buildinputs.Ran
		switch {
		case s.Failed:
			state, r.Failed = buildinputs.Failed, true
		case s.Cached:
			state = buildinputs.Cached
		}
		n := find(p, s.Name)
		for i := range r.Steps {
			if n != nil && r.Steps[i].Line == n.Line && r.Steps[i].State != buildinputs.Failed {
				r.Steps[i].State, r.Steps[i].Seconds = state, s.Seconds
			}
		}
	}
}

// label is the step as BuildKit shows it, with the Dockerfile's text.
func label(n *dockerfile.Node) string {
	if n.Instruction == nil {
		return ""
	}
	text := shorten(secret.Masked(n.Instruction.Short), labelLength)
	if n.Index == 0 {
		return text
	}
	name := ""
	if n.Stage.Name != "" {
		name = n.Stage.Name + " "
	}
	width := int(1 + math.Log10(float64(n.Stage.Total)))
	return fmt.Sprintf("[%s%*d/%d] %s", name, width, n.Index, n.Stage.Total, text)
}

const labelLength = 80

func shorten(s string, to int) string {
	runes := []rune(s)
	if len(runes) <= to {
		return s
	}
	return string(runes[:to-1]) + "…"
}
