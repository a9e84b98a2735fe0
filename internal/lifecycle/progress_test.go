package lifecycle

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/25eloquence/compose-mage/internal/operation"
	"github.com/25eloquence/compose-mage/internal/plan"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// shown is the progress of a start of those services, with the events that it wrote.
func shown(t *testing.T, services ...string) (*progress, func() []Event) {
	t.Helper()
	var of plan.Plan
	for _, name := range services {
		of.Steps = append(of.Steps, plan.Step{Service: name})
	}
	var out, events bytes.Buffer
	p := newProgress(ui.New(&out), &events, "shop", of, time.Now())
	p.stop = sync.OnceFunc(p.stop)
	t.Cleanup(p.stop)
	return p, func() []Event {
		var all []Event
		for line := range strings.Lines(events.String()) {
			var e Event
			if err := json.Unmarshal([]byte(line), &e); err != nil {
				t.Fatal(err)
			}
			all = append(all, e)
		}
		return all
	}
}

func TestEvents(t *testing.T) {
	p, events := shown(t, "db", "web")
	p.set("web", stateWaiting, "", "db", "cache")
	p.set("web", stateWaiting, "", "db", "cache") // no news
	p.set("web", stateWaiting, "", "cache")
	p.set("db", stateProbing, "")
	p.set("db", stateProbing, "exit 1")
	p.set("db", stateReady, "")
	p.set("db", stateFailed, "too late")
	p.set("web", stateSkipped, "")
	p.set("web", stateProbing, "")
	p.set("nosuch", stateReady, "")
	var got []string
	for _, e := range events() {
		got = append(got, strings.Join([]string{e.Service, e.State, strings.Join(e.Waits, "+"), e.Detail}, "|"))
	}
	want := []string{
		"web|waiting|db+cache|",
		"web|waiting|cache|",
		"db|probing||",
		"db|probing||exit 1",
		"db|ready||",
		"web|skipped||",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestLastEvent(t *testing.T) {
	p, events := shown(t, "db")
	p.end(
		nil,
		[]operation.Link{{Service: "db", Seconds: 1}},
		[]operation.Operation{{Kind: operation.Start, Service: "db"}},
	)
	if e := events()[0]; e.State != "up" || e.Service != "" || e.Detail != "" || len(e.Critical) != 1 ||
		len(e.Operations) != 1 {
		t.Errorf("%+v", e)
	}
	p, events = shown(t, "db")
	p.end(errors.New("starting db"), nil, nil)
	if e := events()[0]; e.State != "down" || e.Detail != "starting db" {
		t.Errorf("%+v", e)
	}
}

// TestLines: those that are at work come first, then those that wait; those that are done are counted, and those
// that don't fit too.
func TestLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := shown(t, "a", "waits", "done", "c", "failed")
		p.set("waits", stateWaiting, "", "a", "c")
		time.Sleep(1500 * time.Millisecond)
		p.set("a", stateProbing, "exit 1")
		p.set("c", stateStarting, "")
		p.set("done", stateReady, "")
		p.set("failed", stateFailed, "it is broken")
		time.Sleep(time.Second)
		p.set("a", stateProbing, "exit 2") // the same state goes on
		for height, want := range map[int]string{
			10: "a        1.0s probing (exit 2)\nc        1.0s starting\nwaits    2.5s waiting for a, c\n2 of 5, 2.5s",
			5:  "a        1.0s probing (exit 2)\nc        1.0s starting\n… and 1 more\n2 of 5, 2.5s",
		} {
			var got []string
			for _, line := range p.lines(height) {
				got = append(got, strings.TrimPrefix(line, "   "))
			}
			if strings.Join(got, "\n") != want {
				t.Errorf("%d rows: got %q, want %q", height, got, want)
			}
		}
		if got, want := p.brief(), "a probing 1.0s (exit 2); c starting 1.0s"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		if got, want := strings.Join(p.unfinished(),
			"; "), "a probing 1.0s (exit 2); waits waiting for a, c 2.5s; c starting 1.0s"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		p.stop()
	})
}
