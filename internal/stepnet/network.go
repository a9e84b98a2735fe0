// Package stepnet owns the network that build steps have on a machine whose builder setup starts: a bridge of its
// own, from which they reach the world and the host's loopback proxies, and nothing else of this machine. It starts
// no builder.
package stepnet

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Network is what is kept of it between runs.
type Network struct {
	Bridge  string       `json:"bridge"`
	Subnet  netip.Prefix `json:"subnet"`
	Gateway netip.Addr   `json:"gateway"` // the host's address on the bridge
	// Ports are those on the host's loopback that steps reach at the gateway: its proxies.
	Ports []int `json:"ports,omitempty"`
}

// pool is where a subnet is taken from: apart from Docker's (172.17.0.0 and following, 192.168.0.0) and Podman's
// (10.88.0.0).
var pool = netip.MustParsePrefix("10.214.0.0/16")

// Choose gives the network for a state directory, beside what the machine's interfaces and routes have. An earlier
// choice stays where it still can.
func Choose(stateDir string, earlier *Network, taken []netip.Prefix, ports []int) (Network, error) {
	sum := sha256.Sum256([]byte(stateDir))
	n := Network{Bridge: fmt.Sprintf("cm%x", sum[:5]), Ports: ports}
	overlaps := func(p netip.Prefix) bool { return slices.ContainsFunc(taken, p.Overlaps) }
	if earlier != nil && earlier.Bridge == n.Bridge && earlier.Subnet.IsValid() && !overlaps(earlier.Subnet) {
		n.Subnet, n.Gateway = earlier.Subnet, earlier.Gateway
		return n, nil
	}
	first := pool.Addr().As4()
	for i := range 256 {
		third := sum[5] + byte(i) // other state directories begin elsewhere
		subnet := netip.PrefixFrom(netip.AddrFrom4([4]byte{first[0], first[1], third, 0}), 24)
		if !overlaps(subnet) {
			n.Subnet, n.Gateway = subnet, subnet.Addr().Next()
			return n, nil
		}
	}
	return n, fmt.Errorf("every subnet of %s is in use on this machine", pool)
}

// CNI is the network as BuildKit's CNI plugins take it. Steps do not see each other. leases is the directory of the
// addresses in use.
func (n Network) CNI(leases string, mtu int) ([]byte, error) {
	type m = map[string]any
	bridge := m{
		"type": "bridge", "bridge": n.Bridge, "isDefaultGateway": true, "portIsolation": true,
		"ipam": m{"type": "host-local", "dataDir": leases, "ranges": [][]m{{{"subnet": n.Subnet.String()}}}},
	}
	if mtu > 0 {
		bridge["mtu"] = mtu
	}
	return json.MarshalIndent(m{"cniVersion": "1.0.0", "name": "compose-mage", "plugins": []m{bridge}}, "", "  ")
}

// Reachable gives a proxy's address as steps reach it: one on the host's loopback at the gateway. It says whether
// steps reach it.
func (n *Network) Reachable(proxy string) (string, bool) {
	port, ok := LoopbackPort(proxy)
	if !ok || n == nil {
		return proxy, true
	}
	if !slices.Contains(n.Ports, port) {
		return proxy, false
	}
	u, bare := parseProxy(proxy)
	u.Host = net.JoinHostPort(n.Gateway.String(), strconv.Itoa(port))
	if bare {
		return u.Host, true
	}
	return u.String(), true
}

// LoopbackPort gives the port of a proxy on the loopback; false for another.
func LoopbackPort(proxy string) (int, bool) {
	u, _ := parseProxy(proxy)
	if u == nil {
		return 0, false
	}
	host := u.Hostname()
	if ip, err := netip.ParseAddr(host); host != "localhost" && (err != nil || !ip.Unmap().IsLoopback()) {
		return 0, false
	}
	text := u.Port()
	if text == "" {
		text = map[string]string{"https": "443", "socks5": "1080", "socks5h": "1080"}[u.Scheme]
	}
	if text == "" {
		text = "80"
	}
	port, err := strconv.Atoi(text)
	return port, err == nil && port > 0 && port < 1<<16
}

// parseProxy reads "http://127.0.0.1:3128" and, as most programs do, "127.0.0.1:3128"; nil for neither.
func parseProxy(proxy string) (u *url.URL, bare bool) {
	if bare = !strings.Contains(proxy, "://"); bare {
		proxy = "http://" + proxy
	}
	u, err := url.Parse(proxy)
	if err != nil || u.Host == "" {
		return nil, false
	}
	return u, bare
}

// ProxyVariables are the environment variables that name proxies, in capitals.
var ProxyVariables = []string{"HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "ALL_PROXY"}

// Ports are the loopback's ports among these proxies, sorted. A proxy on the IPv6 loopback is an error: nothing leads
// there.
func Ports(proxies []string) ([]int, error) {
	var ports []int
	for _, proxy := range proxies {
		if port, ok := LoopbackPort(proxy); ok {
			if u, _ := parseProxy(proxy); strings.Contains(u.Hostname(), ":") {
				return nil, fmt.Errorf("a proxy is on the IPv6 loopback (%s)", u.Host)
			}
			ports = append(ports, port)
		}
	}
	slices.Sort(ports)
	return slices.Compact(ports), nil
}
