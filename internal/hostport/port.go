package hostport

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"syscall"

	"github.com/moby/moby/api/types/container"
)

// Port is one that a service wants on the host.
type Port struct {
	Service  string // the Compose service; "" where nobody asks for it
	IP       string // the address to listen on; "" for every one
	Protocol string // tcp or udp
	Number   int
}

func (p Port) String() string {
	return fmt.Sprintf("%s/%s", net.JoinHostPort(p.IP, strconv.Itoa(p.Number)), p.Protocol)
}

// Publisher is the container that publishes the port on an address that collides with the wanted one.
func Publisher(p Port, containers []container.Summary) *container.Summary {
	for i, c := range containers {
		for _, has := range c.Ports {
			if int(has.PublicPort) == p.Number && has.Type == p.Protocol && collide(p.IP, has.IP.String()) {
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

// Taken tries to listen, which is the one test that is right on every system. Any error but "in use" (such as no
// right to a port below 1024) counts as free.
func Taken(p Port) bool {
	address := net.JoinHostPort(p.IP, strconv.Itoa(p.Number))
	var err error
	if p.Protocol == "udp" {
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
