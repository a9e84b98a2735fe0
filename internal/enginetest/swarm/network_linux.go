package swarm

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/25eloquence/compose-mage/internal/enginetest/current"
)

const (
	// several is how many Swarms this machine can have at once. Each has 16 times 256 addresses below 10.77.0.0: those
	// of the nodes, then what each node gives its own networks, and in the second half those of overlays.
	several = 16
	// mostNodes is what that leaves room for.
	mostNodes = 7
	// registryHost and machineHost end the addresses of the bridge, where the registry listens, and of the machine.
	registryHost, machineHost = 253, 254
)

// plan says what the Swarm of a number calls its own.
type plan int

func (p plan) address(third, last int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, 77, byte(int(p)*16 + third), byte(last)})
}

// hardware is the hardware address that goes with address. Neighbours keep it for half a minute: a node that comes back
// has the one that it had, and the bridge, which else takes the lowest of its ports', never changes its own.
func (p plan) hardware(last int) string { return fmt.Sprintf("02:00:0a:4d:%02x:%02x", int(p)*16, last) }

// link is the name of the machine's interface.
func (p plan) link() string { return fmt.Sprintf("swarm-%d", int(p)) }

func (p plan) cgroup() string { return fmt.Sprintf("compose-mage-swarm-%d", int(p)) }

// overlays are the addresses of the Swarm's networks, pool those of a node's own.
func (p plan) overlays() netip.Prefix { return netip.PrefixFrom(p.address(8, 0), 21) }

func (p plan) pool(node int) netip.Prefix { return netip.PrefixFrom(p.address(node, 0), 24) }

// reserve gives a number that no other process uses, until the listener is closed or this process ends, and whose
// addresses none of the machine's interfaces is in.
func reserve() (plan, net.Listener, error) {
	taken, err := net.InterfaceAddrs()
	if err != nil {
		return 0, nil, fmt.Errorf("listing the machine's addresses: %w", err)
	}
	for p := range plan(several) {
		l, err := net.Listen("unix", "@"+p.cgroup())
		if err != nil {
			continue
		}
		p.sweep()
		if !overlaps(taken, netip.PrefixFrom(p.address(0, 0), 20)) {
			return p, l, nil
		}
		_ = l.Close()
	}
	return 0, nil, errors.New("looking for free addresses below 10.77.0.0: none")
}

func overlaps(taken []net.Addr, subnet netip.Prefix) bool {
	for _, a := range taken {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil && prefix.Overlaps(subnet) {
			return true
		}
	}
	return false
}

// sweep removes the control groups of the number's containers, which have ended: the kernel leaves them.
func (p plan) sweep() {
	for deadline := time.Now().Add(3 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		var roots []string
		for _, pattern := range []string{"/sys/fs/cgroup/", "/sys/fs/cgroup/*/"} {
			found, _ := filepath.Glob(pattern + p.cgroup())
			roots = append(roots, found...)
		}
		if len(roots) == 0 || time.Now().After(deadline) {
			return
		}
		for _, root := range roots {
			removeGroups(root)
		}
	}
}

// removeGroups removes a control group and those below it, as far as no process is in them.
func removeGroups(dir string) {
	entries, _ := os.ReadDir(dir)
	for _, entry := range entries {
		if entry.IsDir() {
			removeGroups(filepath.Join(dir, entry.Name()))
		}
	}
	_ = os.Remove(dir)
}

// openBridge makes the namespace with the bridge, and the machine's interface to it.
func (p plan) openBridge(ctx context.Context) (*current.Namespace, error) {
	bridge, err := current.NewNamespace(ctx)
	if err != nil {
		return nil, err
	}
	err = bridge.Run(ctx,
		"ip link add bridge address "+p.hardware(registryHost)+" type bridge",
		fmt.Sprintf("ip addr add %s/24 dev bridge", p.address(0, registryHost)),
		"ip link set bridge up")
	if err == nil {
		err = current.Run(ctx, fmt.Sprintf("ip link add %s type veth peer name machine netns %d", p.link(), bridge.TID),
			fmt.Sprintf("ip addr add %s/24 dev %s", p.address(0, machineHost), p.link()),
			"ip link set "+p.link()+" up")
	}
	if err == nil {
		err = bridge.Run(ctx, "ip link set machine master bridge", "ip link set machine up")
	}
	if err != nil {
		bridge.Close()
		return nil, err
	}
	return bridge, nil
}

// plug makes a node's namespace and joins it to the bridge.
func (p plan) plug(ctx context.Context, bridge *current.Namespace, node int) (*current.Namespace, error) {
	space, err := current.NewNamespace(ctx)
	if err != nil {
		return nil, err
	}
	port := "node" + strconv.Itoa(node)
	err = bridge.Run(ctx,
		fmt.Sprintf("ip link add %s type veth peer name eth0 address %s netns %d", port, p.hardware(node), space.TID),
		"ip link set "+port+" master bridge",
		"ip link set "+port+" up")
	if err == nil {
		err = space.Run(ctx, fmt.Sprintf("ip addr add %s/24 dev eth0", p.address(0, node)), "ip link set eth0 up")
	}
	if err != nil {
		space.Close()
		return nil, err
	}
	return space, nil
}
