package trace

import (
	"slices"
	"strings"
	"time"

	"github.com/25eloquence/compose-mage/internal/operation"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// resourceLane is the lane of operations on networks and volumes. No service has such a name.
const resourceLane = "networks, volumes"

// Operations gives the spans of operations that were run, with what each waited for, and the critical path, which is
// the one that the operations' own package finds. began is when their execution did.
func Operations(all []operation.Operation, began time.Time) []Span {
	timings := operation.Timings(all, began)
	chain := operation.Critical(timings)
	var spans []Span
	numbers := map[int]int{} // of an operation's span
	for i, o := range all {
		if o.Ended.IsZero() {
			continue
		}
		span := operationSpan(o)
		span.Critical = onPath(o, chain, timings)
		for _, n := range o.Needs {
			at, known := numbers[n.Operation] // those that are needed stand before
			met := n.Met(all[n.Operation])
			if known && all[n.Operation].Service != o.Service && !met.After(o.Began) {
				span.After = append(span.After, Arrow{Span: at, At: met})
			}
		}
		if span.Failed && skipped(all, o) {
			span.Failed, span.Facts = false, append(span.Facts, Fact{"skipped", true})
		}
		numbers[i] = len(spans)
		spans = append(spans, span)
		if wait, ok := waited(all, o, began); ok {
			spans = append(spans, wait)
		}
		if o.Kind == operation.Start && o.Admitted.After(o.Began) {
			spans = append(spans, Span{
				Lane: o.Service, Name: "queue", Kind: Queue, Began: o.Began, Ended: o.Admitted, Critical: span.Critical,
				Within: true,
			})
		}
	}
	for _, l := range chain {
		t := timings[l.Service]
		var facts []Fact
		if l.Queued > 0 {
			facts = append(facts, Fact{"queued", ui.Seconds(time.Duration(l.Queued * float64(time.Second)))})
		}
		spans = append(spans, Span{
			Lane: l.Service, Name: l.Service, Kind: Path, Began: t.Released, Ended: t.Ready, Critical: true,
			Facts: facts,
		})
	}
	return spans
}

// operationSpan is an operation as a span; one that has not begun has no time.
func operationSpan(o operation.Operation) Span {
	s := Span{
		Lane: o.Service, Name: string(o.Kind), Kind: Kind(o.Kind), Began: o.Began, Ended: o.Ended, Failed: o.Failed,
	}
	switch {
	case o.Resource != "":
		s.Lane, s.Name = resourceLane, string(o.Kind)+" "+o.Resource
	case o.Container != "":
		s.Name += " " + o.Container
	}
	if o.Cause != "" {
		why, _, _ := strings.Cut(o.Cause, ": ") // what follows are values of keys, or what a container printed
		s.Facts = append(s.Facts, Fact{"why", why})
	}
	if o.Count > 0 {
		s.Facts = append(s.Facts, Fact{"containers", o.Count})
	}
	return s
}

// skipped says whether an operation could not begin, as what it needs had failed, or all was given up before.
func skipped(all []operation.Operation, o operation.Operation) bool {
	return slices.ContainsFunc(o.Needs, func(n operation.Need) bool {
		met := n.Met(all[n.Operation])
		return !n.Optional && (all[n.Operation].Failed || met.IsZero() || met.After(o.Began))
	})
}

// onPath says whether an operation was part of a link of the critical path.
func onPath(o operation.Operation, chain []operation.Link, timings map[string]operation.Timing) bool {
	if !slices.ContainsFunc(chain, func(l operation.Link) bool { return l.Service == o.Service }) {
		return false
	}
	t := timings[o.Service]
	return o.Ended.After(t.Released) && !o.Ended.After(t.Ready)
}

// waited is the time that an operation waited for other services, after all that its own service was to do first was
// done.
func waited(all []operation.Operation, o operation.Operation, began time.Time) (Span, bool) {
	from, until := began, time.Time{}
	for _, n := range o.Needs {
		if other := all[n.Operation]; other.Service == o.Service && n.Met(other).After(from) {
			from = n.Met(other)
		}
	}
	var names []string
	for _, n := range o.Needs {
		other := all[n.Operation]
		met := n.Met(other)
		if other.Service == "" || other.Service == o.Service || !met.After(from) {
			continue
		}
		if !slices.Contains(names, other.Service) {
			names = append(names, other.Service)
		}
		if met.After(until) {
			until = met
		}
	}
	if o.Began.Before(until) { // it was given up
		until = o.Began
	}
	return Span{
		Lane: o.Service, Name: "waits for " + strings.Join(names, ", "), Kind: Waiting, Began: from, Ended: until,
	}, o.Service != "" && until.After(from)
}
