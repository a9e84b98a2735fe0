package monitor

import (
	"context"
	"strconv"
	"time"

	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/container"
)

// eventsTimeout bounds the reading of past events: they come from the engine's memory at once, or not at all.
const eventsTimeout = 3 * time.Second

// oomEvents counts the engine's oom events by container ID since the oldest container was made. The engine keeps only
// its last 256 events, and health checks fill those in minutes: this is one of three sources, and the largest count
// wins.
func oomEvents(ctx context.Context, e API, project string, containers []moby.Summary) map[string]int {
	kills := map[string]int{}
	if len(containers) == 0 {
		return kills
	}
	oldest := containers[0].Created
	for _, c := range containers {
		oldest = min(oldest, c.Created)
	}
	ctx, cancel := context.WithTimeout(ctx, eventsTimeout)
	defer cancel()
	got := e.Events(ctx, client.EventsListOptions{
		Since: strconv.FormatInt(oldest, 10),
		Until: strconv.FormatInt(time.Now().Unix()+1, 10), // whole seconds: + 1 to include this one
		Filters: client.Filters{}.Add("type", "container").Add("event", "oom").Add("label", container.ProjectLabel+"="+
			project),
	})
	for {
		select {
		case m := <-got.Messages:
			kills[m.Actor.ID]++
		// io.EOF is the end of the past; after any other error the count so far stands.
		case <-got.Err: //nolint:errcheck // neither is reported
			return kills
		}
	}
}
