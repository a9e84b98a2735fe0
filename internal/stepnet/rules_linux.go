package stepnet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"github.com/25eloquence/compose-mage/internal/bounded"
	"golang.org/x/sys/unix"
)

// jump is a rule that leads from one of the kernel's chains to ours.
type jump struct{ table, from, to string }

func (n Network) chain(kind string) string { return strings.ToUpper(n.Bridge) + "-" + kind }

// jumps come first in their chains. In FORWARD the engine puts its own before, whenever it starts, and they take in
// what goes to a published port; but DOCKER-USER, where there is one, stays before those.
func (n Network) jumps(dockerUser bool) []jump {
	forward := []jump{{"filter", "FORWARD", n.chain("FORWARD")}}
	if dockerUser {
		forward = append(forward, jump{"filter", "DOCKER-USER", n.chain("FORWARD")})
	}
	return append(forward,
		jump{"filter", "INPUT", n.chain("INPUT")}, jump{"raw", "PREROUTING", n.chain("RAW")},
		jump{"nat", "PREROUTING", n.chain("DNAT")}, jump{"nat", "POSTROUTING", n.chain("SNAT")})
}

// Rules are the chains, as iptables-restore takes them.
func (n Network) Rules() string {
	var b strings.Builder
	add := func(kind, format string, args ...any) {
		fmt.Fprintf(&b, "-A %s %s\n", n.chain(kind), fmt.Sprintf(format, args...))
	}
	table := func(name string, kinds ...string) {
		fmt.Fprintf(&b, "*%s\n", name)
		for _, kind := range kinds {
			fmt.Fprintf(&b, ":%s - [0:0]\n", n.chain(kind))
		}
	}
	table("raw", "RAW")
	// The way to the proxies lets the bridge's packets to the loopback in: none may come that was not sent to the
	// gateway.
	add("RAW", "-i %s -d 127.0.0.0/8 -j DROP", n.Bridge)
	add("RAW", "-i %s ! -s %s -j DROP", n.Bridge, n.Subnet)
	b.WriteString("COMMIT\n")
	table("nat", "DNAT", "SNAT")
	for _, port := range n.Ports {
		add("DNAT", "-i %s -d %s/32 -p tcp --dport %d -j DNAT --to-destination 127.0.0.1:%d", n.Bridge, n.Gateway, port,
			port)
	}
	// What is sent to this machine stays here, to be refused: the engine would lead it to the container that
	// published the port.
	add("DNAT", "-i %s -m addrtype --dst-type LOCAL -j ACCEPT", n.Bridge)
	add("SNAT", "-s %s ! -o %s -j MASQUERADE", n.Subnet, n.Bridge)
	b.WriteString("COMMIT\n")
	table("filter", "INPUT", "FORWARD")
	for _, port := range n.Ports {
		add("INPUT", "-i %s -d 127.0.0.1/32 -p tcp --dport %d -m conntrack --ctstate DNAT -j ACCEPT", n.Bridge, port)
	}
	add("INPUT", "-i %s -p tcp -j REJECT --reject-with tcp-reset", n.Bridge)
	add("INPUT", "-i %s -j REJECT", n.Bridge)
	// The engine's networks: containers, and what they publish.
	for _, bridge := range []string{"docker0", "docker_gwbridge", "br-+"} {
		add("FORWARD", "-i %s -o %s -p tcp -j REJECT --reject-with tcp-reset", n.Bridge, bridge)
		add("FORWARD", "-i %s -o %s -j REJECT", n.Bridge, bridge)
	}
	add("FORWARD", "-i %s ! -o %s -j ACCEPT", n.Bridge, n.Bridge)
	add("FORWARD", "-o %s -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT", n.Bridge)
	add("FORWARD", "-o %s -j DROP", n.Bridge)
	b.WriteString("COMMIT\n")
	return b.String()
}

// Guard puts the rules in place, before the first step runs. It changes nothing that is not this network's. Where the
// machine can't have them, the error says why.
func (n Network) Guard(ctx context.Context) error {
	if forwards, err := os.ReadFile("/proc/sys/net/ipv4/ip_forward"); err != nil ||
		strings.TrimSpace(string(forwards)) != "1" {
		return errors.New("the kernel forwards no packets (net.ipv4.ip_forward)")
	}
	if err := iptables(ctx, "iptables-restore", n.Rules(), "-w", "10", "--noflush"); err != nil {
		return err
	}
	for _, j := range n.jumps(n.hasDockerUser(ctx)) {
		if err := j.first(ctx); err != nil {
			return err
		}
	}
	return n.guard6(ctx)
}

// first makes the jump the first of its chain, and never leaves the chain without it.
func (j jump) first(ctx context.Context) error {
	list, err := iptablesOutput(ctx, "iptables", "", "-w", "10", "-t", j.table, "-S", j.from)
	if err != nil {
		return err
	}
	var at []int // of the rules, from 1
	number := 0
	for line := range strings.Lines(list) {
		if !strings.HasPrefix(line, "-A ") {
			continue
		}
		number++
		if strings.TrimSpace(line) == "-A "+j.from+" -j "+j.to {
			at = append(at, number)
		}
	}
	if len(at) == 1 && at[0] == 1 {
		return nil
	}
	if err := iptables(ctx, "iptables", "", "-w", "10", "-t", j.table, "-I", j.from, "-j", j.to); err != nil {
		return err
	}
	for _, old := range slices.Backward(at) {
		if err := iptables(ctx, "iptables", "", "-w", "10", "-t", j.table, "-D", j.from,
			strconv.Itoa(old+1)); err != nil {
			return err
		}
	}
	return nil
}

// guard6 keeps steps from the host by IPv6: the kernel gives both ends of the bridge addresses of their own.
func (n Network) guard6(ctx context.Context) error {
	if _, err := os.Stat("/proc/sys/net/ipv6"); err != nil {
		return nil
	}
	if iptables(ctx, "ip6tables", "", append([]string{"-w", "10", "-t", "raw", "-C"}, n.rule6()...)...) == nil {
		return nil
	}
	return iptables(ctx, "ip6tables", "", append([]string{"-w", "10", "-t", "raw", "-I"}, n.rule6()...)...)
}

func (n Network) rule6() []string { return []string{"PREROUTING", "-i", n.Bridge, "-j", "DROP"} }

func (n Network) hasDockerUser(ctx context.Context) bool {
	return iptables(ctx, "iptables", "", "-w", "10", "-t", "filter", "-n", "-L", "DOCKER-USER") == nil
}

// Open lets the way to the proxies be, once the bridge is there.
func (n Network) Open() error {
	if len(n.Ports) == 0 {
		return nil
	}
	// 127.0.0.0/8 on a bridge is dropped otherwise. RAW drops what was not rewritten.
	path := filepath.Join("/proc/sys/net/ipv4/conf", n.Bridge, "route_localnet")
	if err := os.WriteFile(path, []byte("1"), 0o600); err != nil {
		return fmt.Errorf("leading build steps to the loopback's proxies: %w", err)
	}
	return nil
}

// Remove takes rules and bridge away. What is not there is no error.
func (n Network) Remove(ctx context.Context) error {
	for _, j := range n.jumps(n.hasDockerUser(ctx)) {
		for iptables(ctx, "iptables", "", "-w", "10", "-t", j.table, "-D", j.from, "-j", j.to) == nil {
		}
	}
	for _, j := range n.jumps(false) {
		for _, command := range []string{"-F", "-X"} {
			_ = iptables(ctx, "iptables", "", "-w", "10", "-t", j.table, command, j.to) // not there
		}
	}
	for iptables(ctx, "ip6tables", "", append([]string{"-w", "10", "-t", "raw", "-D"}, n.rule6()...)...) == nil {
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return removeBridge(n.Bridge)
}

// iptables runs one of its commands.
func iptables(ctx context.Context, name, stdin string, args ...string) error {
	_, err := iptablesOutput(ctx, name, stdin, args...)
	return err
}

func iptablesOutput(ctx context.Context, name, stdin string, args ...string) (string, error) {
	path := name
	for _, dir := range []string{"", "/usr/sbin", "/sbin"} {
		if found, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			path = found
			break
		}
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Stdin = strings.NewReader(stdin)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		first, _, _ := strings.Cut(strings.TrimSpace(said.String()), "\n")
		return "", fmt.Errorf("%s: %w %s", name, err, first)
	}
	return said.String(), nil
}

// removeBridge takes the bridge down and away; iproute2 is not on every machine.
func removeBridge(name string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("removing the bridge %s: %w", name, err)
	}
	defer unix.Close(fd)
	request, err := unix.NewIfreq(name)
	if err != nil {
		return fmt.Errorf("removing the bridge %s: %w", name, err)
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, request); err != nil {
		if errors.Is(err, unix.ENODEV) {
			return nil
		}
		return fmt.Errorf("removing the bridge %s: %w", name, err)
	}
	request.SetUint16(request.Uint16() &^ unix.IFF_UP)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, request); err != nil {
		return fmt.Errorf("removing the bridge %s: %w", name, err)
	}
	text := append([]byte(name), 0)
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCBRDELBR,
		uintptr(unsafe.Pointer(&text[0]))); errno != 0 {
		return fmt.Errorf("removing the bridge %s: %w", name, errno)
	}
	return nil
}

// Taken are the machine's addresses and routes, but for the bridge's own.
func Taken(bridge string) ([]netip.Prefix, error) {
	data, err := os.ReadFile("/proc/net/route")
	if err != nil {
		return nil, fmt.Errorf("reading the routes: %w", err)
	}
	var taken []netip.Prefix
	for _, line := range strings.Split(string(data), "\n")[1:] {
		fields := strings.Fields(line)
		if len(fields) < 8 || fields[0] == bridge {
			continue
		}
		addr, err1 := littleEndian(fields[1])
		mask, err2 := littleEndian(fields[7])
		if err := errors.Join(err1, err2); err != nil {
			return nil, fmt.Errorf("reading the routes: %w", err)
		}
		bits := 0
		for _, b := range mask {
			for ; b&0x80 != 0; b <<= 1 {
				bits++
			}
		}
		if bits > 0 { // not the default route
			taken = append(taken, netip.PrefixFrom(netip.AddrFrom4(addr), bits))
		}
	}
	return taken, nil
}

// MTU is that of the way out, in bytes: steps whose bridge had a larger one would wait for packets that never arrive.
// 0 for none.
func MTU() int {
	data, err := os.ReadFile("/proc/net/route")
	if err != nil {
		return 0
	}
	for _, line := range strings.Split(string(data), "\n")[1:] {
		if fields := strings.Fields(line); len(fields) >= 8 && fields[1] == "00000000" && fields[7] == "00000000" {
			text, err := os.ReadFile(filepath.Join("/sys/class/net", fields[0], "mtu"))
			if err != nil {
				return 0
			}
			mtu, err := strconv.Atoi(strings.TrimSpace(string(text)))
			if err != nil {
				return 0
			}
			return mtu
		}
	}
	return 0
}

// littleEndian reads an address as /proc/net/route has it: 0100007F is 127.0.0.1.
func littleEndian(hex string) ([4]byte, error) {
	v, err := strconv.ParseUint(hex, 16, 32)
	return [4]byte{byte(v), byte(v >> 8), byte(v >> 16), byte(v >> 24)}, err
}

// NameServers says why steps can't ask the machine's name servers; nil where they can. BuildKit leaves loopback ones
// out and gives 8.8.8.8 where no other is left, which behind a firewall answers nothing. It reads systemd-resolved's
// own list as we do here.
func NameServers() error { return nameServers("/etc/resolv.conf", "/run/systemd/resolve/resolv.conf") }

func nameServers(path, resolved string) error {
	servers := readNameServers(path)
	if len(servers) == 1 && servers[0] == netip.MustParseAddr("127.0.0.53") {
		servers = readNameServers(resolved)
	}
	for _, s := range servers {
		if !s.IsLoopback() {
			return nil
		}
	}
	if len(servers) == 0 {
		return nil // the machine has none either
	}
	return fmt.Errorf("the machine's name server, %s, answers on the loopback alone", servers[0])
}

func readNameServers(path string) []netip.Addr {
	data, err := bounded.ReadFile(path)
	if err != nil {
		return nil
	}
	var servers []netip.Addr
	for line := range strings.Lines(string(data)) {
		if fields := strings.Fields(line); len(fields) >= 2 && fields[0] == "nameserver" {
			if addr, err := netip.ParseAddr(fields[1]); err == nil {
				servers = append(servers, addr)
			}
		}
	}
	return servers
}
