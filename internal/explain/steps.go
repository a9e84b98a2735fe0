package explain

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// shown is the head of a step's name as BuildKit's dockerfile2llb makes it: platform and stage where there are several,
// then the number.
var shown = regexp.MustCompile(`^\[([^\]]*?)\s*(\d+)/(\d+)\] (.*)$`)

// assign finds the nodes of the steps that ran, and gives the ones that are not of this Dockerfile. Of a step that appears
// several times (for several platforms) the slowest counts.
func (p *plan) assign(steps []Step) (ran map[*node]Step, others []Step) {
	ran = map[*node]Step{}
	for _, s := range steps {
		m := shown.FindStringSubmatch(s.Name)
		if s.Cached || m == nil {
			continue
		}
		n := p.find(s.Name)
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

// find gives the node of a step's name; nil for none. A step that images share bears the name that one of their Dockerfiles
// gives it, and after an ONBUILD of the base the numbers are others: then what the step does tells it.
func (p *plan) find(name string) *node {
	m := shown.FindStringSubmatch(name)
	if m == nil {
		return nil
	}
	index, _ := strconv.Atoi(m[2])
	total, _ := strconv.Atoi(m[3])
	what := strings.Join(strings.Fields(strings.TrimPrefix(m[4], "LINK ")), " ")
	word, _, _ := strings.Cut(what, " ")
	s := p.stageOf(m[1])
	if s != nil && total == s.total {
		for _, n := range s.nodes {
			if n.index == index && n.index > 0 && string(n.kind) == word {
				return n
			}
		}
	}
	var found *node
	for _, n := range p.nodes {
		if n.real() && n.does(what) && (found == nil || n.stage == s && found.stage != s) {
			found = n
		}
	}
	return found
}

// does says whether BuildKit's text of a step is the node's.
func (n *node) does(what string) bool {
	if ref, isFrom := strings.CutPrefix(what, "FROM "); isFrom {
		full, _ := fullReference(n.image)
		name, _, _ := strings.Cut(ref, "@")
		return n.kind == from && name == full
	}
	if n.kind == from {
		return false
	}
	return slices.ContainsFunc(n.shown, func(text string) bool {
		return what == text || strings.HasPrefix(what, text+" (") && strings.Contains(text, "<<") // a heredoc's first line
	})
}

// stageOf finds the stage of a step's name; the platform may stand before it.
func (p *plan) stageOf(head string) *stage {
	fields := strings.Fields(head)
	name := ""
	if len(fields) > 0 && !strings.Contains(fields[len(fields)-1], "/") {
		name = fields[len(fields)-1]
	}
	for _, s := range p.stages {
		if s.name == name || s.name == "" && name == "stage-0" || name == "" && len(p.stages) == 1 {
			return s
		}
	}
	return nil
}

// counterpart finds the step of p that n was, in a plan of the same Dockerfile.
func (p *plan) counterpart(n *node) *node {
	for _, s := range p.stages {
		if s.named() != n.stage.named() || s.named() == "" && s.index != n.stage.index {
			continue
		}
		for _, o := range s.nodes {
			if o.kind == n.kind && o.in != nil && n.in != nil && o.in.text == n.in.text {
				return o
			}
		}
	}
	return nil
}

// basesOf takes the digests out of the names of FROM steps: "[build 1/9] FROM docker.io/library/golang:1.26@sha256:…".
func (r *Record) basesOf(steps []Step) {
	for _, s := range steps {
		_, ref, ok := strings.Cut(s.Name, "FROM ")
		if !ok || !strings.HasPrefix(s.Name, "[") && !strings.HasPrefix(s.Name, "FROM ") {
			continue
		}
		if name, digest, pinned := strings.Cut(strings.Fields(ref + " ")[0], "@"); pinned {
			r.base(name, digest)
		}
	}
}

// settle notes what became of each step. BuildKit tells nothing of those that it did not get to.
func (r *Record) settle(steps []Step) {
	p, err := r.plan()
	if err != nil {
		return
	}
	r.Failed = false
	for _, s := range steps {
		state := stateRan
		switch {
		case s.Failed:
			state, r.Failed = stateFailed, true
		case s.Cached:
			state = stateCached
		}
		n := p.find(s.Name)
		for i := range r.Steps {
			if n != nil && r.Steps[i].Line == n.line && r.Steps[i].State != stateFailed {
				r.Steps[i].State, r.Steps[i].Seconds = state, s.Seconds
			}
		}
	}
}
