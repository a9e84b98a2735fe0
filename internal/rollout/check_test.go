package rollout

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/compose/v5/pkg/api"
	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"

	"github.com/25eloquence/compose-mage/internal/composetest"
	"github.com/25eloquence/compose-mage/internal/container"
)

func TestWhatForbidsRolling(t *testing.T) {
	project := composetest.Load(t, `services:
  free:
    image: x
    ports: ["80", "8000-8010:81"]
    tmpfs: [/tmp]
    volumes: ["data:/data:ro", "./:/src:ro"]
    networks: {default: {aliases: [www]}}
  ports: {image: x, ports: ["127.0.0.1:8080:80"]}
  name: {image: x, container_name: mine}
  host: {image: x, hostname: host}
  mode: {image: x, network_mode: host}
  mac: {image: x, mac_address: "02:42:ac:11:00:02"}
  address: {image: x, networks: {fixed: {ipv4_address: 172.30.0.9}}}
  volume: {image: x, volumes: ["data:/data"]}
  anonymous: {image: x, volumes: ["/data"]}
  bind: {image: x, volumes: ["./:/src"]}
  device: {image: x, devices: ["/dev/ttyS0"]}
  parent: {image: x}
  child: {image: x, pid: "service:parent"}
  source: {image: x}
  reader: {image: x, volumes_from: [source]}
  readonly: {image: x, volumes_from: ["source:ro"]}
volumes: {data: {}}
networks: {fixed: {ipam: {config: [{subnet: 172.30.0.0/16}]}}}
`)
	for name, want := range map[string]string{
		"free": "", "ports": "host port 8080", "name": "container_name mine", "host": "hostname host",
		"mode": "network_mode host", "mac": "mac_address",
		"address": "fixed address in network fixed", "volume": "volume data (mounted at /data)",
		"anonymous": "anonymous volume at /data",
		"bind":      "mounted at /src", "device": "/dev/ttyS0", "parent": "child shares its pid",
		"reader": "volumes from source are writable", "readonly": "",
	} {
		got := strings.Join(fixed(project, project.Services[name]), "\n")
		if (want == "") != (got == "") || !strings.Contains(got, want) || strings.Contains(got, "\n") {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

func TestImageVolumes(t *testing.T) {
	var s types.ServiceConfig
	s.Volumes, s.Tmpfs = []types.ServiceVolumeConfig{{Target: "/named"}}, []string{"/run:size=1m"}
	got := imageVolumes(s, map[string]struct{}{"/named": {}, "/run": {}, "/own": {}})
	if len(got) != 1 || !strings.Contains(got[0], "volume at /own") {
		t.Errorf("got %q", got)
	}
}

// TestKeepsAddress: an engine before 29 gives the lowest free address, so that of a container that is unplugged
// comes back only when the replacement filled the only gap below it.
func TestKeepsAddress(t *testing.T) {
	subnet := netip.MustParsePrefix("172.20.0.0/16")
	at := func(n byte) netip.Addr { return netip.AddrFrom4([4]byte{172, 20, 0, n}) }
	for name, c := range map[string]struct {
		taken, own []byte
		want       bool
	}{
		"no gap":                      {[]byte{1, 2, 3, 4}, []byte{3}, true},
		"one gap below":               {[]byte{1, 3, 4}, []byte{4}, true},
		"a gap above":                 {[]byte{1, 2, 4}, []byte{2}, true},
		"two gaps below":              {[]byte{1, 4, 5}, []byte{5}, false},
		"replicas, one gap":           {[]byte{1, 3, 4, 5}, []byte{4, 5}, true},
		"replicas, two gaps for some": {[]byte{1, 2, 5, 6}, []byte{2, 6}, false},
	} {
		t.Run(name, func(t *testing.T) {
			taken := map[netip.Addr]bool{}
			for _, n := range c.taken {
				taken[at(n)] = true
			}
			var own []netip.Addr
			for _, n := range c.own {
				own = append(own, at(n))
			}
			if got := keepsAddress(subnet, taken, own); got != c.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestMayAsk(t *testing.T) {
	project := composetest.Load(t, `services: {a: {image: x, networks: [plain, subnet, pools, other]}}
networks:
  plain: {}
  subnet: {ipam: {config: [{subnet: 172.30.0.0/16}]}}
  pools: {ipam: {config: [{gateway: 172.30.0.1}]}}
  other: {external: true}
`)
	for key, want := range map[string]bool{"plain": false, "subnet": true, "pools": false, "other": false} {
		if got := mayAsk(project.Networks[key], "1.41"); got != want {
			t.Errorf("%s: %v", key, got)
		}
		if !mayAsk(project.Networks[key], "1.52") {
			t.Errorf("%s: an engine since 29 gives any address", key)
		}
	}
	external := project.Networks["subnet"]
	if external.External = true; mayAsk(external, "1.41") {
		t.Error("what the file says of the subnet of an external network does not count")
	}
}

func TestNetworkRefusal(t *testing.T) {
	address := netip.MustParseAddr
	own := func(ip string) []container.Replica {
		c := container.Replica{InspectResponse: moby.InspectResponse{NetworkSettings: &moby.NetworkSettings{}}}
		c.NetworkSettings.Networks = map[string]*network.EndpointSettings{
			"n":     {IPAddress: address(ip)},
			"other": {IPAddress: address("10.0.0.9")},
		}
		return []container.Replica{c, {InspectResponse: moby.InspectResponse{NetworkSettings: &moby.NetworkSettings{}}}}
	}
	found := func(hash string, taken ...string) network.Inspect {
		n := network.Inspect{Containers: map[string]network.EndpointResource{}}
		n.Labels = map[string]string{api.ConfigHashLabel: hash}
		n.IPAM.Config = []network.IPAMConfig{
			{Subnet: netip.MustParsePrefix("172.20.0.0/16"), Gateway: address("172.20.0.1")},
		}
		for _, ip := range taken {
			n.Containers[ip] = network.EndpointResource{IPv4Address: netip.PrefixFrom(address(ip), 16)}
		}
		return n
	}
	bare := found("same", "172.20.0.5")
	bare.IPAM.Config = nil
	plain, external := types.NetworkConfig{Name: "n"}, types.NetworkConfig{Name: "n", External: true}
	for name, c := range map[string]struct {
		desired  types.NetworkConfig
		found    network.Inspect
		api, own string
		want     string
	}{
		"the address comes back": {plain, found("same", "172.20.0.2"), "1.41", "172.20.0.2", ""},
		"two are free below it": {
			plain, found("same", "172.20.0.4"), "1.41", "172.20.0.4", "its open connections would break",
		},
		"any address can be had": {plain, found("same", "172.20.0.4"), "1.52", "172.20.0.4", ""},
		"no pool is known":       {plain, bare, "1.41", "172.20.0.5", ""},
		"its settings changed": {
			plain, found("other"), "1.52", "172.20.0.2", "the configuration of its network back changed",
		},
		"of one that is not ours":    {external, found("other"), "1.52", "172.20.0.2", ""},
		"it was made by another one": {plain, found(""), "1.52", "172.20.0.2", ""},
	} {
		got := strings.Join(networkRefusal("back", c.desired, "same", c.found, c.api, own(c.own)), "; ")
		if !strings.HasPrefix(got, c.want) || (c.want == "") != (got == "") {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestSameAddresses(t *testing.T) {
	at := func(v4, v6 string) *network.EndpointSettings {
		e := &network.EndpointSettings{IPAddress: netip.MustParseAddr(v4)}
		if v6 != "" {
			e.GlobalIPv6Address = netip.MustParseAddr(v6)
		}
		return e
	}
	was := map[string]*network.EndpointSettings{"n": at("10.0.0.2", "fd00::2")}
	for name, c := range map[string]struct {
		is   map[string]*network.EndpointSettings
		want string
	}{
		"same": {map[string]*network.EndpointSettings{"n": at("10.0.0.2", "fd00::2")}, ""},
		"another": {
			map[string]*network.EndpointSettings{"n": at("10.0.0.3", "fd00::2")},
			"its address in n changed from 10.0.0.2 to 10.0.0.3",
		},
		"another in v6": {
			map[string]*network.EndpointSettings{"n": at("10.0.0.2", "fd00::3")}, "its address in n changed",
		},
		"a new network": {
			map[string]*network.EndpointSettings{"n": at("10.0.0.2", "fd00::2"), "new": at("10.1.0.2", "")}, "",
		},
		"it was removed": {nil, ""},
	} {
		err := sameAddresses(was, c.is)
		if (err == nil) != (c.want == "") || err != nil && !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestFixedAddresses: any address that the file fixes in a network is one container's.
func TestFixedAddresses(t *testing.T) {
	for name, n := range map[string]*types.ServiceNetworkConfig{
		"":                                      nil,
		"an alias":                              {Aliases: []string{"www"}},
		"its fixed address in network n (v4)":   {Ipv4Address: "172.30.0.9"},
		"its fixed address in network n (v6)":   {Ipv6Address: "fd00::9"},
		"its fixed address in network n (mac)":  {MacAddress: "02:42:ac:11:00:02"},
		"its fixed address in network n (link)": {LinkLocalIPs: []string{"169.254.0.9"}},
	} {
		var s types.ServiceConfig
		s.Name, s.Networks = "web", map[string]*types.ServiceNetworkConfig{"n": n}
		got := fixed(&types.Project{}, s)
		if refused := strings.HasPrefix(name, "its fixed"); refused != (len(got) == 1) {
			t.Errorf("%q: %q", name, got)
		}
	}
}

// TestSharedMounts: what is only read, or in memory, may be had by two containers.
func TestSharedMounts(t *testing.T) {
	for name, c := range map[string]struct {
		v    types.ServiceVolumeConfig
		want string
	}{
		"read-only": {types.ServiceVolumeConfig{Type: "volume", Source: "data", ReadOnly: true}, ""},
		"in memory": {types.ServiceVolumeConfig{Type: "tmpfs", Target: "/x"}, ""},
		"an image":  {types.ServiceVolumeConfig{Type: "image", Source: "i"}, ""},
		"a file": {
			types.ServiceVolumeConfig{Type: "bind", Source: "/a", Target: "/b"}, "would write to /a (mounted at /b)",
		},
		"unnamed": {types.ServiceVolumeConfig{Type: "volume", Target: "/b"}, "its anonymous volume at /b"},
		"named": {
			types.ServiceVolumeConfig{Type: "volume", Source: "d", Target: "/b"}, "the volume d (mounted at /b)",
		},
	} {
		if got := exclusive(c.v); (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestNames(t *testing.T) {
	project := composetest.Load(t,
		"services: {web: {image: x, networks: {n: {aliases: [www]}, m: {}}}}\nnetworks: {n: {}, m: {}}\n")
	project.Name = "shop"
	r := &Rollout{Project: project}
	for key, want := range map[string]string{
		"n": "shop-web-2 web www", "m": "shop-web-2 web", "nosuch": "shop-web-2 web",
	} {
		if got := strings.Join(r.names("web", 2, key), " "); got != want {
			t.Errorf("%s: %q, want %q", key, got, want)
		}
	}
}

func TestGrace(t *testing.T) {
	c := container.Replica{InspectResponse: moby.InspectResponse{Config: &moby.Config{}}}
	if got := grace(c); got != 10*time.Second {
		t.Errorf("Docker's own is %s", got)
	}
	three := 3
	if c.Config.StopTimeout = &three; grace(c) != 3*time.Second {
		t.Errorf("%s", grace(c))
	}
}
