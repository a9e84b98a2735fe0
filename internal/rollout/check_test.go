package rollout

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/composetest"
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
  reader: {image: x, volumes_from: [volume]}
volumes: {data: {}}
networks: {fixed: {ipam: {config: [{subnet: 172.30.0.0/16}]}}}
`)
	for name, want := range map[string]string{
		"free": "", "ports": "host port 8080", "name": "container_name mine", "host": "hostname host", "mode": "network_mode host", "mac": "mac_address",
		"address": "fixed address in network fixed", "volume": "volume data (mounted at /data)", "anonymous": "anonymous volume at /data",
		"bind": "mounted at /src", "device": "/dev/ttyS0", "parent": "child shares its pid", "reader": "volumes from volume are writable",
	} {
		got := strings.Join(fixed(project, project.Services[name]), "\n")
		if want == "" && got != "" || !strings.Contains(got, want) {
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

// TestKeepsAddress: an engine before 29 gives the lowest free address, so that of a container that is unplugged comes back only
// when the replacement filled the only gap below it.
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
