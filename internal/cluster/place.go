package cluster

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/moby/moby/api/types/swarm"
)

// place carries out in rooms what the Swarm does when the service is made or updated, and takes down where its tasks
// went.
func (d demand) place(rooms []*room, kept bool, fit *Fit) {
	switch {
	case d.spec.Mode.Global != nil, d.spec.Mode.GlobalJob != nil:
		d.placeGlobal(rooms, kept, fit)
	default:
		d.placeCopies(rooms, kept, fit)
	}
	if !kept && fit.Copies > 0 {
		fit.Traps = slices.DeleteFunc(slices.Clone(fit.Refused), func(r Refusal) bool {
			return r.Reasons[0].Filter != FilterEngine
		})
	}
	if d.spec.Mode.ReplicatedJob != nil || d.spec.Mode.GlobalJob != nil {
		// A job ends: what comes after it waits for its room at most.
		for _, r := range rooms {
			r.remove(d.mine)
		}
	}
	for _, r := range rooms {
		n := 0
		for _, t := range r.tasks {
			if d.mine(t) && t.stays {
				n++
			}
		}
		if n > 0 {
			fit.On[r.node.ID] = n
		}
	}
}

// mine says whether a task is the service's.
func (d demand) mine(t task) bool { return t.service == d.key }

// sort fills in which nodes can have a task now, and which can't.
func (d demand) sort(rooms []*room, fit *Fit) {
	var fitting []*room
	for _, r := range rooms {
		if reasons := d.reasons(r); len(reasons) > 0 {
			fit.Refused = append(fit.Refused, Refusal{r.node, reasons})
		} else {
			fitting = append(fitting, r)
		}
	}
	slices.SortStableFunc(fitting, func(a, b *room) int { return cmp.Compare(b.free.memory, a.free.memory) })
	for _, r := range fitting {
		fit.Nodes = append(fit.Nodes, r.node)
	}
}

// concurrent is how many tasks run at the same time.
func concurrent(mode swarm.ServiceMode) int {
	switch {
	case mode.Replicated != nil && mode.Replicated.Replicas != nil:
		return int(*mode.Replicated.Replicas)
	case mode.ReplicatedJob != nil && mode.ReplicatedJob.MaxConcurrent != nil:
		return int(*mode.ReplicatedJob.MaxConcurrent)
	}
	return 1
}

// update is how tasks are replaced: how many at a time, and whether the new one starts first.
func (d demand) update(old int) (step int, startFirst bool) {
	step = 1
	if u := d.spec.UpdateConfig; u != nil {
		step, startFirst = int(u.Parallelism), u.Order == swarm.UpdateOrderStartFirst
	}
	if step == 0 || step > old {
		step = old
	}
	return step, startFirst
}

// placeCopies puts the tasks of a replicated service. More tasks than there are come first; then the old ones are
// replaced, slot by slot.
func (d demand) placeCopies(rooms []*room, kept bool, fit *Fit) {
	fit.Copies = concurrent(d.spec.Mode)
	old := d.old(rooms)
	for len(old) > fit.Copies { // the Swarm stops those of the highest slots
		d.drop(rooms, old[len(old)-1:])
		old = old[:len(old)-1]
	}
	step, startFirst := d.update(len(old))
	view := clones(rooms)
	if !startFirst && !kept {
		for _, r := range view {
			r.remove(d.mine)
		}
	}
	d.sort(view, fit)
	if kept {
		fit.Placed = len(old)
	}
	for range fit.Copies - len(old) {
		if !d.one(rooms, fit) {
			return
		}
	}
	if kept {
		return
	}
	for batch := range slices.Chunk(old, max(1, step)) {
		if !startFirst {
			d.drop(rooms, batch)
		}
		for range batch {
			if !d.one(rooms, fit) {
				return
			}
		}
		if startFirst {
			d.drop(rooms, batch)
		}
	}
}

// old are the service's tasks that run, by their slots. One that is being stopped is gone soon.
func (d demand) old(rooms []*room) []task {
	var out []task
	for _, r := range rooms {
		r.remove(func(t task) bool { return d.mine(t) && !t.stays })
		for _, t := range r.tasks {
			if d.mine(t) {
				out = append(out, t)
			}
		}
	}
	slices.SortFunc(out, func(a, b task) int { return cmp.Or(cmp.Compare(a.slot, b.slot), cmp.Compare(a.id, b.id)) })
	return out
}

func (d demand) drop(rooms []*room, tasks []task) {
	for _, r := range rooms {
		r.remove(func(t task) bool {
			return slices.ContainsFunc(tasks, func(gone task) bool { return gone.id == t.id })
		})
	}
}

// one puts one task where the scheduler would: among the nodes that fit, on the one with the fewest tasks of the
// service, then with the fewest at all. Between equal ones it takes any; here it is the one with the most memory.
func (d demand) one(rooms []*room, fit *Fit) bool {
	var best *room
	var left []Refusal
	for _, r := range rooms {
		if reasons := d.reasons(r); len(reasons) > 0 {
			left = append(left, Refusal{r.node, reasons})
		} else if best == nil || d.rank(r, best) < 0 {
			best = r
		}
	}
	if best == nil {
		fit.Left = left
		return false
	}
	d.put(best, fit)
	return true
}

func (d demand) rank(a, b *room) int {
	return cmp.Or(cmp.Compare(a.active[d.key], b.active[d.key]), cmp.Compare(a.running(), b.running()),
		cmp.Compare(b.free.memory, a.free.memory))
}

// running counts the tasks of a node that are to run.
func (r *room) running() (n int) {
	for _, active := range r.active {
		n += active
	}
	return n
}

func (d demand) put(r *room, fit *Fit) {
	fit.Placed++
	id := "new " + strconv.Itoa(fit.Placed) + " " + d.key
	r.add(task{id: id, service: d.key, stays: true, claim: d.claim, ports: d.ports})
}

// placeGlobal puts a task on each node that is available and satisfies the constraints. One that lacks something else
// has a task that waits for it.
func (d demand) placeGlobal(rooms []*room, kept bool, fit *Fit) {
	old := d.old(rooms)
	_, startFirst := d.update(len(old))
	for _, r := range rooms {
		has := r.active[d.key] > 0
		_, ready := available(r.node)
		unmet := d.unmet(r.node)
		if !ready || len(unmet) > 0 {
			fit.Refused = append(fit.Refused, Refusal{r.node, d.reasons(r)})
			if ready || r.node.Spec.Availability == swarm.NodeAvailabilityDrain {
				r.remove(d.mine)
			}
			continue
		}
		fit.Copies++
		if has && kept {
			fit.Placed++
			fit.Nodes = append(fit.Nodes, r.node)
			continue
		}
		if !startFirst {
			r.remove(d.mine)
		}
		if reasons := d.reasons(r); len(reasons) > 0 {
			fit.Refused = append(fit.Refused, Refusal{r.node, reasons})
			fit.Left = append(fit.Left, Refusal{r.node, reasons})
			continue
		}
		r.remove(d.mine)
		d.put(r, fit)
		fit.Nodes = append(fit.Nodes, r.node)
	}
	if fit.Copies == 0 {
		fit.Left = fit.Refused
	}
}
