package operation

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/25eloquence/compose-mage/internal/ui"
)

// Link is one service of the critical path: the chain of services each of which waited for the one before, and the
// last of which made the start as long as it was.
type Link struct {
	Service string  `json:"service"`
	Seconds float64 `json:"seconds"`          // from when its dependencies were met until it was ready
	Queued  float64 `json:"queued,omitempty"` // of those, for room on the machine
}

// Shown is how long a service must have waited for its share of the machine for that to be told.
const shown = 0.1 // seconds

// Timing is when a service came to what.
type Timing struct {
	Released time.Time // its last dependency was met
	By       string    // which one that was; "" where it waited for none
	Admitted time.Time // it had its share of the machine; zero where nothing was started
	Ready    time.Time // zero where it is not
}

// Timings gives the timing of each service. began is when the plan's execution did: a service without dependencies
// was released then.
func Timings(all []Operation, began time.Time) map[string]Timing {
	timings := map[string]Timing{}
	for _, o := range all {
		if o.Service == "" {
			continue
		}
		t, known := timings[o.Service]
		if !known {
			t.Released = began
		}
		for _, n := range o.Needs {
			other := all[n.Operation]
			if met := n.Met(other); other.Service != "" && other.Service != o.Service && met.After(t.Released) {
				t.Released, t.By = met, other.Service
			}
		}
		if !o.Admitted.IsZero() {
			t.Admitted = o.Admitted
		}
		if o.Kind == Wait {
			t.Ready = o.Ended
		}
		timings[o.Service] = t
	}
	return timings
}

// Met is when the operation came to what the need asks for; zero where it has not.
func (n Need) Met(o Operation) time.Time {
	if n.Healthy && !o.Healthy.IsZero() {
		return o.Healthy
	}
	return o.Ended
}

// Critical finds the chain that ends with the service that was ready last.
func Critical(timings map[string]Timing) []Link {
	last := ""
	for name, t := range timings {
		if !t.Ready.IsZero() && (last == "" || later(name, t, last, timings[last])) {
			last = name
		}
	}
	var chain []Link
	for name := last; name != ""; name = timings[name].By {
		t := timings[name]
		link := Link{Service: name, Seconds: round(t.Ready.Sub(t.Released))}
		if queued := round(t.Admitted.Sub(t.Released)); !t.Admitted.IsZero() && queued > shown {
			link.Queued = queued
		}
		chain = append(chain, link)
	}
	slices.Reverse(chain)
	return chain
}

// later says whether one service was ready after the other; of two at the same time the first by name counts.
func later(name string, t Timing, other string, u Timing) bool {
	return t.Ready.After(u.Ready) || t.Ready.Equal(u.Ready) && name < other
}

func round(d time.Duration) float64 { return d.Round(time.Millisecond).Seconds() }

// ChainText gives the chain as a text: "db 1.4s → web 2.0s (0.5s of it for room)".
func ChainText(chain []Link) string {
	parts := make([]string, len(chain))
	for i, l := range chain {
		parts[i] = l.Service + " " + ui.Seconds(seconds(l.Seconds))
		if l.Queued > 0 {
			parts[i] += fmt.Sprintf(" (%s of it for room)", ui.Seconds(seconds(l.Queued)))
		}
	}
	return strings.Join(parts, " → ")
}

func seconds(f float64) time.Duration { return time.Duration(f * float64(time.Second)) }
