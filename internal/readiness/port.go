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
	// silentPatience is the same for a service of which an earlier start has seen that nothing listens.
	silentPatience = 2 * time.Second
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

// accepts waits until a running container without a check accepts connections on one of the TCP ports that it publishes: others may be
// there for a debugger, or for later. On a machine from which the container can't be reached it is ready as it is, and so it is where the
// Compose file says that running is enough. Patience counts from the container's own start: what runs for longer is not waited for.
func (r *Waiter) accepts(ctx context.Context, c moby.InspectResponse) error {
	if !r.Local || r.Started {
		return nil
	}
	port := uint16(0)
	for first := true; ; first = false {
		if c.State.Running && !c.State.Restarting {
			var says answer
			says, port = r.listens(ctx, publishedPorts(c)) // a restart may have given it another address
			if says == accepted {
				r.answered = true
				r.Ports.heard(true)
			}
			ranBefore := first && time.Since(startOf(c)) > r.portPatience()
			switch {
			case ctx.Err() != nil:
				return context.Cause(ctx)
			case says != refused, ranBefore:
				return nil
			case time.Since(r.began) > r.portPatience():
				r.nobodyListens(c, port)
				return nil
			}
		}
		if r.Tell != nil {
			r.Tell(fmt.Sprintf("port %d accepts no connection yet", port))
		}
		if _, err := r.hear(ctx, r.pause()); err != nil {
			return err
		}
		found, err := r.inspect(ctx)
		if err != nil {
			return err
		}
		if over, err := r.over(found); over || err != nil {
			return err
		}
		c = found.InspectResponse
	}
}

// nobodyListens says that the patience with the ports is over, and remembers it for the next start.
func (r *Waiter) nobodyListens(c moby.InspectResponse, port uint16) {
	if r.Warn != nil {
		r.Warn("%s: after %s nothing listens on its port %d; it has no health check and counts as ready because it runs (x-compose-mage: {ready: started} on the service: no port is waited for)",
			strings.TrimPrefix(c.Name, "/"), r.portPatience(), port)
	}
	r.Ports.heard(false)
}

// portPatience is how long this container may take to listen.
func (r *Waiter) portPatience() time.Duration {
	if r.Ports.silent() {
		return silentPatience
	}
	return portPatience
}

// listens asks the ports: accepted where one accepts, unknown where nothing can be told of any, else refused, with a port that refuses.
func (r *Waiter) listens(ctx context.Context, ports []published) (answer, uint16) {
	ask := r.ask
	if ask == nil {
		ask = published.ask
	}
	said, port := unknown, uint16(0)
	for _, p := range ports {
		switch ask(p, ctx, r.Inside) {
		case accepted:
			return accepted, p.inside.Port()
		case refused:
			if said != refused {
				said, port = refused, p.inside.Port()
			}
		}
	}
	return said, port
}

// startOf is when the container was last started, by the engine's clock, which is this machine's where its ports are asked; now where it
// can't be told.
func startOf(c moby.InspectResponse) time.Time {
	at, err := time.Parse(time.RFC3339Nano, c.State.StartedAt)
	if err != nil {
		return time.Now()
	}
	return at
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
