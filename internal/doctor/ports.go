package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/fault"
)

// port is one that a service wants on the host.
type port struct {
	service, ip, protocol string
	number                int
}

func (p port) String() string {
	return fmt.Sprintf("%s/%s", net.JoinHostPort(p.ip, strconv.Itoa(p.number)), p.protocol)
}

func checkPorts(ctx context.Context, in Input) []Result {
	if in.Project == nil {
		return nil
	}
	wanted := wantedPorts(in.Project)
	if len(wanted) == 0 {
		return nil
	}
	list, err := in.API.ContainerList(ctx, client.ContainerListOptions{})
	if err != nil {
		return []Result{fail(fault.Engine, "", "listing containers: %v", err)}
	}
	busy, process := taken, holder
	if !in.Local { // another machine's ports: its containers are all that can be seen
		busy, process = func(port) bool { return false }, func(port) string { return "" }
	}
	return ports(in.Project.Name, wanted, list.Items, busy, process)
}

// ports judges each wanted port: free, held by the project's own container, or by somebody else, whom it names. busy and
// process ask this machine.
func ports(project string, wanted []port, containers []container.Summary, busy func(port) bool, process func(port) string) []Result {
	var bad []Result
	own := 0
	for _, p := range wanted {
		by := publisher(p, containers)
		switch {
		case by != nil && by.Labels["com.docker.compose.project"] == project:
			own++
		case by != nil:
			name := strings.TrimPrefix(by.Names[0], "/")
			bad = append(bad, fail(fault.Resources, "docker stop "+name, "port %s of %s is held by container %s", p, p.service, name))
		case busy(p):
			who := process(p)
			if who == "" {
				who = "another process"
			}
			bad = append(bad, fail(fault.Resources, "stop it, or give "+p.service+" another port", "port %s of %s is held by %s", p, p.service, who))
		}
	}
	if len(bad) > 0 {
		return bad
	}
	return []Result{pass("%s on the host: %d free, %d held by this project", count(len(wanted), "port"), len(wanted)-own, own)}
}

// wantedPorts lists the fixed host ports of the active services; ranges are written out, ports left to the engine skipped.
func wantedPorts(project *types.Project) []port {
	var wanted []port
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
				wanted = append(wanted, port{service: name, ip: c.HostIP, protocol: protocol, number: n})
			}
		}
	}
	return wanted
}

// publisher is the container that publishes the port on an address that collides with the wanted one.
func publisher(p port, containers []container.Summary) *container.Summary {
	for i, c := range containers {
		for _, has := range c.Ports {
			if int(has.PublicPort) == p.number && has.Type == p.protocol && collide(p.ip, has.IP.String()) {
				return &containers[i]
			}
		}
	}
	return nil
}

// collide says whether two listening addresses exclude each other: the same, or one of them every address.
func collide(a, b string) bool {
	every := []string{"", "0.0.0.0", "::", "invalid IP"}
	return a == b || slices.Contains(every, a) || slices.Contains(every, b)
}

// taken tries to listen: the one test that is right on every system. Anything but "in use" (such as no right to a port below 1024,
// which the engine has) is no proof.
func taken(p port) bool {
	address := net.JoinHostPort(p.ip, strconv.Itoa(p.number))
	var err error
	if p.protocol == "udp" {
		var c net.PacketConn
		if c, err = net.ListenPacket("udp", address); err == nil {
			_ = c.Close()
		}
	} else {
		var l net.Listener
		if l, err = net.Listen("tcp", address); err == nil {
			_ = l.Close()
		}
	}
	return errors.Is(err, syscall.EADDRINUSE)
}
