// Package explain owns why the steps of an image's build ran again: what a build read (the Dockerfile, the files that its
// steps copy, arguments, bases), kept from one build to the next, and the comparison of two of them step by step. It decides
// nothing: the builder alone knows what is stale, and a build is the same without any of this.
package explain

import (
	"fmt"
	"strings"

	"github.com/25eloquence/compose-mage/internal/buildcontext"
)

// Inputs is what the caller knows of an image that is built, or would be.
type Inputs struct {
	Project, Service string
	Dockerfile       string // its name, for people
	Text             string // what is in it
	Context          Tree
	Contexts         map[string]Tree // the additional ones, by name
	Args             map[string]string
	Options          map[string]string // what else changes the result of RUN steps: network, extra hosts
	Target           string            // the stage; "" for the last
	Platform         string            // "" for the builder's
	Bases            map[string]string // digests by reference, as far as known; those in the names of FROM steps are added
	Secrets          []string          // IDs; their values change no step and are not kept
	NoCache          bool
	// Stamp changes with anything that the image is built from; "" where the caller has none. It saves looking at the files
	// of a build that found nothing to do.
	Stamp string
}

// Tree is a build context: a directory, or the address of something else.
type Tree struct {
	Dir string // "" for what is not on this machine
	// Files gives what is in it less the patterns, where the caller has walked it anyway; nil where not.
	Files      func() ([]buildcontext.File, error)
	Patterns   []string
	IgnoreFile string
	Address    string // of a remote context or an image
}

// Step is a step of a build as BuildKit names it: "[build 4/9] COPY services/internal internal".
type Step struct {
	Name    string
	Cached  bool
	Failed  bool // it ran, and broke the build
	Seconds float64
}

// Reason says why one step ran, or would run.
type Reason struct {
	// Step is the step with BuildKit's numbering and the Dockerfile's text; without a number for a line that is no step.
	Step    string   `json:"step"`
	Line    int      `json:"line"` // of the Dockerfile
	Why     string   `json:"why"`
	Detail  []string `json:"detail,omitempty"`
	Seconds float64  `json:"seconds,omitempty"` // that it ran
}

// What is said where nothing in the inputs tells why a step ran.
const (
	firstBuild  = "first build of this image here"
	withoutIt   = "built without the cache, as asked"
	lostResult  = "the builder no longer had its result (pruned, or another builder)"
	failedThen  = "it failed in the last build"
	endedBefore = "the last build failed before it"
)

// Explain says for every step that ran, in the Dockerfile's order, why it did: what changed between the two builds. before
// is nil for the first. A step that only follows from an earlier one names that one's line. Lines that changed without making
// a step run are named too, since they change the image.
func Explain(before, after *Record, steps []Step) []Reason {
	p, err := after.plan()
	if err != nil {
		return nil // Take has refused such a Dockerfile
	}
	ran, others := p.assign(steps)
	e := explanation{after: after, before: before, ran: ran, reported: map[string]*node{}}
	if before == nil {
		return e.all(p, others, func(*node) string { return firstBuild })
	}
	old, err := before.plan()
	if err != nil {
		return e.all(p, others, func(*node) string { return lostResult })
	}
	e.causes, e.lines = compare(before, after, old, p)
	reasons := e.all(p, others, func(n *node) string { return e.otherwise(n, old) })
	return append(reasons, e.unreported(p)...)
}

// Predict says which steps a build would run now that the last one did not leave as they are: after is of Take at this
// moment.
func Predict(before, after *Record) ([]Reason, error) {
	p, err := after.plan()
	if err != nil {
		return nil, err
	}
	old, err := before.plan()
	if err != nil {
		return nil, err
	}
	e := explanation{after: after, before: before, ran: map[*node]Step{}, reported: map[string]*node{}}
	e.causes, e.lines = compare(before, after, old, p)
	moved := map[*node]bool{}
	for _, n := range p.nodes {
		again := len(e.causes[n]) > 0
		for _, d := range n.deps {
			again = again || moved[d]
		}
		again = again || e.unfinished(n, old) != ""
		if again {
			moved[n] = true
			e.ran[n] = Step{}
		}
	}
	reasons := e.all(p, nil, func(n *node) string { return e.unfinished(n, old) })
	return append(reasons, e.unreported(p)...), nil
}

// explanation is the state of one comparison while its reasons are written.
type explanation struct {
	before, after *Record
	causes        map[*node][]cause
	lines         []lineChange
	ran           map[*node]Step
	reported      map[string]*node // causes by key: the step at which each was told
	lost          map[*node]bool   // steps that ran for no known reason
}

// all gives a reason for each step that ran. otherwise is for those of which the inputs say nothing.
func (e *explanation) all(p *plan, others []Step, otherwise func(*node) string) []Reason {
	e.lost = map[*node]bool{}
	var out []Reason
	for _, n := range p.nodes {
		step, ran := e.ran[n]
		if !ran || !n.real() {
			continue
		}
		told := e.tell(n, step)
		if told == nil && n.kind == from {
			continue // that a base is pulled is no news
		}
		if told == nil && e.before != nil && !e.after.NoCache {
			told = e.follow(n, step)
		}
		if told == nil {
			e.lost[n] = true
			told = []Reason{{Step: n.label(), Line: n.line, Why: otherwise(n), Seconds: step.Seconds}}
		}
		out = append(out, told...)
	}
	for _, s := range others {
		out = append(out, Reason{Step: s.Name, Why: "no line of this Dockerfile: another image's name for a step that they share, or an ONBUILD of the base", Seconds: s.Seconds})
	}
	return maskedReasons(out)
}

// tell gives the step's own causes, but for those that an earlier step has told.
func (e *explanation) tell(n *node, step Step) []Reason {
	var out []Reason
	for _, c := range e.causes[n] {
		if e.reported[c.key] != nil {
			continue
		}
		e.reported[c.key] = n
		out = append(out, Reason{Step: n.label(), Line: n.line, Why: c.why, Detail: c.detail, Seconds: step.Seconds})
	}
	return out
}

// follow finds the nearest step that this one follows from.
func (e *explanation) follow(n *node, step Step) []Reason {
	r := Reason{Step: n.label(), Line: n.line, Seconds: step.Seconds}
	if own := e.causes[n]; len(own) > 0 {
		r.Why = followsFrom(e.reported[own[0].key], own[0])
		return []Reason{r}
	}
	seen := map[*node]bool{}
	for level := n.deps; len(level) > 0; {
		var next []*node
		for _, d := range level {
			if seen[d] {
				continue
			}
			seen[d] = true
			if e.lost[d] {
				r.Why = fmt.Sprintf("follows from line %d", d.line)
				return []Reason{r}
			}
			if causes := e.causes[d]; len(causes) > 0 {
				first := causes[0]
				at := e.reported[first.key]
				if at != nil {
					r.Why = followsFrom(at, first)
					return []Reason{r}
				}
				// The cause lies in something that did not run itself: a base, or a step whose result was at hand.
				e.reported[first.key] = n
				r.Why, r.Detail = first.why, first.detail
				if d.kind != from && d.kind != end {
					r.Why = fmt.Sprintf("follows from line %d: %s", d.line, first.why)
				}
				return []Reason{r}
			}
			next = append(next, d.deps...)
		}
		level = next
	}
	return nil
}

func followsFrom(n *node, c cause) string {
	if n == nil || n.line == 0 {
		return c.why
	}
	return fmt.Sprintf("follows from line %d", n.line)
}

// otherwise is why a step ran whose inputs are those of the last build.
func (e *explanation) otherwise(n *node, old *plan) string {
	if e.after.NoCache {
		return withoutIt
	}
	if why := e.unfinished(n, old); why != "" {
		return why
	}
	if len(n.remote) > 0 {
		return fmt.Sprintf("%s gave something else, or %s", strings.Join(n.remote, ", "), lostResult)
	}
	return lostResult
}

// unfinished says that the last build failed at or before a step; "" where it did not.
func (e *explanation) unfinished(n *node, old *plan) string {
	was := old.counterpart(n)
	if !e.before.Failed || was == nil || !n.real() || n.kind == from {
		return ""
	}
	switch e.before.state(was) {
	case stateFailed:
		return failedThen
	case stateNone:
		return endedBefore
	default:
		return ""
	}
}

// unreported names the changed lines that made no step run: they are part of the image's configuration.
func (e *explanation) unreported(p *plan) []Reason {
	var out []Reason
	if e.before.Target != e.after.Target && e.reported["target"] == nil {
		out = append(out, Reason{Why: targetChanged(e.before, e.after)})
	}
	for _, l := range e.lines {
		if e.reported[l.cause.key] != nil || !p.reached[l.stage] {
			continue
		}
		why := l.cause.why + " (no step runs again for it)"
		if l.step && !l.gone {
			why = l.cause.why + " (its result was at hand)"
		}
		out = append(out, Reason{Step: l.text, Line: l.line, Why: why, Detail: l.cause.detail})
	}
	return maskedReasons(out)
}
