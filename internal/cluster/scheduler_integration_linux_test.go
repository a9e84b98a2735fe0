//go:build integration && linux

package cluster

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/ui"
)

func logs(driver string) func(*swarm.ServiceSpec) {
	return func(s *swarm.ServiceSpec) { s.TaskTemplate.LogDriver = &swarm.Driver{Name: driver} }
}

func onPlatform(platforms ...swarm.Platform) func(*swarm.ServiceSpec) {
	return func(s *swarm.ServiceSpec) { s.TaskTemplate.Placement.Platforms = platforms }
}

func volumeOf(driver string) func(*swarm.ServiceSpec) {
	return func(s *swarm.ServiceSpec) {
		s.TaskTemplate.ContainerSpec.Mounts = []mount.Mount{{
			Type: mount.TypeVolume, Source: "v", Target: "/v",
			VolumeOptions: &mount.VolumeOptions{DriverConfig: &mount.Driver{Name: driver}},
		}}
	}
}

// shape is a service on a Swarm where others run.
type shape struct {
	others []swarm.ServiceSpec
	spec   swarm.ServiceSpec
}

func at(hostname string) func(*swarm.ServiceSpec) { return constrained("node.hostname==" + hostname) }

// shapes are for three nodes, all of total bytes and nano CPUs.
func shapes(total, nano int64, address string) map[string]shape {
	a := func(copies uint64, edits ...func(*swarm.ServiceSpec)) shape {
		return shape{spec: service("a", copies, edits...)}
	}
	with := func(s shape, others ...swarm.ServiceSpec) shape {
		s.others = others
		return s
	}
	const host = swarm.PortConfigPublishModeHost
	return map[string]shape{
		"anything":              a(3),
		"label":                 a(2, constrained("node.labels.gpu==TRUE")),
		"no such label":         a(1, constrained("node.labels.gpu==false")),
		"host name":             a(1, constrained("node.hostname==NODE2")),
		"another key":           a(1, constrained("node.zone!=x")),
		"engine's label":        a(3, constrained("engine.labels.rack!=7")),
		"address":               a(1, constrained("node.ip=="+address)),
		"not that address":      a(3, constrained("node.ip!="+address+"/32")),
		"workers, one each":     a(3, constrained("node.role==worker"), most(1)),
		"platform":              a(1, onPlatform(swarm.Platform{OS: "linux", Architecture: "amd64"})),
		"another platform":      a(1, onPlatform(swarm.Platform{OS: "windows"}, swarm.Platform{Architecture: "s390x"})),
		"too much memory":       a(1, reserve(0, total+1)),
		"memory for three":      a(4, reserve(0, total*6/10)),
		"too many CPUs":         a(1, reserve(nano+1e6, 0)),
		"CPUs for three":        a(4, reserve(nano*6/10, 0)),
		"generic":               a(2, reserve(0, 0, discrete("gpu", 2))),
		"named generic":         a(2, reserve(0, 0, discrete("card", 1))),
		"too many of a generic": a(1, reserve(0, 0, discrete("card", 3))),
		"no such generic":       a(1, reserve(0, 0, discrete("tpu", 1))),
		"log driver":            a(1, logs("loki")),
		"known log driver":      a(1, logs("json-file")),
		"volume driver":         a(1, volumeOf("rexray")),
		"several reasons":       a(1, reserve(0, total+1), constrained("node.labels.gpu==true")),
		"global":                a(1, global, constrained("node.role==worker")),
		"job":                   a(1, job, reserve(0, total+1)),
		"all have less":         with(a(1, reserve(0, total*6/10)), service("b", 1, global, reserve(0, total/2))),
		"one has less":          with(a(3, reserve(0, total*6/10)), service("b", 1, at("node1"), reserve(0, total/2))),
		"generic taken": with(
			a(1, reserve(0, 0, discrete("card", 2))), service("b", 1, reserve(0, 0, discrete("card", 1)))),
		"host port":        with(a(3, publish(host, 8099)), service("b", 1, at("node2"), publish(host, 8099))),
		"host port on all": with(a(1, publish(host, 8099)), service("b", 1, global, publish(host, 8099))),
		"one of each": with(
			a(1, publish(host, 8099), reserve(0, total*6/10), constrained("node.hostname!=node3")),
			service("b", 1, at("node1"), publish(host, 8099)), service("c", 1, at("node2"), reserve(0, total/2))),
		"global, one full": with(
			a(1, global, reserve(0, total*6/10)), service("b", 1, at("node2"), reserve(0, total/2))),
	}
}

// short are the shapes of every run: one for each filter of the scheduler. PLACEMENT=1 makes it all of them, with
// updates, drained nodes and what a manager refuses, in two minutes.
var short = []string{"label", "memory for three", "generic", "platform", "log driver", "host port", "one of each"}

// TestIntegrationFitIsWhatTheSchedulerDoes makes services of many shapes on a Swarm of three engines.
func TestIntegrationFitIsWhatTheSchedulerDoes(t *testing.T) {
	j, total, nano, address := judge(t)
	all := shapes(total, nano, address)
	long := os.Getenv("PLACEMENT") != ""
	for _, name := range sortedKeys(all) {
		if !long && !slices.Contains(short, name) {
			continue
		}
		s := all[name]
		for _, other := range s.others {
			if err := j.create(other); err != nil {
				t.Fatal(err)
			}
			j.settled(other.Name)
		}
		f := j.look().Fit("a", s.spec)
		if err := j.create(s.spec); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		j.compare(name, f, 0)
		j.clear()
	}
	j.report(total)
	j.refused(total)
	if !long {
		return
	}
	j.unavailable()
	j.run = true
	j.updates(total)
}

// report is what nodes says while a service runs on the node that offers most.
func (j judged) report(total int64) {
	j.node("node2", func(n *swarm.NodeSpec) { n.Labels[VolumeLabel("v")] = "true" })
	err := j.create(service("a", 1, reserve(0, total/2, discrete("card", 1)), constrained("node.labels.gpu==true")))
	if err != nil {
		j.t.Fatal(err)
	}
	j.settled("p_a")
	report := j.look().Report(false)
	var b strings.Builder
	report.Print(ui.New(ui.Within(&b, 80)))
	j.t.Logf("%s", b.String())
	n := report.Nodes[1]
	if len(report.Nodes) != 3 || report.Nodes[0].Role != "leader" || n.Name != "node2" || n.State != "ready" ||
		n.ReservedMemory != total/2 || len(n.Resources) != 2 || n.Resources[0] != (GenericReport{"card", 2, 1}) ||
		n.Labels["gpu"] != "true" || !slices.Equal(n.Volumes, []string{"v"}) || len(n.Stacks) != 1 ||
		n.Stacks[0].Coming != 1 || len(report.Findings) != 1 || report.Findings[0].ID != "managers.single" {
		j.t.Errorf("got %+v", report)
	}
	j.clear()
}

func sortedKeys(m map[string]shape) []string {
	var out []string
	for key := range m {
		out = append(out, key)
	}
	slices.Sort(out)
	return out
}

// refused are specifications that the manager does not take, whichever nodes there are.
func (j judged) refused(total int64) {
	const ingress = swarm.PortConfigPublishModeIngress
	if err := j.create(service("b", 1, publish(ingress, 8098))); err != nil {
		j.t.Fatal(err)
	}
	for name, spec := range map[string]swarm.ServiceSpec{
		"no operator":  service("a", 1, constrained("node.id")),
		"no key":       service("a", 1, constrained("a b==c")),
		"bad value":    service("a", 1, constrained("node.id==<x")),
		"little CPU":   service("a", 1, reserve(1e5, 0)),
		"little":       service("a", 1, reserve(0, 1<<20)),
		"mesh port":    service("a", 1, publish(ingress, 8098)),
		"port of mesh": service("a", 1, publish(swarm.PortConfigPublishModeHost, 8098)),
	} {
		f, err := j.look().Fit("a", spec), j.create(spec)
		if (err != nil) != (f.Invalid != nil) {
			j.t.Errorf("%s: the manager says %v, and Fit %v", name, err, f.Invalid)
		}
		j.t.Logf("%s: %v", name, err)
	}
	if f := j.look().Fit("a", service("a", 1, constrained("node.labels.a==b"), reserve(1e6, 4<<20))); f.Invalid != nil {
		j.t.Errorf("the least that a Swarm takes: %v", f.Invalid)
	}
	if err := j.create(service("a", 1, constrained("node.labels.a==b"), reserve(1e6, 4<<20))); err != nil {
		j.t.Errorf("the least that a Swarm takes: %v", err)
	}
	j.clear()
}

// unavailable are nodes that take no tasks.
func (j judged) unavailable() {
	set := func(node string, a swarm.NodeAvailability) {
		j.node(node, func(n *swarm.NodeSpec) { n.Availability = a })
	}
	set("node1", swarm.NodeAvailabilityPause)
	set("node2", swarm.NodeAvailabilityDrain)
	for name, spec := range map[string]swarm.ServiceSpec{
		"one is left":        service("a", 2, most(1)),
		"none has the label": service("a", 1, constrained("node.labels.gpu==true")),
		"global, of three":   service("a", 1, global),
	} {
		f := j.look().Fit("a", spec)
		if err := j.create(spec); err != nil {
			j.t.Fatal(err)
		}
		j.compare(name, f, 0)
		j.clear()
	}
	set("node1", swarm.NodeAvailabilityActive)
	set("node2", swarm.NodeAvailabilityActive)
}

// updates are services that run and become others.
func (j judged) updates(total int64) {
	for name, c := range map[string]struct {
		old, is swarm.ServiceSpec
		kept    int // old tasks that go on, since the update stops at the first that has no place
	}{
		"stop-first in its own room": {
			service("a", 3, reserve(0, total*6/10)), service("a", 3, reserve(0, total*7/10)), 0,
		},
		"start-first without room": {
			service("a", 3, reserve(0, total*6/10)), service("a", 3, reserve(0, total*7/10), startFirst), 3,
		},
		"start-first, one node is free": {
			service("a", 2, reserve(0, total*6/10)), service("a", 2, reserve(0, total*7/10), startFirst), 0,
		},
		"start-first, one a node": {
			service("a", 3, most(1)), service("a", 3, most(1), startFirst, logs("json-file")), 3,
		},
		"stop-first, no node": {service("a", 3), service("a", 3, reserve(0, total+1)), 2},
		"more copies":         {service("a", 1, reserve(0, total*6/10)), service("a", 4, reserve(0, total*6/10)), 1},
		"global, start-first": {
			service("a", 1, global, reserve(0, total*6/10)),
			service("a", 1, global, reserve(0, total*7/10), startFirst), 3,
		},
	} {
		if err := j.create(c.old); err != nil {
			j.t.Fatal(err)
		}
		j.settled("p_a")
		look := j.look()
		f := look.Fit("a", c.is)
		s := look.Services["a"]
		_, err := j.api.ServiceUpdate(j.t.Context(), s.ID,
			client.ServiceUpdateOptions{Version: s.Version, Spec: j.spec(c.is)})
		if err != nil {
			j.t.Fatal(err)
		}
		j.compare(name, f, c.kept)
		j.clear()
	}
}
