package lifecycle

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/25eloquence/compose-mage/internal/operation"
	"github.com/25eloquence/compose-mage/internal/plan"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// state is how far the start of a service is.
type state string

const (
	stateWaiting  state = "waiting"  // for the services in Waits
	stateCreating state = "creating" // its containers are made
	stateStopping state = "stopping" // a restart stops or replaces its containers
	stateQueued   state = "queued"   // for room on the machine
	stateStarting state = "starting" // the engine starts its containers
	stateProbing  state = "probing"  // they run, and are not ready yet
	stateReady    state = "ready"    // or have completed
	stateFailed   state = "failed"   // Detail says why
	stateSkipped  state = "skipped"  // a dependency failed
	stateUp       state = "up"       // of the whole start: everything is ready
	stateDown     state = "down"     // of the whole start: something has failed
)

// Event is one line of `start -json`: a service's new state, or at the end, without a service, what the start came to.
type Event struct {
	Time    time.Time `json:"time"`
	Project string    `json:"project"`
	Service string    `json:"service,omitempty"`
	State   string    `json:"state"`
	Seconds float64   `json:"seconds"`          // since the start began
	Waits   []string  `json:"waits,omitempty"`  // services that it waits for
	Detail  string    `json:"detail,omitempty"` // what the last probe said, or why it failed
	// Critical is, at the end, what made the start as long as it was, and Operations what was done when.
	Critical   []operation.Link      `json:"critical,omitempty"`
	Operations []operation.Operation `json:"operations,omitempty"`
}

// progress shows a start: a line a service on a terminal, lines as things happen elsewhere, and events as JSON
// where asked for.
type progress struct {
	out     *ui.Out
	json    *json.Encoder // nil for none
	project string
	began   time.Time

	mu   sync.Mutex
	rows map[string]*row
	keys []string // services in the plan's order
	stop func()
}

type row struct {
	state  state
	since  time.Time
	waits  []string
	detail string
}

// newProgress begins to show the plan; events go to events where that is not nil.
func newProgress(out *ui.Out, events io.Writer, project string, executed plan.Plan, began time.Time) *progress {
	p := &progress{out: out, project: project, began: began, rows: map[string]*row{}}
	if events != nil {
		p.json = json.NewEncoder(ui.JSON(events))
	}
	for _, s := range executed.Steps {
		p.keys = append(p.keys, s.Service)
		p.rows[s.Service] = &row{state: stateWaiting, since: began}
	}
	p.stop = out.Live(p.lines, p.brief)
	return p
}

// set says that a service has come to a state. The same state again only changes its detail.
func (p *progress) set(service string, to state, detail string, waits ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.rows[service]
	if r == nil || over(r.state) {
		return
	}
	changed := r.state != to || strings.Join(r.waits, ",") != strings.Join(waits, ",")
	news := changed || r.detail != detail
	if r.state != to {
		r.since = time.Now()
	}
	r.state, r.detail, r.waits = to, detail, waits
	if news {
		p.send(Event{Service: service, State: string(to), Waits: waits, Detail: detail})
	}
}

// over says whether a service has come to its end.
func over(s state) bool { return s == stateReady || s == stateFailed || s == stateSkipped }

// send writes an event; the caller holds the lock.
func (p *progress) send(e Event) {
	if p.json == nil {
		return
	}
	e.Time, e.Project, e.Seconds = time.Now(), p.project, time.Since(p.began).Round(time.Millisecond).Seconds()
	_ = p.json.Encode(e) // a reader that has gone misses what it did not want
}

// end stops the display and says what the start came to.
func (p *progress) end(err error, critical []operation.Link, all []operation.Operation) {
	p.stop()
	e := Event{State: string(stateUp), Critical: critical, Operations: all}
	if err != nil {
		e.State, e.Detail = string(stateDown), err.Error()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.send(e)
}

// lines are the services that are at work, for a terminal with that many rows.
func (p *progress) lines(height int) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []string
	hidden, done := 0, 0
	for _, waiting := range []bool{false, true} { // those that wait for others last
		for _, key := range p.keys {
			r := p.rows[key]
			if over(r.state) || (r.state == stateWaiting) != waiting {
				continue
			}
			if len(out) >= height-3 {
				hidden++
				continue
			}
			out = append(out, r.line(key, p.width()))
		}
	}
	for _, r := range p.rows {
		if over(r.state) {
			done++
		}
	}
	if hidden > 0 {
		out = append(out, ui.Grey(fmt.Sprintf("   … and %d more", hidden)))
	}
	return append(out, ui.Grey(fmt.Sprintf("   %d of %d, %s", done, len(p.keys), ui.Seconds(time.Since(p.began)))))
}

func (p *progress) width() int {
	width := 0
	for _, key := range p.keys {
		width = max(width, len(key))
	}
	return width
}

// line is one service's: name, state, seconds in it, and what it waits for or was last told.
func (r *row) line(name string, width int) string {
	seconds := fmt.Sprintf("%6s", ui.Seconds(time.Since(r.since)))
	out := fmt.Sprintf("   %-*s %s %s", width, name, ui.Grey(seconds), r.doing())
	if r.detail != "" {
		out += ui.Grey(" (" + r.detail + ")")
	}
	return out
}

// unfinished says of each service that has not come to its end how far it is, a line each.
func (p *progress) unfinished() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []string
	for _, key := range p.keys {
		if r := p.rows[key]; !over(r.state) {
			out = append(out, r.brief(key))
		}
	}
	return out
}

// brief is one line that says what still goes on, for where nothing can be redrawn.
func (p *progress) brief() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var at []string
	for _, key := range p.keys {
		r := p.rows[key]
		if over(r.state) || r.state == stateWaiting {
			continue
		}
		at = append(at, r.brief(key))
	}
	return strings.Join(at, "; ")
}

// brief says what the service is at: "db probing 2.1s (exit 1)", "web waiting for db 2.3s".
func (r *row) brief(name string) string {
	text := name + " " + r.doing() + " " + ui.Seconds(time.Since(r.since))
	if r.detail != "" {
		text += " (" + r.detail + ")"
	}
	return text
}

// doing is the state, and what it waits for.
func (r *row) doing() string {
	if len(r.waits) > 0 {
		return string(r.state) + " for " + strings.Join(r.waits, ", ")
	}
	return string(r.state)
}
