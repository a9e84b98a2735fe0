package evidence

import (
	"cmp"
	"encoding/json"
	"maps"
	"path/filepath"
	"slices"

	"github.com/compose-spec/compose-go/v2/loader"

	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/state"
)

// mostKept is how many ends of a project's containers are kept, one of each: the newest.
const mostKept = 200

// keptEnds are the ends that earlier looks found out, by project and container ID. They are a memory aid: a state
// directory that can't be read or written to is said by the targets that need it.
type keptEnds map[string]*projectEnds

type projectEnds struct {
	ends    map[string]container.End
	changed bool
}

// endsFile is where the ends of a project's containers are kept from one run to the next.
func endsFile(project string) (string, error) {
	dir, err := state.Dir()
	return filepath.Join(dir, "ends", project+".json"), err
}

// project gives what is kept of the container's project; nil where it has none whose name Compose would take, as the
// name is part of a path.
func (k keptEnds) project(c *container.Replica) *projectEnds {
	if c.Config == nil {
		return nil
	}
	name := c.Config.Labels[container.ProjectLabel]
	if name == "" || loader.NormalizeProjectName(name) != name {
		return nil
	}
	if k[name] == nil {
		k[name] = &projectEnds{ends: map[string]container.End{}}
		if file, err := endsFile(name); err == nil && state.ReadJSON(file, &k[name].ends) != nil {
			k[name].ends = map[string]container.End{}
		}
	}
	return k[name]
}

func (k keptEnds) of(c *container.Replica) (container.End, bool) {
	p := k.project(c)
	if p == nil {
		return container.End{}, false
	}
	end, ok := p.ends[c.ID]
	return end, ok
}

// take keeps an end of which no later look of this user can tell more.
func (k keptEnds) take(c *container.Replica, end container.End) {
	p := k.project(c)
	if p == nil || end.Cause == container.HostOrHand || end.OrHost || end.At.IsZero() {
		return
	}
	p.ends[c.ID], p.changed = end, true
}

func (k keptEnds) write() {
	for name, p := range k {
		if !p.changed {
			continue
		}
		if file, err := endsFile(name); err == nil {
			if text, err := json.Marshal(p.newest()); err == nil {
				_ = state.Keep(file, text)
			}
		}
	}
}

// newest are the ends that are kept.
func (p *projectEnds) newest() map[string]container.End {
	ids := slices.SortedFunc(maps.Keys(p.ends), func(a, b string) int {
		return cmp.Or(p.ends[b].At.Compare(p.ends[a].At), cmp.Compare(a, b))
	})
	out := map[string]container.End{}
	for _, id := range ids[:min(len(ids), mostKept)] {
		out[id] = p.ends[id]
	}
	return out
}
