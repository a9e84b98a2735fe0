package cluster

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/moby/moby/api/types/swarm"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/finding"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// findings are what is wrong with the Swarm's nodes, or will be.
func (c Cluster) findings() []finding.Finding {
	return slices.Concat([]finding.Finding{}, c.unavailable(), c.managers(), c.versions(), c.clocks(), c.waiting())
}

// names gives the nodes' names, sorted.
func names(nodes []swarm.Node) []string {
	var out []string
	for _, n := range nodes {
		out = append(out, Name(n))
	}
	slices.Sort(out)
	return out
}

// unavailable are the nodes that take no tasks, or lack what their tasks reserve.
func (c Cluster) unavailable() []finding.Finding {
	var out []finding.Finding
	for _, r := range c.rooms() {
		n := r.node
		reason, ready := available(n)
		switch {
		case n.Status.State == swarm.NodeStateDown || n.Status.State == swarm.NodeStateDisconnected:
			out = append(out, finding.Warn("node.down",
				"start its engine again, or, if it is gone for good: docker node rm --force "+fault.Quote(Name(n)),
				"%s: %s", Name(n), reason.Text))
		case n.Status.State != swarm.NodeStateReady:
			out = append(out, finding.Warn("node.unknown", "docker node inspect --pretty "+fault.Quote(Name(n)),
				"%s: %s", Name(n), reason.Text))
		case !ready:
			out = append(out, finding.Tell("node.unavailable", reason.Remedy,
				"%s: %s, and takes no new tasks", Name(n), reason.Text))
		case r.free.memory < 0 || r.free.cpus < 0:
			out = append(out, finding.Warn("node.full", "lower deploy.resources.reservations of what runs there",
				"%s: its tasks reserve %s memory and %s CPUs, and it has %s and %s", Name(n),
				ui.Bytes(r.total.memory-r.free.memory), cpus(r.total.cpus-r.free.cpus), ui.Bytes(r.total.memory),
				cpus(r.total.cpus)))
		}
	}
	return out
}

// managers says how many of them may fail.
func (c Cluster) managers() []finding.Finding {
	var all, lost, workers []swarm.Node
	for _, n := range c.Nodes {
		switch {
		case n.ManagerStatus == nil:
			if n.Status.State == swarm.NodeStateReady {
				workers = append(workers, n)
			}
			continue
		case n.ManagerStatus.Reachability != swarm.ReachabilityReachable:
			lost = append(lost, n)
		}
		all = append(all, n)
	}
	var out []finding.Finding
	if len(lost) > 0 {
		out = append(out, finding.Fail(fault.Engine, "managers.unreachable",
			"start them again, or: docker node demote "+fault.Quote(names(lost)...),
			"managers that the other ones don't reach: %s; %d of %d are needed", strings.Join(names(lost), ", "),
			len(all)/2+1, len(all)))
	}
	promote := names(workers)
	switch {
	case len(c.Nodes) < 3:
	case len(all) == 1:
		out = append(out, finding.Warn("managers.single",
			strings.TrimSpace("docker node promote "+fault.Quote(promote[:min(2, len(promote))]...)),
			"one manager: without it nothing is deployed, and what fails is not started again"))
	case len(all)%2 == 0 && len(promote) > 0:
		out = append(out, finding.Warn("managers.even", "docker node promote "+fault.Quote(promote[0]),
			"%d managers: no more of them may fail than of %d", len(all), len(all)-1))
	case len(all)%2 == 0:
		out = append(out, finding.Warn("managers.even", "docker node demote one of "+fault.Quote(names(all)...),
			"%d managers: no more of them may fail than of %d", len(all), len(all)-1))
	}
	if len(c.Nodes) == 2 && len(all) == 2 {
		out = append(out, finding.Warn("managers.even", "docker node demote one of "+fault.Quote(names(all)...),
			"two managers: when either fails, nothing is deployed, and what fails is not started again"))
	}
	return out
}

// versions says where engines, or platforms, differ.
func (c Cluster) versions() []finding.Finding {
	engines, platforms := map[string][]string{}, map[string][]string{}
	for _, n := range c.Nodes {
		d := n.Description
		platform := d.Platform.OS + "/" + architecture(d.Platform.Architecture)
		platforms[platform] = append(platforms[platform], Name(n))
		engines[d.Engine.EngineVersion] = append(engines[d.Engine.EngineVersion], Name(n))
	}
	list := func(of map[string][]string) string {
		var parts []string
		for _, key := range slices.Sorted(maps.Keys(of)) {
			slices.Sort(of[key])
			parts = append(parts, key+" on "+strings.Join(of[key], ", "))
		}
		return strings.Join(parts, "; ")
	}
	var out []finding.Finding
	if len(engines) > 1 {
		out = append(out, finding.Warn("engines.differ", "update the older ones, managers last, each drained before: "+
			"docker node update --availability drain NODE", "the engines differ: %s", list(engines)))
	}
	if len(platforms) > 1 {
		out = append(out, finding.Tell("platforms.differ", "build for all of them, or say platform on the services",
			"the nodes differ: %s", list(platforms)))
	}
	return out
}

// clocks says which nodes' clocks differ from the manager's. A node dates what it says of its tasks by its own clock,
// and the manager what it writes by its own: a date after the writing is a clock that is ahead. One that is behind
// shows in the shortest time between the two, as a task may be written for other reasons later.
func (c Cluster) clocks() []finding.Finding {
	const ahead, behind, enough = 3 * time.Second, 30 * time.Second, 3
	shortest, count := map[string]time.Duration{}, map[string]int{}
	for _, t := range c.Tasks {
		if t.NodeID == "" || t.Status.ContainerStatus == nil || t.Status.Timestamp.IsZero() || t.UpdatedAt.IsZero() ||
			t.Status.State == swarm.TaskStateOrphaned {
			continue
		}
		lag := t.UpdatedAt.Sub(t.Status.Timestamp)
		if count[t.NodeID] == 0 || lag < shortest[t.NodeID] {
			shortest[t.NodeID] = lag
		}
		count[t.NodeID]++
	}
	var out []finding.Finding
	for _, n := range c.Nodes {
		lag := shortest[n.ID]
		text := ""
		switch {
		case lag < -ahead:
			text = fmt.Sprintf("%s ahead of", ui.Seconds(-lag))
		case lag > behind && count[n.ID] >= enough:
			text = fmt.Sprintf("about %s behind", ui.Seconds(lag))
		default:
			continue
		}
		out = append(out, finding.Warn("node.clock", "have it keep time, by systemd-timesyncd or chrony",
			"%s: its clock is %s the managers': certificates and logs go by it", Name(n), text))
	}
	return out
}

// waiting are tasks that no node takes, with the scheduler's words.
func (c Cluster) waiting() []finding.Finding {
	serviceOf := map[string]string{}
	for _, s := range c.AllServices {
		serviceOf[s.ID] = s.Spec.Name
	}
	count, words := map[string]int{}, map[string]string{}
	for _, t := range c.Tasks {
		if t.Status.State != swarm.TaskStatePending || !ToRun(t) {
			continue
		}
		name, known := serviceOf[t.ServiceID]
		if !known { // a job that was removed leaves its tasks
			continue
		}
		count[name]++
		if t.Status.Err != "" {
			words[name] = ": " + t.Status.Err
		}
	}
	var out []finding.Finding
	for _, name := range slices.Sorted(maps.Keys(count)) {
		tasks := "tasks wait"
		if count[name] == 1 {
			tasks = "task waits"
		}
		out = append(out, finding.Warn("tasks.waiting", "go tool mage deploy -dry-run",
			"%s: %d %s for a node%s", name, count[name], tasks, words[name]))
	}
	return out
}
