package lifecycle

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	moby "github.com/moby/moby/api/types/container"

	"github.com/25eloquence/compose-mage/internal/operation"
	"github.com/25eloquence/compose-mage/internal/plan"
	"github.com/25eloquence/compose-mage/internal/semaphore"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// executing is a run of those operations that are done by the test.
func executing(t *testing.T, p plan.Plan) (*run, *bytes.Buffer, func() []Event) {
	t.Helper()
	out := &bytes.Buffer{}
	r := &run{
		out: ui.New(
			out,
		), plan: p, operations: p.Operations, services: map[string]*serviceRun{}, warned: map[string]bool{},
		places: semaphore.New(1), began: time.Now(),
	}
	var services []string
	for _, o := range p.Operations {
		if r.services[o.Service] == nil && o.Service != "" {
			services = append(services, o.Service)
		}
		r.services[o.Service] = &serviceRun{giveBack: func() {}}
		r.ends, r.healthy = append(r.ends, newOutcome()), append(r.healthy, newOutcome())
	}
	var events func() []Event
	r.progress, events = shown(t, services...)
	return r, out, events
}

// waiting is web, which waits for its network, its containers, db's health, a job's end, and for what it can do
// without.
func waiting() plan.Plan {
	return plan.Plan{Operations: []operation.Operation{
		{Kind: operation.Wait, Service: "db"},
		{Kind: operation.Wait, Service: "job"},
		{Kind: operation.Wait, Service: "metrics"},
		{Kind: operation.Create, Service: "web"},
		{Kind: operation.Recreate, Resource: "network back"},
		{Kind: operation.Start, Service: "web", Needs: []operation.Need{
			{
				Operation: 0,
				Healthy:   true,
			}, {Operation: 1}, {Operation: 2, Optional: true}, {Operation: 4}, {Operation: 3},
		}},
	}}
}

func states(events []Event, service string) string {
	var all []string
	for _, e := range events {
		if e.Service == service {
			all = append(all, strings.TrimRight(e.State+" "+strings.Join(e.Waits, "+"), " "))
		}
	}
	return strings.Join(all, ", ")
}

func TestAwaitsWhatIsNeeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, out, events := executing(t, waiting())
		var err error
		done := false
		go func() {
			err = r.await(t.Context(), r.plan.Operations[5])
			done = true
		}()
		synctest.Wait()
		r.healthy[0].settle(nil) // its end is not waited for
		synctest.Wait()
		r.ends[1].settle(nil)
		synctest.Wait()
		r.ends[2].settle(errors.New("no metrics"))
		r.ends[4].settle(nil)
		synctest.Wait()
		if done {
			t.Fatal("it goes on without its containers")
		}
		r.ends[3].settle(nil)
		synctest.Wait()
		if !done || err != nil {
			t.Errorf("done %v, %v", done, err)
		}
		if got, want := states(events(),
			"web"), "waiting db+job+metrics, waiting job+metrics, waiting metrics, creating"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		if want := " ! web starts without metrics, which it can do without: no metrics\n"; out.String() != want {
			t.Errorf("said %q", out)
		}
		if r.warnOptional("web", "metrics", errors.New("again")); strings.Contains(out.String(), "again") {
			t.Error("said twice")
		}
		r.progress.stop()
	})
}

func TestAwaitFails(t *testing.T) {
	no := errors.New("no")
	for name, c := range map[string]struct {
		settle func(r *run)
		want   error
	}{
		"a dependency": {func(r *run) { r.healthy[0].settle(no) }, errDependency},
		"a network": {func(r *run) {
			r.healthy[0].settle(nil)
			r.ends[1].settle(nil)
			r.ends[2].settle(nil)
			r.ends[4].settle(no)
		}, no},
	} {
		r, _, _ := executing(t, waiting())
		c.settle(r)
		if err := r.await(t.Context(), r.plan.Operations[5]); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	r, _, _ := executing(t, waiting())
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(no)
	if err := r.await(ctx, r.plan.Operations[5]); !errors.Is(err, no) {
		t.Errorf("interrupted: %v", err)
	}
}

// TestAnEarlyStopWarnsOfNothing: where all is restarted, that the dependency failed is said when the service starts
// without it.
func TestAnEarlyStopWarnsOfNothing(t *testing.T) {
	for _, all := range []bool{true, false} {
		r, out, _ := executing(t, plan.Plan{Restart: true, All: all, Operations: []operation.Operation{
			{Kind: operation.Start, Service: "db"},
			{Kind: operation.Stop, Service: "web", Needs: []operation.Need{{Operation: 0, Optional: true}}},
		}})
		r.ends[0].settle(errors.New("no"))
		if err := r.await(t.Context(), r.plan.Operations[1]); err != nil || (out.Len() == 0) != all {
			t.Errorf("all %v: %v, said %q", all, err, out)
		}
	}
}

// TestFails: the first failure of a service is said and kept; what failed through another is skipped, and what a
// run's end cut off has not failed.
func TestFails(t *testing.T) {
	r, out, events := executing(t, plan.Plan{Operations: []operation.Operation{
		{Kind: operation.Start, Service: "db"},
		{Kind: operation.Wait, Service: "db"},
		{Kind: operation.Wait, Service: "web"},
		{Kind: operation.Create, Resource: "network x"},
		{Kind: operation.Wait, Service: "cut"},
	}})
	if r.failed() {
		t.Error("failed before anything was done")
	}
	no := errors.New("no room")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if r.fails(ended, r.plan.Operations[4], no); r.failed() || r.services["cut"].err != nil {
		t.Error("what was cut off has failed")
	}
	for i, err := range []error{no, errDependency, errDependency, errors.New("no network")} {
		r.fails(t.Context(), r.plan.Operations[i], err)
	}
	if out.String() != " ✗ db no room\n" || !errors.Is(r.services["db"].err, no) || !r.failed() {
		t.Errorf("said %q, db: %v", out, r.services["db"].err)
	}
	if got := states(events(), "db") + "; " + states(events(), "web") + "; " +
		states(events(), "cut"); got != "failed; skipped; " {
		t.Errorf("got %q", got)
	}
}

func TestLaunched(t *testing.T) {
	r := &run{operations: []operation.Operation{{Kind: operation.Start}, {Kind: operation.Wait, Ended: time.Now()}}}
	if r.launched() {
		t.Error("nothing was started")
	}
	if r.operations[0].Admitted = time.Now(); !r.launched() {
		t.Error("something was started")
	}
}

func TestRuns(t *testing.T) {
	up, down := moby.Summary{State: moby.StateRunning}, moby.Summary{State: moby.StateExited}
	for name, c := range map[string]struct {
		all  []moby.Summary
		want bool
	}{"none": {nil, false}, "all": {[]moby.Summary{up, up}, true}, "one does not": {[]moby.Summary{up, down}, false}} {
		if runs(c.all) != c.want {
			t.Errorf("%s: %v", name, !c.want)
		}
	}
}

func TestReadyText(t *testing.T) {
	began := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	at := func(s int) time.Time { return began.Add(time.Duration(s) * time.Second) }
	plain := plan.Plan{
		Steps: []plan.Step{
			{
				Service: "db",
				Have:    2,
				Do:      plan.ActionKeep,
			}, {Service: "web", Have: 1, Do: plan.ActionKeep, Waits: []plan.Wait{{Service: "db"}, {Service: "x"}}},
		},
		Operations: []operation.Operation{
			{
				Kind:    operation.Wait,
				Service: "db",
				Ended:   at(2),
			}, {Kind: operation.Start, Service: "web", Needs: []operation.Need{{Operation: 0}}},
		},
	}
	rolled := plan.Plan{Restart: true, Steps: []plan.Step{{Service: "db", Have: 1, Do: plan.ActionRoll}}}
	for name, c := range map[string]struct {
		plan               plan.Plan
		ran, before, ended bool
		service, want      string
	}{
		"no dependency":           {plain, false, false, false, "db", "db ready in 5.0s"},
		"a job":                   {plain, false, false, true, "db", "db completed in 5.0s"},
		"after others":            {plain, false, false, false, "web", "web ready in 3.0s, after 2.0s for db, x"},
		"ran before":              {plain, true, true, false, "db", "db runs already, ready"},
		"a job that ran before":   {plain, true, false, true, "db", "db completed in 5.0s"},
		"rolled, and ran":         {rolled, true, true, false, "db", ""},
		"rolled, and was started": {rolled, false, false, false, "db", "db ready in 5.0s"},
	} {
		r := &run{
			plan:       c.plan,
			operations: c.plan.Operations,
			began:      began,
			services:   map[string]*serviceRun{c.service: {ran: c.ran}},
		}
		if c.plan.Restart {
			r.operations = plain.Operations
		}
		if got := r.readyText(r.plan.Step(c.service), c.before, c.ended, at(5)); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestCulprit(t *testing.T) {
	c := func(id string, state moby.ContainerState, status string) moby.Summary {
		return moby.Summary{ID: id, State: state, Status: status}
	}
	for want, all := range map[string][]moby.Summary{
		"first": {c("first", moby.StateRunning, "Up"), c("second", moby.StateRunning, "Up")},
		"unhealthy": {
			c("first", moby.StateRunning, "Up"), c("unhealthy", moby.StateRunning, "Up (unhealthy)"),
			c("third", moby.StateRunning, "Up"),
		},
		"starting": {c("first", moby.StateRunning, "Up"), c("starting", moby.StateRunning, "Up (health: starting)")},
		"ended":    {c("ended", moby.StateExited, "Exited (1)"), c("unhealthy", moby.StateRunning, "Up (unhealthy)")},
	} {
		if got := culprit(all); got.ID != want {
			t.Errorf("got %s, want %s", got.ID, want)
		}
	}
}

func TestRecordsToKeep(t *testing.T) {
	set := func(ids ...string) map[string]bool {
		all := map[string]bool{}
		for _, id := range ids {
			all[id] = true
		}
		return all
	}
	write, forget := recordsToKeep(
		set("kept", "again", "gone", "unchecked"), set("kept", "again", "unchecked"),
		map[string][]string{"web": {"kept", "new"}, "db": {"again"}}, map[string]bool{"db": true},
	)
	if len(write) != 2 || write["new"] != "web" || write["again"] != "db" || strings.Join(forget, " ") != "gone" {
		t.Errorf("write %v, forget %v", write, forget)
	}
}

func TestMilli(t *testing.T) {
	if got := milli(1.5); got != 1500 {
		t.Errorf("%d", got)
	}
}

// TestShowsWhoIsAwaited: another service's containers that are made are waited for, as that service is.
func TestShowsWhoIsAwaited(t *testing.T) {
	r, _, events := executing(t, plan.Plan{Restart: true, Operations: []operation.Operation{
		{Kind: operation.Create, Service: "tunnel"},
		{Kind: operation.Stop, Service: "web", Needs: []operation.Need{{Operation: 0}}},
		{Kind: operation.Start, Service: "web", Needs: []operation.Need{{Operation: 1}}},
		{Kind: operation.Create, Resource: "network x", Needs: []operation.Need{{Operation: 1}}},
	}})
	for _, i := range []int{1, 2, 3} {
		r.showAwaited(r.plan.Operations[i], r.plan.Operations[i].Needs[0])
	}
	if got := states(events(), "web"); got != "waiting tunnel" {
		t.Errorf("got %q", got)
	}
	r.ends[0].settle(nil)
	if names := r.unmet(r.plan.Operations[1]); len(names) > 0 {
		t.Errorf("still waits for %q", names)
	}
}
