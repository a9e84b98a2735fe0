package projects

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"

	"github.com/25eloquence/compose-mage/internal/bounded"
	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/finding"
)

// group is what there is of one project.
type group struct {
	containers []container.Replica
	volumes    map[string]bool
	networks   int
}

// assemble makes the projects of what was seen, the one with the most memory first.
func assemble(seen observed, now time.Time, look local) []Project {
	groups := map[string]*group{}
	of := func(name string) *group {
		if groups[name] == nil {
			groups[name] = &group{volumes: map[string]bool{}}
		}
		return groups[name]
	}
	for _, c := range seen.containers {
		g := of(c.Config.Labels[container.ProjectLabel])
		g.containers = append(g.containers, c)
		for _, m := range c.Mounts {
			if m.Type == mount.TypeVolume {
				g.volumes[m.Name] = true
			}
		}
	}
	for _, v := range seen.volumes {
		if name := v.Labels[container.ProjectLabel]; name != "" {
			of(name).volumes[v.Name] = true
		}
	}
	for _, n := range seen.networks {
		if name := n.Labels[container.ProjectLabel]; name != "" {
			of(name).networks++
		}
	}
	out := make([]Project, 0, len(groups))
	for name, g := range groups {
		out = append(out, g.project(name, seen, now, look))
	}
	slices.SortFunc(out, func(a, b Project) int {
		return cmp.Or(cmp.Compare(b.MemoryUsed, a.MemoryUsed), cmp.Compare(b.Running, a.Running),
			cmp.Compare(a.Name, b.Name))
	})
	return out
}

// project is one group as it is reported. Its names are text of others.
func (g *group) project(name string, seen observed, now time.Time, look local) Project {
	p := Project{
		Name: bounded.Line(name), Folders: []Folder{}, Ports: []string{}, Findings: []finding.Finding{},
		Containers: len(g.containers), Networks: g.networks, Volumes: len(g.volumes),
		DiskAge: seen.sizes.Age.Seconds(),
	}
	images, folders, ports := map[string]bool{}, map[string]bool{}, map[string]bool{}
	unlimited := false
	for _, c := range g.containers {
		images[c.Image] = true
		if folder := c.Config.Labels[container.WorkingDirLabel]; folder != "" {
			folders[folder] = true
		}
		p.Restarts += c.RestartCount
		load, known := seen.loads[c.ID]
		kills := load.OOMKills
		if c.State.OOMKilled {
			kills = max(1, kills)
		}
		if p.OOMKills += kills; kills > 0 {
			p.Findings = append(p.Findings, killed(c, kills))
		}
		p.ContainerBytes = plus(p.ContainerBytes, sizeOf(seen.sizes.Containers, c.ID))
		p.LogBytes = plus(p.LogBytes, logsOf(c, look))
		if !c.State.Running {
			continue
		}
		p.Running++
		if !known {
			load.Memory = Unknown
		}
		p.MemoryUsed, p.CPUPercent = plus(p.MemoryUsed, load.Memory), p.CPUPercent+load.CPUPercent
		if c.HostConfig != nil {
			unlimited = unlimited || c.HostConfig.Memory == 0
			p.MemoryLimit += c.HostConfig.Memory
		}
		addPorts(ports, c.NetworkSettings)
	}
	if unlimited {
		p.MemoryLimit = 0
	}
	for id := range images {
		p.ImageBytes = plus(p.ImageBytes, sizeOf(seen.images, id))
	}
	for volume := range g.volumes {
		p.VolumeBytes = plus(p.VolumeBytes, sizeOf(seen.sizes.Volumes, volume))
	}
	p.Ports = append(p.Ports, slices.Sorted(maps.Keys(ports))...)
	for _, folder := range slices.Sorted(maps.Keys(folders)) {
		p.Folders = append(p.Folders, Folder{Path: bounded.Line(folder), Gone: look.gone(folder)})
	}
	g.judge(&p, now)
	return p
}

// plus adds a size to a sum; the sum with one that is not known is not known.
func plus(sum, n int64) int64 {
	if sum < 0 || n < 0 {
		return Unknown
	}
	return sum + n
}

func sizeOf(of map[string]int64, key string) int64 {
	if n, known := of[key]; known {
		return n
	}
	return Unknown
}

func logsOf(c container.Replica, look local) int64 {
	if c.State.Status == moby.StateCreated { // it has not logged
		return 0
	}
	return look.logs(c.LogPath)
}

// addPorts takes the ports that a container publishes, as docker ps has them.
func addPorts(ports map[string]bool, n *moby.NetworkSettings) {
	if n == nil {
		return
	}
	for inside, bindings := range n.Ports {
		for _, b := range bindings {
			host := ""
			if b.HostIP.IsValid() {
				host = b.HostIP.String()
			}
			ports[published(host, b.HostPort, inside.String())] = true
		}
	}
}

func published(host, port, inside string) string {
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return host + ":" + port + "->" + inside
}

// judge says what the project is: by the one rule for what a container is, as far as the rule goes without the
// Compose files. What a stop has ended is no failure, as long as nothing runs.
func (g *group) judge(p *Project, now time.Time) {
	services := map[string][]container.Opinion{}
	for _, c := range g.containers {
		labels := c.Config.Labels
		service := labels[container.ServiceLabel]
		if labels[container.ProjectLabel] == "" {
			service = c.Name()
		} else if labels[container.OneOffLabel] == "True" {
			continue
		}
		services[service] = append(services[service], container.Look(service, c, now))
	}
	p.Services = len(services)
	p.State, p.Fine = StateLeft, true
	switch {
	case p.Running > 0:
		p.State = StateRunning
	case p.Containers > 0:
		p.State = StateStopped
	}
	killed := p.Findings
	p.Findings = []finding.Finding{}
	for _, service := range slices.Sorted(maps.Keys(services)) {
		fine := true
		for _, o := range services[service] {
			if o.Fine || p.Running == 0 && stopped(o) {
				fine = fine && o.Fine
				continue
			}
			fine, p.Fine = false, false
			if p.Running == 0 {
				p.State = StateFailed
			}
			p.Findings = append(p.Findings, wrong(service, o))
		}
		if fine {
			p.FineServices++
		}
	}
	p.Findings = append(p.Findings, killed...)
	for _, f := range p.Folders {
		if f.Gone && p.Containers > 0 {
			p.Findings = append(p.Findings, finding.Tell("project.folder-gone",
				"docker compose -p "+fault.Quote(p.Name)+" down, which leaves its volumes",
				"%s is no longer there", f.Path))
		}
	}
}

// killed is the finding about a container that the kernel took memory from.
func killed(c container.Replica, kills int) finding.Finding {
	times := "once"
	if kills > 1 {
		times = fmt.Sprintf("%d times", kills)
	}
	return finding.Warn("memory.killed", "docker logs "+fault.Quote(c.Name()),
		"%s: processes in it were killed for want of memory, %s", c.Name(), times).
		Of(bounded.Line(c.Config.Labels[container.ServiceLabel]))
}

// stopped says whether a container that does not run may have been stopped, or never started, by somebody who wanted
// that.
func stopped(o container.Opinion) bool {
	return o.Condition == container.Halted || o.Condition == container.Created ||
		o.End != nil && o.End.Wanted()
}

// wrong is the finding about a container that is not as it should be. The commands are docker's: the targets may not
// be in the folder of somebody else's project.
func wrong(service string, o container.Opinion) finding.Finding {
	verb := map[container.Condition]string{
		container.Paused: "unpause", container.Dead: "rm -f", container.Removing: "rm -f",
		container.Created: "start", container.Halted: "start",
	}[o.Condition]
	id := "service." + strings.ReplaceAll(string(o.Condition), " ", "-")
	return finding.Warn(id, "docker "+cmp.Or(verb, "logs")+" "+fault.Quote(o.Container), "%s %s", o.Container, o.Why).
		Of(bounded.Line(service))
}
