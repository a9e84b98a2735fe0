// Package evidence owns what there is to tell how containers ended: it asks the engine for its past events, reads the
// kernel's log and a container's last line, and keeps what was found out, as the engine forgets its events soon. The
// cause is decided in package container.
package evidence

import (
	"context"
	"fmt"
	"time"

	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/diagnosis"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/wait"
)

// API is what is asked of the engine; *engine.Engine has it.
type API interface {
	Events(context.Context, client.EventsListOptions) client.EventsResult
}

// Place is where the engine is.
type Place struct {
	Now   func() time.Time // by the engine's clock
	Local bool             // the engine is on this machine, so that its kernel is this one
}

// At is the place of the engine, as far as that is known.
func At(api any) Place {
	if e, ok := api.(*engine.Engine); ok {
		return Place{Now: e.Now, Local: e.Local()}
	}
	return Place{Now: time.Now}
}

const (
	// within bounds the reading of past events: they come from the engine's memory at once, or not at all.
	within = 3 * time.Second
	// mostEvents is how many events an engine keeps.
	mostEvents = 256
	// settle is how old an end must be until the engine is asked about it: its events come after it.
	settle = 300 * time.Millisecond
	// Fresh is how old an end must be until it is kept: on a busy machine the event of a stop takes longer.
	Fresh = time.Second
)

// Explain finds out how each of the containers ended last, and puts that in its Last. The engine is asked only where
// one of them has an end of which more can be known than its state tells.
func Explain(ctx context.Context, api API, at Place, replicas []*container.Replica) {
	kept, newest := keptEnds{}, time.Time{}
	var open []*container.Replica
	for _, c := range replicas {
		v := container.Evidence{Container: c.InspectResponse}
		end, ok := v.End()
		if !ok || settled(c.InspectResponse, end) {
			continue
		}
		if old, ok := kept.of(c); ok {
			v.Kept = &old
			if end, ok := v.End(); ok && end == old {
				c.Last = &end
				continue
			}
		}
		open = append(open, c)
		if end.At.After(newest) {
			newest = end.At
		}
	}
	if len(open) == 0 || wait.For(ctx, min(settle, settle-at.Now().Sub(newest))) != nil {
		return
	}
	past := pastEvents(ctx, api, at.Now())
	var log *container.KernelLog
	if at.Local {
		log = kernelLog()
	}
	for _, c := range open {
		v := container.Evidence{
			Container: c.InspectResponse, Events: past.by[c.ID], Looked: past.ok, Whole: past.whole, From: past.from,
			Kernel: log, LastLine: lastLine(ctx, api, c),
		}
		end, ok := v.End()
		if !ok {
			continue
		}
		c.Last = &end
		if at.Now().Sub(end.At) > Fresh {
			kept.take(c, end)
		}
	}
	kept.write()
}

// Each gives pointers to the containers, by service or as a list, as Explain takes them.
func Each(found map[string][]container.Replica) []*container.Replica {
	var out []*container.Replica
	for _, replicas := range found {
		for i := range replicas {
			out = append(out, &replicas[i])
		}
	}
	return out
}

// settled says that a container's state tells all that there is to know of its end: the engine could not start it.
func settled(c moby.InspectResponse, end container.End) bool {
	over := !c.State.Running || c.State.Restarting
	return over && end.At.IsZero()
}

// past is what the engine still has of its events.
type past struct {
	by    map[string][]events.Message // of each container
	from  time.Time                   // of the oldest, of whatever
	whole bool                        // none is forgotten
	ok    bool                        // the engine has answered
}

// pastEvents asks for all that the engine has: how far back its memory goes only the events of all tell.
func pastEvents(ctx context.Context, api API, now time.Time) past {
	out := past{by: map[string][]events.Message{}}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	got := api.Events(ctx, client.EventsListOptions{
		Since: "1", // the engine takes 0 for no answer of the past
		// To the nanosecond, and by the engine's clock: the engine waits for a time that has not come yet.
		Until: fmt.Sprintf("%d.%09d", now.Unix(), now.Nanosecond()),
	})
	n := 0
	for {
		select {
		case m := <-got.Messages:
			if n++; n == 1 {
				out.from = time.Unix(0, m.TimeNano)
			}
			if m.Type == events.ContainerEventType {
				out.by[m.Actor.ID] = append(out.by[m.Actor.ID], m)
			}
		case <-got.Err: //nolint:errcheck // io.EOF is the end of the past; after any other the events so far stand
			out.ok, out.whole = true, n < mostEvents && ctx.Err() == nil
			return out
		}
	}
}

// lastLine is the last line of the log of a container whose program may not have been one.
func lastLine(ctx context.Context, api API, c *container.Replica) string {
	reader, ok := api.(diagnosis.LogReader)
	if !ok || c.State.Running && !c.State.Restarting || c.State.ExitCode != 1 && c.State.ExitCode != 255 {
		return ""
	}
	lines := diagnosis.LastLines(ctx, reader, c.ID)
	if len(lines) == 0 {
		return ""
	}
	return lines[len(lines)-1]
}
