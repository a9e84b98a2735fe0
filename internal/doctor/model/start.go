package model

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"go.yaml.in/yaml/v4"

	"github.com/25eloquence/compose-mage/internal/doctor/check"
	"github.com/25eloquence/compose-mage/internal/doctor/source"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/finding"
)

// startRules are about services that start, stay up, and find each other.
var startRules = []rule{
	modelRule("restart.missing", "a service with ports that nobody starts again", finding.Warning,
		"docs.docker.com/engine/containers/start-containers-automatically/", check.Safe, restartMissing),
	modelRule("depends.early", "a service that starts before what it needs is ready", finding.Warning, startOrder,
		check.Asked, dependsEarly),
	modelRule("network.apart", "a service that names another which it can't reach", finding.Warning,
		composeDocs+"networks/", check.NoFix, networkApart),
	modelRule("port.twice", "two services that want one port of the host", finding.Failure, "the engine refuses it",
		check.NoFix, portTwice),
	modelRule("port.replicas", "more replicas of a service than ports of the host for them", finding.Failure,
		"the engine refuses it", check.NoFix, portReplicas),
	modelRule("tmpfs.unbounded", "a tmpfs that may take half of the machine's memory", finding.Info,
		"kernel.org: tmpfs", check.NoFix, tmpfsUnbounded),
}

func restartMissing(l Look) []check.Finding {
	jobs := completing(l.Project)
	var out []check.Finding
	for _, s := range l.services() {
		if s.Restart != "" || len(s.Ports) == 0 || jobs[s.Name] || s.Deploy != nil && s.Deploy.RestartPolicy != nil {
			continue
		}
		out = append(out, check.Warn("restart.missing", "restart: unless-stopped of "+fault.Quote(s.Name),
			"it publishes ports, and no restart policy starts it again").Of(s.Name).At(l.at(s.Name)).
			Because("after a crash, or a restart of the engine or the machine, it stays down").
			Edited(check.Safe, check.Edit{Path: []string{"services", s.Name, "restart"}, Value: "unless-stopped"}))
	}
	return out
}

// completing are the services that others wait for to complete.
func completing(project *types.Project) map[string]bool {
	jobs := map[string]bool{}
	for _, s := range project.Services {
		for name, d := range s.DependsOn {
			if d.Condition == types.ServiceConditionCompletedSuccessfully {
				jobs[name] = true
			}
		}
	}
	return jobs
}

// checked says whether the Compose file gives the service a health check.
func checked(s types.ServiceConfig) bool {
	h := s.HealthCheck
	return h != nil && !h.Disable && len(h.Test) > 0 && h.Test[0] != "NONE"
}

func dependsEarly(l Look) []check.Finding {
	var out []check.Finding
	for _, s := range l.services() {
		var early []string
		for _, name := range slices.Sorted(maps.Keys(s.DependsOn)) {
			on, active := l.Project.Services[name]
			if active && checked(on) && s.DependsOn[name].Condition == types.ServiceConditionStarted {
				early = append(early, name)
			}
		}
		if len(early) == 0 {
			continue
		}
		out = append(out, check.Warn("depends.early", "depends_on with condition: service_healthy, for "+
			fault.Quote(strings.Join(early, ", ")),
			"it starts once %s started, not once healthy, though there is a health check", strings.Join(early, ", ")).
			Of(s.Name).At(l.at(s.Name, "depends_on")).
			Because("its first requests may meet a service that does not answer yet").
			Edited(check.Asked, l.conditions(s, early)...))
	}
	return out
}

// conditions gives the edits that make a service wait for the health of others; none where the files don't say it in
// a way that can be edited.
func (l Look) conditions(s types.ServiceConfig, early []string) []check.Edit {
	path := []string{"services", s.Name, "depends_on"}
	value, _ := l.Files.Value(path...)
	if value == nil {
		return nil
	}
	switch value.Kind {
	case yaml.MappingNode:
		var edits []check.Edit
		for _, name := range early {
			e := check.Edit{Path: append(slices.Clone(path), name, "condition"), Value: "service_healthy"}
			if _, is := source.Find(value, name, "condition"); is != nil {
				e.Old = is.Value
			}
			edits = append(edits, e)
		}
		return edits
	case yaml.SequenceNode:
		var parts []string
		for _, n := range value.Content {
			condition := "service_started"
			if slices.Contains(early, n.Value) {
				condition = "service_healthy"
			}
			parts = append(parts, fmt.Sprintf("%s: {condition: %s}", n.Value, condition))
		}
		return []check.Edit{{Path: path, Value: "{" + strings.Join(parts, ", ") + "}", Old: check.Anything}}
	}
	return nil
}

// published is one port of the host that a service wants.
type published struct {
	service, ip, protocol string
	number                int
}

func (p published) meets(o published) bool {
	anywhere := func(ip string) bool { return ip == "" || ip == "0.0.0.0" || ip == "::" }
	return p.number == o.number && p.protocol == o.protocol && (anywhere(p.ip) || anywhere(o.ip) || p.ip == o.ip)
}

// publishedBy gives the fixed ports of a service; a range is the replicas' to share, and left out.
func publishedBy(s types.ServiceConfig) []published {
	var all []published
	for _, p := range s.Ports {
		n, err := strconv.Atoi(p.Published)
		if err != nil || n == 0 {
			continue
		}
		protocol := p.Protocol
		if protocol == "" {
			protocol = "tcp"
		}
		all = append(all, published{service: s.Name, ip: p.HostIP, protocol: protocol, number: n})
	}
	return all
}

func portTwice(l Look) []check.Finding {
	var seen []published
	var out []check.Finding
	for _, s := range l.services() {
		for _, p := range publishedBy(s) {
			for _, o := range seen {
				if o.service != p.service && p.meets(o) {
					out = append(out, check.Fail(fault.Resources, "port.twice",
						"give "+fault.Quote(p.service)+" another port of the host",
						"both publish port %d/%s of the host", p.number, p.protocol).Of(o.service, p.service).
						At(l.at(p.service, "ports"), l.at(o.service, "ports")).
						Because("a port has one owner: whichever starts second fails"))
				}
			}
		}
		seen = append(seen, publishedBy(s)...)
	}
	return out
}

func portReplicas(l Look) []check.Finding {
	var out []check.Finding
	for _, s := range l.services() {
		ports := publishedBy(s)
		if s.GetScale() < 2 || len(ports) == 0 {
			continue
		}
		out = append(out, check.Fail(fault.Resources, "port.replicas",
			"publish a range, such as 8000-8009:8000, or leave the host's port out",
			"%d replicas want port %d of the host, and one can have it", s.GetScale(), ports[0].number).
			Of(s.Name).At(l.at(s.Name, "ports")).Because("the second replica's start fails"))
	}
	return out
}

func tmpfsUnbounded(l Look) []check.Finding {
	var out []check.Finding
	for _, s := range l.services() {
		if s.MemLimit > 0 || s.Deploy != nil && s.Deploy.Resources.Limits != nil &&
			s.Deploy.Resources.Limits.MemoryBytes > 0 {
			continue // what it stores counts towards that limit
		}
		var free []string
		for _, t := range s.Tmpfs {
			target, options, _ := strings.Cut(t, ":")
			if !strings.Contains(options, "size=") {
				free = append(free, target)
			}
		}
		for _, v := range s.Volumes {
			if v.Type == types.VolumeTypeTmpfs && (v.Tmpfs == nil || v.Tmpfs.Size == 0) {
				free = append(free, v.Target)
			}
		}
		if len(free) > 0 {
			out = append(out, check.Tell("tmpfs.unbounded", "tmpfs: "+fault.Quote(free[0]+":size=64m"),
				"nothing bounds the tmpfs at %s", strings.Join(free, ", ")).Of(s.Name).At(l.at(s.Name, "tmpfs")).
				Because("it is memory, up to half of the machine's, and the service has no memory limit"))
		}
	}
	return out
}
