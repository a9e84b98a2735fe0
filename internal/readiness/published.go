package readiness

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/25eloquence/compose-mage/internal/container"
)

const (
	// dialTimeout bounds one attempt to connect.
	dialTimeout = 300 * time.Millisecond
	// proxyClose is how soon the engine's port proxy, which accepts in any case, closes a connection that the
	// container refused.
	proxyClose = 100 * time.Millisecond
)

// answer is what a port says.
type answer int

const (
	unknown answer = iota // the port can't be reached from here, or nothing can be concluded
	refused
	accepted
)

// published is one TCP port of a container: where it listens itself, and where the engine publishes it.
type published struct {
	inside  netip.AddrPort // address 0 where the container has none of its own
	outside string         // host:port
}

// publishedPorts lists a container's published TCP ports, the lowest first.
func publishedPorts(c container.Replica) []published {
	if c.NetworkSettings == nil {
		return nil
	}
	var own netip.Addr
	for _, n := range c.NetworkSettings.Networks {
		if n.IPAddress.IsValid() {
			own = n.IPAddress
		}
	}
	var out []published
	for port, bindings := range c.NetworkSettings.Ports {
		if port.Proto() != "tcp" || len(bindings) == 0 {
			continue
		}
		host := bindings[0].HostIP
		if !host.IsValid() || host.IsUnspecified() {
			host = netip.MustParseAddr("127.0.0.1")
		}
		out = append(out, published{
			inside:  netip.AddrPortFrom(own, port.Num()),
			outside: net.JoinHostPort(host.String(), bindings[0].HostPort),
		})
	}
	slices.SortFunc(out, func(a, b published) int { return int(a.inside.Port()) - int(b.inside.Port()) })
	return out
}

// ask connects to the container itself, where its address is known and can be reached; else to the published port,
// where a proxy may accept for a container that does not: then the connection is closed at once.
func (p published) ask(ctx context.Context, sharesNetwork bool) answer {
	if sharesNetwork && p.inside.Addr().IsValid() {
		conn, says := dial(ctx, p.inside.String())
		if says == accepted {
			_ = conn.Close()
		}
		if says != unknown {
			return says
		}
	}
	conn, says := dial(ctx, p.outside)
	if says != accepted {
		return unknown // the engine publishes elsewhere
	}
	defer conn.Close()
	_ = conn.SetReadDeadline(time.Now().Add(proxyClose))
	_, err := conn.Read(make([]byte, 1))
	return proxied(err)
}

// proxied says what it means that reading from the engine's proxy, right after it has accepted, came to this.
func proxied(err error) answer {
	switch {
	case err == nil, errors.Is(err, os.ErrDeadlineExceeded):
		return accepted
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
		return refused
	}
	return unknown
}

func dial(ctx context.Context, address string) (net.Conn, answer) {
	d := net.Dialer{Timeout: dialTimeout}
	conn, err := d.DialContext(ctx, "tcp", address)
	switch {
	case err == nil:
		return conn, accepted
	case errors.Is(err, syscall.ECONNREFUSED):
		return nil, refused
	}
	return nil, unknown
}
