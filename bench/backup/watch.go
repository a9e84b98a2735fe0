package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/bench/internal/figures"
)

const (
	// perSecond is how many reads are made of services that are saved.
	perSecond = 50
	// patience is how long who reads waits for an answer.
	patience = 5 * time.Second
	// lookEvery is how often Docker is asked for the services' health.
	lookEvery = 100 * time.Millisecond
)

// watched is what was seen of services while they were saved.
type watched struct {
	mu      sync.Mutex
	reads   int
	failed  []string
	longest time.Duration // that a read took
	looks   int           // at the services' health
	ill     []string
}

// add takes in what another run has seen.
func (w *watched) add(other *watched) {
	w.reads, w.looks = w.reads+other.reads, w.looks+other.looks
	w.failed, w.ill = append(w.failed, other.failed...), append(w.ill, other.ill...)
	w.longest = max(w.longest, other.longest)
}

// table has it beside the figures of the backups.
func (w *watched) table(m measured, of string) string {
	var t strings.Builder
	figures.Head(&t, []string{
		of, "backups", "stood still, s", "longest", "reads at 50/s", "failed in 5 s", "longest read, s",
		"looks at the health", "not healthy",
	})
	figures.Row(&t, []string{
		m.name, fmt.Sprint(len(m.frozen)), figures.Spread(m.frozen, ""), fmt.Sprintf("%.2f", slices.Max(m.frozen)),
		fmt.Sprint(w.reads), fmt.Sprint(len(w.failed)), fmt.Sprintf("%.2f", w.longest.Seconds()), fmt.Sprint(w.looks),
		fmt.Sprint(len(w.ill)),
	})
	for _, all := range [][]string{w.failed, w.ill} {
		if len(all) > 0 {
			fmt.Fprintf(&t, "\nfirst: %s\n", figures.OneLine(all[0]))
		}
	}
	return t.String()
}

// watch reads from the addresses in turn, 50 times a second, and looks at the containers' health, while it is at work
// and for a second more.
func (b *bench) watch(ctx context.Context, containers, addresses []string, work func() error) (*watched, error) {
	w := &watched{}
	ctx, stop := context.WithCancel(ctx)
	var all sync.WaitGroup
	all.Go(func() { w.read(ctx, addresses) })
	all.Go(func() { w.look(ctx, b, containers) })
	time.Sleep(time.Second / 2)
	err := work()
	time.Sleep(time.Second)
	stop()
	all.Wait()
	if err == nil && (w.reads == 0 || w.looks == 0) {
		err = errors.New("nobody read from the services, or looked at their health")
	}
	return w, err
}

// read asks on schedule, whether or not the answers come.
func (w *watched) read(ctx context.Context, addresses []string) {
	tick := time.NewTicker(time.Second / perSecond)
	defer tick.Stop()
	var running sync.WaitGroup
	defer running.Wait()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			running.Go(func() {
				took, err := ask(context.WithoutCancel(ctx), addresses[n%len(addresses)])
				w.mu.Lock()
				defer w.mu.Unlock()
				w.reads++
				w.longest = max(w.longest, took)
				if err != nil {
					w.failed = append(w.failed, err.Error())
				}
			})
		}
	}
}

// ask reads once, on a connection of its own. Another answer than 200 is an error.
func ask(ctx context.Context, address string) (time.Duration, error) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return 0, err
	}
	response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
	if err != nil {
		return time.Since(began), err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answers %s", address, response.Status)
	}
	return time.Since(began), err
}

// look asks Docker for the containers' health, over and over. A check that failed counts, though Docker still says
// healthy then.
func (w *watched) look(ctx context.Context, b *bench, containers []string) {
	for ctx.Err() == nil {
		for _, name := range containers {
			found, err := b.engine.ContainerInspect(ctx, name, client.ContainerInspectOptions{})
			if ctx.Err() != nil {
				return
			}
			w.mu.Lock()
			w.looks++
			switch h := healthOf(found.Container); {
			case err != nil:
				w.ill = append(w.ill, err.Error())
			case h == nil || h.Status == moby.Unhealthy || h.FailingStreak > 0:
				w.ill = append(w.ill, fmt.Sprintf("%s: %+v", name, h))
			}
			w.mu.Unlock()
		}
		select {
		case <-ctx.Done():
		case <-time.After(lookEvery):
		}
	}
}

func healthOf(c moby.InspectResponse) *moby.Health {
	if c.State == nil {
		return nil
	}
	return c.State.Health
}
