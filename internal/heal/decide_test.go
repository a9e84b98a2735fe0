package heal

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	moby "github.com/moby/moby/api/types/container"

	"github.com/25eloquence/compose-mage/internal/composetest"
	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/restarts"
)

var noon = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

// replica is a container that runs, with this health; its last check began at noon.
func replica(health moby.HealthStatus, change ...func(*moby.State)) container.Replica {
	s := &moby.State{
		Status: moby.StateRunning, Running: true,
		Health: &moby.Health{
			Status: health, FailingStreak: 3, Log: []*moby.HealthcheckResult{
				{Start: noon.Add(-2 * time.Second), ExitCode: 1, Output: "refused\nmore"},
				{Start: noon.Add(-time.Second), ExitCode: 1, Output: "refused\nmore"},
				{Start: noon, ExitCode: 2, Output: "gone"},
			},
		},
	}
	for _, c := range change {
		c(s)
	}
	return container.Replica{InspectResponse: moby.InspectResponse{Name: "/shop-web-1", State: s}}
}

func TestWhoIsIll(t *testing.T) {
	none := time.Time{}
	sick := func(change func(*moby.State)) container.Replica { return replica(moby.Unhealthy, change) }
	paused := sick(func(s *moby.State) { s.Status, s.Paused = moby.StatePaused, true })
	stopped := sick(func(s *moby.State) { s.Status, s.Running = moby.StateExited, false })
	for name, c := range map[string]struct {
		of   container.Replica
		busy time.Time
		want bool
	}{
		"unhealthy":                     {replica(moby.Unhealthy), none, true},
		"healthy":                       {replica(moby.Healthy), none, false},
		"starting":                      {replica(moby.Starting), none, false},
		"without a check":               {replica("", func(s *moby.State) { s.Health = nil }), none, false},
		"paused":                        {paused, none, false},
		"stopped":                       {stopped, none, false},
		"restarted by the engine":       {sick(func(s *moby.State) { s.Restarting = true }), none, false},
		"by a check of before":          {replica(moby.Unhealthy), noon.Add(time.Millisecond), false},
		"by a check of after":           {replica(moby.Unhealthy), noon.Add(-time.Millisecond), true},
		"unhealthy, and no check known": {sick(func(s *moby.State) { s.Health.Log = nil }), noon, true},
	} {
		if got := ill([]container.Replica{c.of}, c.busy); (len(got) == 1) != c.want {
			t.Errorf("%s: %t", name, len(got) == 1)
		}
	}
}

func TestWhoIsWell(t *testing.T) {
	stopped := replica(moby.Healthy, func(s *moby.State) { s.Status, s.Running = moby.StateExited, false })
	for name, c := range map[string]struct {
		of   []container.Replica
		want bool
	}{
		"healthy":           {[]container.Replica{replica(moby.Healthy)}, true},
		"one of two":        {[]container.Replica{replica(moby.Healthy), replica(moby.Unhealthy)}, false},
		"starting":          {[]container.Replica{replica(moby.Starting)}, false},
		"without a check":   {[]container.Replica{replica("", func(s *moby.State) { s.Health = nil })}, true},
		"stopped":           {[]container.Replica{stopped}, false},
		"without container": {nil, false},
	} {
		if got := well(c.of); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

const shop = `
services:
  web: {image: x, x-compose-mage: {heal: true}, depends_on: {api: {condition: service_healthy, restart: true}}}
  api: {image: x, x-compose-mage: {heal: true}, depends_on: [db]}
  db: {image: x}
  job: {image: x, x-compose-mage: {heal: false}}
`

func TestSteps(t *testing.T) {
	sick, fine, starts := replica(moby.Unhealthy), replica(moby.Healthy), replica(moby.Starting)
	ago := func(minutes ...int) (out []time.Time) {
		for _, m := range minutes {
			out = append(out, noon.Add(-time.Duration(m)*time.Minute))
		}
		return out
	}
	type past = map[string][]time.Time
	for name, c := range map[string]struct {
		web, api, db container.Replica
		past         past
		want         string // what is restarted, or why it is not
	}{
		"all is well":          {fine, fine, fine, nil, ""},
		"one is not":           {sick, fine, fine, nil, "web now"},
		"not asked for":        {fine, fine, sick, nil, ""},
		"what it needs too":    {sick, sick, fine, nil, "api now, web waits for api"},
		"what it needs starts": {sick, starts, fine, nil, "web waits for api"},
		"db starts":            {fine, sick, starts, nil, "api waits for db"},
		"db is not healed":     {fine, sick, sick, nil, "api now"},
		"a moment ago":         {sick, fine, fine, past{"web": ago(0)}, "web at 12:01"},
		"a while ago":          {sick, fine, fine, past{"web": ago(1)}, "web now"},
		"too often":            {sick, fine, fine, past{"web": ago(30, 20, 10)}, "web spent until 12:30"},
		"long ago":             {sick, fine, fine, past{"web": ago(90, 80, 70)}, "web now"},
		"what it needs is given up": {
			sick, sick, fine, past{"api": ago(30, 20, 10)}, "api spent until 12:30, web now",
		},
	} {
		project := composetest.Load(t, shop)
		r := restarts.Record{Services: map[string]restarts.Service{}}
		for service, past := range c.past {
			r.Services[service] = restarts.Service{Restarts: past}
		}
		var got []string
		for _, s := range steps(project, chosen(project, nil), map[string][]container.Replica{
			"web": {c.web}, "api": {c.api}, "db": {c.db},
		}, r, restarts.Hourly, time.Time{}, noon) {
			switch {
			case s.now(noon):
				got = append(got, s.service+" now")
			case s.spent:
				got = append(got, s.service+" spent until "+s.at.Format("15:04"))
			case s.waits != "":
				got = append(got, s.service+" waits for "+s.waits)
			default:
				got = append(got, s.service+" at "+s.at.Format("15:04"))
			}
		}
		if text := strings.Join(got, ", "); text != c.want {
			t.Errorf("%s: got %q, want %q", name, text, c.want)
		}
	}
}

func TestChoice(t *testing.T) {
	project := composetest.Load(t, shop)
	if got := chosen(project, nil); !slices.Equal(got, []string{"api", "web"}) {
		t.Errorf("by themselves %q", got)
	}
	if got := chosen(project, []string{"db"}); !slices.Equal(got, []string{"db"}) {
		t.Errorf("named %q", got)
	}
	if got := dependents(project, "api"); !slices.Equal(got, []string{"web"}) {
		t.Errorf("after api %q", got)
	}
	if got := dependents(project, "db"); got != nil {
		t.Errorf("after db %q", got)
	}
}

func TestWhy(t *testing.T) {
	c := replica(moby.Unhealthy)
	c.Last = &container.End{Cause: container.OutOfMemory, Code: 137, Signal: 9}
	want := []string{
		"shop-web-1: its last 3 health checks failed", "exit 1: refused", "exit 2: gone",
		"its last end: " + c.Last.String(),
	}
	if got := why(c); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	c.Last.Cause = container.Stopped
	if got := fmt.Sprint(why(c)); strings.Contains(got, "last end") {
		t.Errorf("of one that was stopped: %s", got)
	}
}
