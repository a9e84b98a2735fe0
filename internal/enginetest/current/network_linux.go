package current

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
)

// network is a network namespace. It reaches what the machine reaches, through a
// pair of interfaces and address translation; loopback ports of the machine are forwarded one by one.
type network struct {
	*Namespace
	link    string // the machine's end of the pair
	subnet  netip.Prefix
	mtu     int
	forward []net.Listener

	closing sync.Once
	failed  error
}

// addresses are what pairs of interfaces are numbered from, four addresses each.
var addresses = netip.MustParseAddr("10.213.0.0")

// LinkPrefix begins the name of the machine's end of every current engine's network.
const LinkPrefix = "engine-"

// Link is the name of the machine's end of the network of the engine in dir, an absolute path.
func Link(dir string) string {
	sum := sha256.Sum256([]byte(dir))
	return fmt.Sprintf("%s%x", LinkPrefix, sum[:4])
}

// openNetwork makes the network of the engine in dir. The names follow from dir, so that what a killed process left
// behind is found and removed. loopback are the host:port addresses that are forwarded.
func openNetwork(ctx context.Context, dir string, loopback []string) (_ *network, err error) {
	sum := sha256.Sum256([]byte(dir))
	n := &network{link: Link(dir)}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.close())
		}
	}()
	n.sweep(ctx) // what a killed process left
	if n.subnet, err = freeSubnet(int(sum[4])<<6 | int(sum[5])>>2); err != nil {
		return nil, err
	}
	if n.mtu, err = defaultMTU(); err != nil {
		return nil, err
	}
	if n.Namespace, err = NewNamespace(ctx); err != nil {
		return nil, err
	}
	host, engine := n.subnet.Addr().Next(), n.subnet.Addr().Next().Next()
	mtu, bits := strconv.Itoa(n.mtu), fmt.Sprintf("/%d", n.subnet.Bits())
	err = Run(ctx,
		"ip link add "+n.link+" mtu "+mtu+" type veth peer name eth0 mtu "+mtu+" netns "+
			strconv.Itoa(n.TID),
		"ip addr add "+host.String()+bits+" dev "+n.link,
		"ip link set "+n.link+" up")
	if err != nil {
		return nil, err
	}
	err = n.Run(ctx,
		"ip addr add "+engine.String()+bits+" dev eth0",
		"ip link set eth0 up",
		"ip route add default via "+host.String())
	if err != nil {
		return nil, err
	}
	if err := n.allow(ctx); err != nil {
		return nil, err
	}
	for _, address := range loopback {
		if err := n.forwardTo(address); err != nil {
			return nil, err
		}
	}
	return n, nil
}

// allow lets the network out, as an engine's own rules do for its bridges: before the machine's engine's, which end
// in a refusal. It switches forwarding on, which every engine does.
func (n *network) allow(ctx context.Context) error {
	const switchFile = "/proc/sys/net/ipv4/ip_forward"
	if on, err := os.ReadFile(switchFile); err == nil && strings.TrimSpace(string(on)) == "0" {
		if err := os.WriteFile(switchFile, []byte("1"), 0o644); err != nil {
			return fmt.Errorf("switching forwarding on: %w", err)
		}
	}
	return Run(ctx,
		"iptables -w -t nat -I POSTROUTING -s "+n.subnet.String()+" ! -o "+n.link+" -j MASQUERADE",
		"iptables -w -I FORWARD -i "+n.link+" -j ACCEPT",
		"iptables -w -I FORWARD -o "+n.link+" -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT")
}

// sweep removes the machine's end of the pair and every rule that names it. It has nothing to say: what is not there
// need not go.
func (n *network) sweep(ctx context.Context) {
	_ = Run(ctx, "ip link delete "+n.link)
	for _, table := range []string{"nat", "filter"} {
		rules, err := exec.CommandContext(ctx, "iptables", "-w", "-t", table, "-S").Output()
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(rules)) {
			if rule, added := strings.CutPrefix(line, "-A "); added && strings.Contains(rule, n.link) {
				_ = Run(ctx, "iptables -w -t "+table+" -D "+rule)
			}
		}
	}
}

// forwardTo makes the machine's loopback address reachable under the same address inside.
func (n *network) forwardTo(address string) error {
	var l net.Listener
	err := n.Do(func() (err error) {
		// A socket belongs to the namespace of the thread that made it, whoever accepts from it.
		l, err = net.Listen("tcp", address)
		return err
	})
	if err != nil {
		return fmt.Errorf("forwarding %q: %w", address, err)
	}
	n.forward = append(n.forward, l)
	go func() {
		for {
			inside, err := l.Accept()
			if err != nil {
				return // closed
			}
			go join(inside, address)
		}
	}()
	return nil
}

// join copies both ways between a connection from inside and the machine's address until both sides have said all.
func join(inside net.Conn, address string) {
	defer inside.Close()
	outside, err := net.Dial("tcp", address)
	if err != nil {
		return // who asked sees its connection closed
	}
	defer outside.Close()
	var both sync.WaitGroup
	both.Go(func() { pipe(outside, inside) })
	both.Go(func() { pipe(inside, outside) })
	both.Wait()
}

func pipe(to, from net.Conn) {
	_, _ = io.Copy(to, from)
	if tcp, ok := to.(*net.TCPConn); ok {
		_ = tcp.CloseWrite()
	}
}

// close removes the network and its rules; a second call gives what the first gave.
func (n *network) close() error {
	n.closing.Do(func() {
		for _, l := range n.forward {
			n.failed = errors.Join(n.failed, l.Close())
		}
		n.sweep(context.Background()) // also after Ctrl-C
		if n.Namespace != nil {
			n.Close()
		}
	})
	return n.failed
}

// freeSubnet gives the four addresses of that number, or the next ones that none of the machine's interfaces is in.
func freeSubnet(number int) (netip.Prefix, error) {
	taken, err := net.InterfaceAddrs()
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("listing the machine's addresses: %w", err)
	}
	first := addresses.As4()
	for try := range 1 << 14 {
		at := (number + try) % (1 << 14) * 4
		subnet := netip.PrefixFrom(netip.AddrFrom4([4]byte{first[0], first[1], byte(at >> 8), byte(at)}), 30)
		free := true
		for _, a := range taken {
			p, err := netip.ParsePrefix(a.String())
			free = free && (err != nil || !p.Overlaps(subnet))
		}
		if free {
			return subnet, nil
		}
	}
	return netip.Prefix{}, fmt.Errorf("looking for free addresses below %s: none", addresses)
}

// defaultMTU is the largest packet, in bytes, of the interface that the default route names: 1400 on many a cloud
// machine, where a bridge of the usual 1500 loses what is larger. Without a default route it is 1500.
func defaultMTU() (int, error) {
	routes, err := os.ReadFile("/proc/net/route")
	if err != nil {
		return 0, fmt.Errorf("reading the routes: %w", err)
	}
	for line := range strings.Lines(string(routes)) {
		if fields := strings.Fields(line); len(fields) > 7 && fields[1] == "00000000" && fields[7] == "00000000" {
			link, err := net.InterfaceByName(fields[0])
			if err != nil {
				return 0, fmt.Errorf("reading the default route's interface: %w", err)
			}
			return link.MTU, nil
		}
	}
	return 1500, nil
}
