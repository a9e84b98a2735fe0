package metrics

import (
	"maps"
	"slices"

	"github.com/25eloquence/compose-mage/internal/monitor"
)

// snapshot adds all that a snapshot tells, with what was counted since the exporter runs.
func (f families) snapshot(s monitor.Snapshot, counted counts) {
	f.gauge("compose_mage_snapshot_timestamp_seconds", "When the figures of this scrape were taken, since 1970.", nil,
		seconds(s.Time))
	f.gauge("machine_cpu_cores", "Processors of the machine.", nil, float64(s.CPUs))
	f.gauge("machine_memory_bytes", "Memory of the machine.", nil, float64(s.Memory))
	for _, r := range s.Services {
		if r.ID == "" || r.State == monitor.StateGone {
			continue
		}
		if r.Running() && r.Error == "" {
			f.container(s, r)
		}
		f.events(s, r, counted[r.ID])
	}
	f.services(s)
	f.findings(s)
	f.disk(s.Disk)
	f.backups(s.Project)
}

// events adds what is counted of a container, also of one that has ended: the kill that ended it is not to be missed.
func (f families) events(s monitor.Snapshot, r monitor.Replica, c *count) {
	if c == nil { // the exporter has not counted this snapshot yet
		c = new(count)
		c.add(r)
	}
	l := ofContainer(s.Project, r)
	f.counter("container_oom_events_total", "Processes of the container that the kernel killed for want of memory.",
		cadvisor(s.Project, r), float64(c.oomKills))
	f.counter("compose_mage_service_restarts_total", "Restarts by the engine since the container was made.", l,
		float64(c.restarts))
	f.counter("compose_mage_service_log_errors_total", "Lines of errors in the log since it is watched.", l,
		float64(r.Log.Total))
	if c.checks.count > 0 {
		f.histogram("compose_mage_service_health_check_duration_seconds", "How long health checks took.", l, &c.checks)
	}
	if !c.answered.IsZero() {
		f.histogram("compose_mage_service_response_seconds", "How long the service itself took to answer.", l,
			&c.answers)
		f.counter("compose_mage_service_response_errors_total", "How often the service itself gave no good answer.", l,
			float64(c.unanswered))
	}
}

// services adds how many containers each service has and should have.
func (f families) services(s monitor.Snapshot) {
	type numbers struct{ up, expected, checked, healthy int }
	all := map[string]*numbers{}
	for _, r := range s.Services {
		if r.State == monitor.StateGone {
			continue
		}
		n := all[r.Service]
		if n == nil {
			n = new(numbers)
			all[r.Service] = n
		}
		n.up += one(r.Running() && r.Error == "") // of one that could not be looked at nobody knows
		n.expected += one(r.Expected)
		n.checked += one(r.Health != "")
		n.healthy += one(r.Health == "healthy" && r.Error == "")
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		n, l := all[name], labelled(map[string]string{"project": s.Project, "service": name})
		f.gauge("compose_mage_service_up", "Containers of the service that run.", l, float64(n.up))
		f.gauge("compose_mage_service_expected", "Containers of the service that should run.", l, float64(n.expected))
		if n.checked > 0 {
			f.gauge("compose_mage_service_healthy", "Containers of the service whose health check says healthy.", l,
				float64(n.healthy))
		}
	}
}

// findings adds a 1 for each thing that is wrong.
func (f families) findings(s monitor.Snapshot) {
	type key struct{ service, id, severity string }
	seen := map[key]bool{} // two containers of a service may have the same
	for _, found := range s.Findings {
		subjects := found.Subjects
		if len(subjects) == 0 {
			subjects = []string{""}
		}
		for _, service := range subjects {
			k := key{service, found.ID, found.Severity.String()}
			if seen[k] {
				continue
			}
			seen[k] = true
			f.gauge("compose_mage_finding", "What is wrong now, by the rule that found it; the value is 1.",
				labelled(map[string]string{
					"project": s.Project, "service": service, "id": k.id, "severity": k.severity,
				}), 1)
		}
	}
}

func (f families) disk(d monitor.Disk) {
	for _, of := range []struct {
		kind string
		use  monitor.DiskUse
	}{{"images", d.Images}, {"containers", d.Containers}, {"volumes", d.Volumes}, {"build_cache", d.BuildCache}} {
		l := labelled(map[string]string{"kind": of.kind})
		f.gauge("compose_mage_disk_used_bytes", "What the engine stores, of all projects.", l, float64(of.use.Size))
		f.gauge("compose_mage_disk_reclaimable_bytes", "What of it nothing uses.", l, float64(of.use.Reclaimable))
	}
	if d.Space != nil {
		f.gauge("compose_mage_disk_free_bytes", "Free space where the engine keeps its files.", nil,
			float64(d.Space.Free))
		f.gauge("compose_mage_disk_capacity_bytes", "Size of the file system where the engine keeps its files.", nil,
			float64(d.Space.Total))
	}
}

func one(is bool) int {
	if is {
		return 1
	}
	return 0
}
