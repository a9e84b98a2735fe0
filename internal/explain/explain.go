// Package explain owns why the steps of an image's build ran again: the comparison, step by step, of what two builds
// read (buildinputs), and of what BuildKit said of their steps. It decides nothing: the builder alone knows what is
// stale, and a build is the same without any of this.
package explain

import (
	"fmt"
	"strings"

	"github.com/25eloquence/compose-mage/internal/buildinputs"
	"github.com/25eloquence/compose-mage/internal/dockerfile"
)

// Reason says why one step ran, or would run.
type Reason struct {
	// Step is the step with BuildKit's numbering and the Dockerfile's text; without a number for a line that is no
	// step.
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

// Explain says for every step that ran, in the Dockerfile's order, why it did: what changed between the two builds.
// before is nil for the first. A step that only follows from an earlier one names that one's line. Lines that changed
// without making a step run are named too, since they change the image.
func Explain(before, after *buildinputs.Record, steps []buildinputs.Step) []Reason {
	p, err := after.Plan()
	if err != nil {
		return nil // Take has refused such a Dockerfile
	}
	ran, others := assign(p, steps)
	e := explanation{after: after, before: before, ran: ran, reported: map[string]*dockerfile.Node{}}
	if before == nil {
		return e.reasonsOfSteps(p, others, func(*dockerfile.Node) string { return firstBuild })
	}
	old, err := before.Plan()
	if err != nil {
		return e.reasonsOfSteps(p, others, func(*dockerfile.Node) string { return lostResult })
	}
	e.causes, e.lines = compare(before, after, old, p)
	reasons := e.reasonsOfSteps(p, others, func(n *dockerfile.Node) string { return e.reasonWithoutChange(n, old) })
	return append(reasons, e.reasonsOfLines(p)...)
}

// Predict says which steps a build would run now, since what they read has changed since the last build: after is what
// buildinputs.Take reads at this moment.
func Predict(before, after *buildinputs.Record) ([]Reason, error) {
	p, err := after.Plan()
	if err != nil {
		return nil, err
	}
	old, err := before.Plan()
	if err != nil {
		return nil, err
	}
	e := explanation{
		after: after, before: before, ran: map[*dockerfile.Node]buildinputs.Step{},
		reported: map[string]*dockerfile.Node{},
	}
	e.causes, e.lines = compare(before, after, old, p)
	moved := map[*dockerfile.Node]bool{}
	for _, n := range p.Nodes {
		again := len(e.causes[n]) > 0
		for _, d := range n.Deps {
			again = again || moved[d]
		}
		again = again || e.reasonOfFailure(n, old) != ""
		if again {
			moved[n] = true
			e.ran[n] = buildinputs.Step{}
		}
	}
	reasons := e.reasonsOfSteps(p, nil, func(n *dockerfile.Node) string { return e.reasonOfFailure(n, old) })
	return append(reasons, e.reasonsOfLines(p)...), nil
}

// explanation is the state of one comparison while its reasons are written.
type explanation struct {
	before, after *buildinputs.Record
	causes        map[*dockerfile.Node][]cause
	lines         []lineChange
	ran           map[*dockerfile.Node]buildinputs.Step
	reported      map[string]*dockerfile.Node // causes by key: the step at which each was told
	unexplained   map[*dockerfile.Node]bool   // steps that ran for no known reason
}

// reasonsOfSteps gives a reason for each step that ran. otherwise gives the reason of a step whose inputs say nothing.
func (e *explanation) reasonsOfSteps(
	p *dockerfile.Plan, others []buildinputs.Step, otherwise func(*dockerfile.Node) string,
) []Reason {
	e.unexplained = map[*dockerfile.Node]bool{}
	var out []Reason
	for _, n := range p.Nodes {
		step, ran := e.ran[n]
		if !ran || !n.IsStep() {
			continue
		}
		told := e.ownReasons(n, step)
		if told == nil && n.Kind == dockerfile.From {
			continue // that a base is pulled is no news
		}
		if told == nil && e.before != nil && !e.after.NoCache {
			told = e.followReason(n, step)
		}
		if told == nil {
			e.unexplained[n] = true
			told = []Reason{{Step: label(n), Line: n.Line, Why: otherwise(n), Seconds: step.Seconds}}
		}
		out = append(out, told...)
	}
	for _, s := range others {
		out = append(out,
			Reason{
				Step: s.Name,
				Why: "no line of this Dockerfile: another image's name for a step that they share, or an ONBUILD of " +
					"the base", Seconds: s.Seconds,
			})
	}
	return maskedReasons(out)
}

// ownReasons gives the step's own causes, but for those that an earlier step has told.
func (e *explanation) ownReasons(n *dockerfile.Node, step buildinputs.Step) []Reason {
	var out []Reason
	for _, c := range e.causes[n] {
		if e.reported[c.key] != nil {
			continue
		}
		e.reported[c.key] = n
		out = append(out, Reason{Step: label(n), Line: n.Line, Why: c.why, Detail: c.detail, Seconds: step.Seconds})
	}
	return out
}

// followReason gives the reason of a step that ran since one that it depends on did: the nearest such step.
func (e *explanation) followReason(n *dockerfile.Node, step buildinputs.Step) []Reason {
	r := Reason{Step: label(n), Line: n.Line, Seconds: step.Seconds}
	if own := e.causes[n]; len(own) > 0 {
		r.Why = followsFrom(e.reported[own[0].key], own[0])
		return []Reason{r}
	}
	seen := map[*dockerfile.Node]bool{}
	for level := n.Deps; len(level) > 0; {
		var next []*dockerfile.Node
		for _, d := range level {
			if seen[d] {
				continue
			}
			seen[d] = true
			if e.unexplained[d] {
				r.Why = fmt.Sprintf("follows from line %d", d.Line)
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
				if d.Kind != dockerfile.From && d.Kind != dockerfile.End {
					r.Why = fmt.Sprintf("follows from line %d: %s", d.Line, first.why)
				}
				return []Reason{r}
			}
			next = append(next, d.Deps...)
		}
		level = next
	}
	return nil
}

func followsFrom(n *dockerfile.Node, c cause) string {
	if n == nil || n.Line == 0 {
		return c.why
	}
	return fmt.Sprintf("follows from line %d", n.Line)
}

// reasonWithoutChange is why a step ran whose inputs are those of the last build.
func (e *explanation) reasonWithoutChange(n *dockerfile.Node, old *dockerfile.Plan) string {
	if e.after.NoCache {
		return withoutIt
	}
	if why := e.reasonOfFailure(n, old); why != "" {
		return why
	}
	if len(n.Remote) > 0 {
		return fmt.Sprintf("%s gave something else, or %s", strings.Join(n.Remote, ", "), lostResult)
	}
	return lostResult
}

// reasonOfFailure says that the last build failed at or before a step; "" where that build did not.
func (e *explanation) reasonOfFailure(n *dockerfile.Node, old *dockerfile.Plan) string {
	was := counterpart(old, n)
	if !e.before.Failed || was == nil || !n.IsStep() || n.Kind == dockerfile.From {
		return ""
	}
	switch e.before.StateAt(was.Line) {
	case buildinputs.Failed:
		return failedThen
	case buildinputs.NotReached:
		return endedBefore
	default:
		return ""
	}
}

// reasonsOfLines names the changed lines that made no step run: they are part of the image's configuration.
func (e *explanation) reasonsOfLines(p *dockerfile.Plan) []Reason {
	var out []Reason
	if e.before.Target != e.after.Target && e.reported["target"] == nil {
		out = append(out, Reason{Why: targetChanged(e.before, e.after)})
	}
	for _, l := range e.lines {
		if e.reported[l.cause.key] != nil || !p.Reached[l.stage] {
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
