package monitor

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"strconv"
	"time"

	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/state"
)

// eventsTimeout bounds the reading of past events: they come from the engine's memory at once, or not at all.
const eventsTimeout = 3 * time.Second

// mostHeard is how many events of one container are kept in mind: as many as the engine keeps of all.
const mostHeard = 256

// kills is how often the kernel killed a process of one container for want of memory. No single source counts them
// all: the kernel's counter is exact, and ends with each run of the container; the engine's events are of all runs,
// but it keeps the last 256 of all containers, and one kill may have many; the container's state tells of one.
type kills struct {
	Started time.Time `json:"started"` // of the run that Current is of, by the engine's clock
	Past    int       `json:"past"`    // in the runs before
	Current int       `json:"current"`
}

func (k kills) total() int { return k.Past + k.Current }

// seen is k after n kills were seen in the run that started then.
func (k kills) seen(started time.Time, n int) kills {
	switch {
	case started.After(k.Started):
		return kills{Started: started, Past: k.total(), Current: n}
	case started.Equal(k.Started):
		k.Current = max(k.Current, n)
	}
	return k
}

// burst is how close together events are that tell of one kill: while the kernel looks for whom to kill, each attempt
// to get memory is an event, dozens of them in 40 ms (seen on engine 20.10, cgroup v1).
const burst = 250 * time.Millisecond

// heard is k after the engine's events told of kills at these times, merged. exact says that the kernel's
// counter of the current run can be read: then events of that run tell nothing more.
func (k kills) heard(at []time.Time, exact bool) kills {
	past := 0
	for _, t := range at {
		if t.Before(k.Started) {
			past++
		}
	}
	k.Past = max(k.Past, past)
	if !exact {
		k.Current = max(k.Current, len(at)-past)
	}
	return k
}

// merged adds events to those that were heard, in their order; of each burst the last stays. What came before a start
// of the container and what came after it are of two kills, however close they are.
func merged(heard, events []time.Time, started time.Time) []time.Time {
	for _, t := range events {
		n := len(heard)
		if n > 0 && t.Sub(heard[n-1]) < burst && t.Before(started) == heard[n-1].Before(started) {
			heard[n-1] = t
			continue
		}
		heard = append(heard, t)
	}
	return heard[max(0, len(heard)-mostHeard):] // what is left out is in Past
}

// count takes down what is known of the container's kills now.
func (r *row) count(heard ...time.Time) {
	r.heard = merged(r.heard, heard, r.Started)
	if r.seen == nil {
		return
	}
	exact := r.group != nil && r.Running()
	r.kills = r.kills.seen(r.Started, int(r.Counters.OOMKills)).heard(r.heard, exact)
	r.OOMKills = r.kills.total()
	if st := r.seen.State; st != nil && st.OOMKilled {
		r.OOMKills = max(1, r.OOMKills)
	}
}

// oomEvents gives the times of the engine's oom events by container ID, since the oldest container was made.
func oomEvents(ctx context.Context, e API, project string, containers []moby.Summary, now time.Time,
) map[string][]time.Time {
	all := map[string][]time.Time{}
	if len(containers) == 0 {
		return all
	}
	oldest := containers[0].Created
	for _, c := range containers {
		oldest = min(oldest, c.Created)
	}
	ctx, cancel := context.WithTimeout(ctx, eventsTimeout)
	defer cancel()
	got := e.Events(ctx, client.EventsListOptions{
		Since: strconv.FormatInt(oldest, 10),
		// To the nanosecond, and by the engine's clock: the engine waits for a time that has not come yet.
		Until: fmt.Sprintf("%d.%09d", now.Unix(), now.Nanosecond()),
		Filters: client.Filters{}.Add("type", string(events.ContainerEventType)).
			Add("event", string(events.ActionOOM)).Add("label", container.ProjectLabel+"="+project),
	})
	for {
		select {
		case m := <-got.Messages:
			all[m.Actor.ID] = append(all[m.Actor.ID], time.Unix(0, m.TimeNano))
		// io.EOF is the end of the past; after any other error the count so far stands.
		case <-got.Err: //nolint:errcheck // neither is reported
			return all
		}
	}
}

// killsFile is where the kills of a project's containers are kept from one run to the next, by container ID.
func killsFile(project string) (string, error) {
	dir, err := state.Dir()
	return filepath.Join(dir, "kills", project+".json"), err
}

// readKills gives what is kept; nothing where that can't be read.
func readKills(project string) map[string]kills {
	out := map[string]kills{}
	file, err := killsFile(project)
	if err != nil || state.ReadJSON(file, &out) != nil {
		return map[string]kills{}
	}
	return out
}

// keepKills writes what the rows know, where that differs from what is kept. It is a memory aid: a state directory
// that can't be written to is said by the targets that need it.
func keepKills(project string, kept map[string]kills, rows []*row) {
	now := map[string]kills{}
	for _, r := range rows {
		if r.kills.total() > 0 {
			now[r.ID] = r.kills
		}
	}
	if maps.EqualFunc(kept, now, func(a, b kills) bool {
		return a.Past == b.Past && a.Current == b.Current && a.Started.Equal(b.Started)
	}) {
		return
	}
	if file, err := killsFile(project); err == nil {
		if text, err := json.Marshal(now); err == nil {
			_ = state.Keep(file, text)
		}
	}
}
