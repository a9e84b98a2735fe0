package readiness

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	moby "github.com/moby/moby/api/types/container"
)

const (
	// portPatience is how long a service without a check may take to accept connections. After it the service counts as ready, as
	// it does for docker compose from the first moment: a published port that nobody listens on is no proof of a failure.
	portPatience = 30 * time.Second
	// dialTimeout bounds one attempt, and proxyClose is how soon the engine's port proxy, which accepts in any case, closes a
	// connection that the container has refused.
	dialTimeout = 300 * time.Millisecond
	proxyClose  = 100 * time.Millisecond
)

// answer is what a port says.
type answer int

const (
	unknown answer = iota // it can't be reached from here, or nothing can be concluded
	refused
	accepted
)

// accepts waits until a running container without a check accepts connections on each TCP port that it publishes. On a machine
// from which the container can't be reached it is ready as it is.
func (r *Waiter) accepts(ctx context.Context, c moby.InspectResponse) error {
	ports := publishedPorts(c)
	if !r.Local || len(ports) == 0 {
		return nil
	}
	for restarts := c.RestartCount; len(ports) > 0; {
		ports = slices.DeleteFunc(ports, func(p published) bool { return p.ask(ctx, r.Inside) != refused })
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if len(ports) == 0 {
			return nil
		}
		if time.Since(r.began) > portPatience {
			if r.Warn != nil {
				r.Warn("%s: after %s nothing listens on its port %d; it has no health check and counts as ready because it runs", strings.TrimPrefix(c.Name, "/"), portPatience, ports[0].inside.Port())
			}
			return nil
		}
		if r.Tell != nil {
			r.Tell(fmt.Sprintf("port %d accepts no connection yet", ports[0].inside.Port()))
		}
		if _, err := r.hear(ctx, r.pause()); err != nil {
			return err
		}
		var err error
		if c, err = r.inspect(ctx); err != nil {
			return err
		}
		if err := Gone(c, restarts); err != nil {
			return err
		}
		if !c.State.Running || c.State.Restarting {
			continue
		}
		ports = publishedPorts(c) // a restart may have given it another address
	}
	return nil
}

// published is one TCP port of a container: where it listens itself, and where the engine publishes it.
type published struct {
	inside  netip.AddrPort // address 0 where the container has none of its own
	outside string         // host:port
}

// publishedPorts lists a container's published TCP ports.
func publishedPorts(c moby.InspectResponse) []published {
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

// ask connects to the container itself, where its address is known to be its own here; else to the published port, where a proxy
// may accept for a container that does not: then the connection is closed at once.
func (p published) ask(ctx context.Context, inside bool) answer {
	if inside && p.inside.Addr().IsValid() {
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
	if err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		return accepted
	}
	if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) {
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
