package lifecycle

import (
	"bytes"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/fault"
)

const graph = `services:
  db: {image: x, networks: [back]}
  cache: {image: x, networks: [back, default]}
  api: {image: x, depends_on: {db: {condition: service_started, restart: true}, cache: {condition: service_started}}}
  web: {image: x, depends_on: {api: {condition: service_started}}}
  sidecar: {image: x, network_mode: "service:web"}
networks: {back: {}}
`

func TestRestartPlan(t *testing.T) {
	project := load(t, graph)
	image := change{why: "its image changed", recreate: true}
	net := change{why: "the settings of its network back changed", recreate: true}
	back := map[string]bool{"back": true}
	for name, c := range map[string]struct {
		changes  map[string]change
		o        RestartOptions
		want     string
		networks map[string]bool
	}{
		"a network, and one is named": {
			map[string]change{"db": net, "cache": net}, RestartOptions{Services: []string{"cache"}}, `stage 0: replace cache: the settings of its network back changed
stage 0: replace db: the settings of its network back changed
stage 1: restart api: it depends on db with restart: true
left alone: sidecar, web; -all restarts them too
`, back,
		},
		"a network, and one that is not in it is named": {
			map[string]change{"db": net, "cache": net}, RestartOptions{Services: []string{"web"}}, `stage 2: restart web: it is named
stage 3: restart sidecar: it shares the network of web
left alone: api, cache, db; -all restarts them too
`, back,
		},
		"nothing": {nil, RestartOptions{}, "nothing changed in api, cache, db, sidecar, web; -all restarts all the same\n", nil},
		"what others depend on": {map[string]change{"cache": image}, RestartOptions{}, `stage 0: replace cache: its image changed
left alone: api, db, sidecar, web; -all restarts them too
`, nil},
		"what asks to go along": {map[string]change{"db": image}, RestartOptions{}, `stage 0: replace db: its image changed
stage 1: restart api: it depends on db with restart: true
left alone: cache, sidecar, web; -all restarts them too
`, nil},
		"what can't stay": {map[string]change{"web": image}, RestartOptions{}, `stage 2: replace web: its image changed
stage 3: replace sidecar: it shares the network of web
left alone: api, cache, db; -all restarts them too
`, nil},
		"stopped": {map[string]change{"cache": {why: "it does not run", start: true}}, RestartOptions{}, `stage 0: start cache: it does not run
left alone: api, db, sidecar, web; -all restarts them too
`, nil},
		"named": {map[string]change{"db": image}, RestartOptions{Services: []string{"cache", "web"}}, `stage 0: restart cache: it is named
stage 2: restart web: it is named
stage 3: restart sidecar: it shares the network of web
left alone: api, db; -all restarts them too
`, nil},
		"all": {map[string]change{"db": image}, RestartOptions{All: true}, `stage 0: restart cache: all are
stage 0: replace db: its image changed
stage 1: restart api: all are
stage 2: restart web: all are
stage 3: restart sidecar: all are
`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var got bytes.Buffer
			planRestart(project, c.changes, c.networks, c.o).Print(&got)
			if got.String() != c.want {
				t.Errorf("got:\n%swant:\n%s", got.String(), c.want)
			}
		})
	}
}

func TestRestartPlanOfReplicasAndRefusals(t *testing.T) {
	p := RestartPlan{Steps: []RestartStep{
		{Service: "api", Why: "it is named", Replicas: 3, Roll: true},
		{Service: "db", Why: "its image changed", Replicas: 1, Roll: true, Refused: []string{"one", "two"}},
	}}
	var got bytes.Buffer
	p.Print(&got)
	want := `stage 0: replace without down-time api, its 3 replicas one at a time: it is named
stage 0: replace without down-time db: its image changed
  can't be: one
  can't be: two
`
	if got.String() != want {
		t.Errorf("got:\n%swant:\n%s", got.String(), want)
	}
	var typed *fault.Error
	if err := p.Err(); !errors.As(err, &typed) || typed.Code != fault.Config || !strings.Contains(err.Error(), "\"db\" can't be replaced without down-time; nothing was touched\n  one\n  two\n  next: go tool mage restart db") {
		t.Errorf("got %v", err)
	}
}

func TestWhatForbidsRolling(t *testing.T) {
	project := load(t, `services:
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
