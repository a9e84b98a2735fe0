package doctor

import (
	"context"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/finding"
	"github.com/25eloquence/compose-mage/internal/hostport"
)

func checkPorts(ctx context.Context, in Input) []finding.Finding {
	if in.Project == nil {
		return nil
	}
	wanted := wantedPorts(in.Project)
	if len(wanted) == 0 {
		return nil
	}
	list, err := in.API.ContainerList(ctx, client.ContainerListOptions{})
	if err != nil {
		return []finding.Finding{finding.Fail(fault.Engine, "port.taken", "", "listing containers: %v", err)}
	}
	busy, process := hostport.Taken, hostport.Holder
	if !in.Local { // another machine's ports: its containers are all that can be seen
		busy, process = func(hostport.Port) bool { return false }, func(hostport.Port) string { return "" }
	}
	return ports(in.Project.Name, wanted, list.Items, busy, process)
}

// ports judges each wanted port: free, held by the project's own container, or by somebody else, whom it names. busy
// and process ask this machine.
func ports(project string, wanted []hostport.Port, containers []moby.Summary, busy func(hostport.Port) bool,
	process func(hostport.Port) string,
) []finding.Finding {
	var bad []finding.Finding
	own := 0
	for _, p := range wanted {
		by := hostport.Publisher(p, containers)
		switch {
		case by != nil && by.Labels[container.ProjectLabel] == project:
			own++
		case by != nil:
			name := strings.TrimPrefix(by.Names[0], "/")
			bad = append(bad,
				finding.Fail(fault.Resources, "port.taken", "docker stop "+fault.Quote(name),
					"port %s is held by container %s", p, name).Of(p.Service))
		case busy(p):
			who := process(p)
			if who == "" {
				who = "another process"
			}
			bad = append(bad,
				finding.Fail(fault.Resources, "port.taken", "stop it, or give "+fault.Quote(p.Service)+" another port",
					"port %s is held by %s", p, who).Of(p.Service))
		}
	}
	if len(bad) > 0 {
		return bad
	}
	return []finding.Finding{
		finding.Good("port.taken", "%s on the host: %d free, %d held by this project", count(len(wanted), "port"),
			len(wanted)-own, own),
	}
}

// wantedPorts lists the fixed host ports of the active services; ranges are written out, ports left to the engine
// skipped.
func wantedPorts(project *types.Project) []hostport.Port {
	var wanted []hostport.Port
	for _, name := range project.ServiceNames() {
		for _, c := range project.Services[name].Ports {
			first, last, isRange := strings.Cut(c.Published, "-")
			from, err := strconv.Atoi(first)
			if err != nil {
				continue
			}
			to := from
			if isRange {
				if to, err = strconv.Atoi(last); err != nil {
					continue
				}
			}
			protocol := c.Protocol
			if protocol == "" {
				protocol = "tcp"
			}
			for n := from; n <= to; n++ {
				wanted = append(wanted, hostport.Port{Service: name, IP: c.HostIP, Protocol: protocol, Number: n})
			}
		}
	}
	return wanted
}
