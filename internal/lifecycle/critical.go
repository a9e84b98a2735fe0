package lifecycle

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/25eloquence/compose-mage/internal/ui"
)

// Link is one service of the critical path: the chain of services each of which waited for the one before, and the last of which
// made the start as long as it was.
type Link struct {
	Service string  `json:"service"`
	Seconds float64 `json:"seconds"`          // from when its dependencies were met until it was ready
	Queued  float64 `json:"queued,omitempty"` // of those, for room on the machine
}

// timing is when a service came to what. The zero time is never.
type timing struct {
	released time.Time // its last dependency was met
	by       string    // which one that was; "" where it waited for none
	room     time.Time // it had room on the machine
	ready    time.Time
}

// critical finds the chain that ends with the service that was ready last.
func critical(timings map[string]timing) []Link {
	last := ""
	for name, t := range timings {
		if !t.ready.IsZero() && (last == "" || t.ready.After(timings[last].ready) || t.ready.Equal(timings[last].ready) && name < last) {
			last = name
		}
	}
	var chain []Link
	for name := last; name != ""; name = timings[name].by {
		t := timings[name]
		link := Link{Service: name, Seconds: round(t.ready.Sub(t.released))}
		if queued := round(t.room.Sub(t.released)); !t.room.IsZero() && queued > 0.1 {
			link.Queued = queued
		}
		chain = append(chain, link)
	}
	slices.Reverse(chain)
	return chain
}

func round(d time.Duration) float64 { return d.Round(time.Millisecond).Seconds() }

// sayCritical prints the chain: "critical path: db 1.4s → web 2.0s (0.5s of it for room)".
func sayCritical(out *ui.Out, took time.Duration, chain []Link) {
	parts := make([]string, len(chain))
	for i, l := range chain {
		parts[i] = l.Service + " " + ui.Seconds(seconds(l.Seconds))
		if l.Queued > 0 {
			parts[i] += fmt.Sprintf(" (%s of it for room)", ui.Seconds(seconds(l.Queued)))
		}
	}
	out.Info("all ready in %s; critical path: %s", ui.Seconds(took), strings.Join(parts, " → "))
}

func seconds(f float64) time.Duration { return time.Duration(f * float64(time.Second)) }
