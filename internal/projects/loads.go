package projects

import (
	"context"
	"sync"
	"time"

	moby "github.com/moby/moby/api/types/container"

	"github.com/25eloquence/compose-mage/internal/sampler"
)

// Sampler gives Options.Loads: from the kernel's cgroup files where the containers run on this machine, else from the
// engine, of which all containers are asked at once. Without CPU the files are read once, and an engine elsewhere, of
// which an answer takes a second or two, is not asked.
func Sampler(api sampler.StatsAPI, cpu bool) func(context.Context, []moby.InspectResponse) map[string]Load {
	return func(ctx context.Context, running []moby.InspectResponse) map[string]Load {
		loads, groups := map[string]Load{}, map[string]*sampler.Group{}
		before := map[string]sampler.Counters{}
		var rest []string
		host, _ := sampler.Open() // nil where the kernel has no cgroups
		for _, c := range running {
			var g *sampler.Group
			if host != nil {
				g = host.Find(c.State.Pid, c.ID, c.HostConfig != nil && c.HostConfig.NetworkMode.IsHost())
			}
			if g != nil {
				if counters, err := g.Read(); err == nil {
					groups[c.ID], before[c.ID] = g, counters
					continue
				}
			}
			rest = append(rest, c.ID)
		}
		var mutex sync.Mutex
		var wait sync.WaitGroup
		if cpu {
			for _, id := range rest {
				wait.Go(func() {
					if first, second, err := sampler.Ask(ctx, api, id); err == nil {
						mutex.Lock()
						defer mutex.Unlock()
						loads[id] = loadOf(first, second)
					}
				})
			}
			select {
			case <-ctx.Done():
			case <-time.After(sampler.Window):
			}
		}
		for id, g := range groups {
			second := before[id]
			if cpu {
				if again, err := g.Read(); err == nil {
					second = again
				}
			}
			mutex.Lock()
			loads[id] = loadOf(before[id], second)
			mutex.Unlock()
		}
		wait.Wait()
		return loads
	}
}

func loadOf(before, after sampler.Counters) Load {
	return Load{
		Memory: after.MemoryWorkingSet, CPUPercent: sampler.Between(before, after).CPUPercent,
		OOMKills: int(after.OOMKills),
	}
}
