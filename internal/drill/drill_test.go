package drill

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/composetest"
	"github.com/25eloquence/compose-mage/internal/snapshots"
)

func TestDifferences(t *testing.T) {
	still := func(value string) snapshots.Fact {
		return snapshots.Fact{Seen: map[string][]string{"rows": {value, value, value}}, Seconds: 0.5}
	}
	busy := snapshots.Fact{
		Seen: map[string][]string{"rows": {"100", "110", "120"}, "schema": {"a", "a", "a"}}, Seconds: 1,
	}
	for _, c := range []struct {
		fact snapshots.Fact
		now  map[string]string
		want int
	}{
		{still("7"), map[string]string{"rows": "7"}, 0},
		{still("7"), map[string]string{"rows": "6"}, 1},
		{still("7"), map[string]string{"rows": ""}, 1},
		{still("a b"), map[string]string{"rows": "a b"}, 0},
		{still("7"), map[string]string{}, 1},
		{still("7"), map[string]string{"rows": "7", "more": "1"}, 1},
		{busy, map[string]string{"rows": "121", "schema": "a"}, 0},
		{busy, map[string]string{"rows": "1000", "schema": "a"}, 0}, // 44 s later, as quickly
		{busy, map[string]string{"rows": "1100", "schema": "a"}, 1},
		{busy, map[string]string{"rows": "none", "schema": "a"}, 1},
		{busy, map[string]string{"rows": "120", "schema": "b"}, 1},
		{busy, map[string]string{"rows": "120", "schema": "a", "more": "1"}, 0},
	} {
		if got := differences(c.fact, c.now); len(got) != c.want {
			t.Errorf("%v against %v: %q", c.now, c.fact.Seen, got)
		}
	}
}

// meets is a project that meets its machine in every way that Compose has.
const meets = `
services:
  web:
    image: web
    build: .
    container_name: web
    hostname: web
    ports: ["80:80"]
    restart: always
    privileged: true
    pid: host
    ipc: host
    uts: host
    userns_mode: host
    cgroup: host
    cgroup_parent: /mine
    devices: ["/dev/fuse:/dev/fuse"]
    labels: {traefik.enable: "true"}
    logging: {driver: syslog}
    extra_hosts: ["host:host-gateway", "db:10.0.0.7"]
    external_links: [other]
    volumes_from: ["container:other"]
    mac_address: 02:00:00:00:00:01
    networks: {front: {ipv4_address: 10.9.0.5, aliases: [www]}, shared: }
    volumes: [data:/data, /var/run/docker.sock:/var/run/docker.sock, "/etc:/etc2:ro", ./conf:/conf]
    deploy: {restart_policy: {condition: any}, labels: {x: y}}
  host: {image: host, network_mode: host}
  beside: {image: beside, network_mode: "service:web"}
  alone: {image: alone, network_mode: none, deploy: {replicas: 3}}
networks:
  front: {driver: bridge, driver_opts: {x: y}, ipam: {config: [{subnet: 10.9.0.0/24}]}}
  shared: {external: true, name: company}
volumes:
  data: {external: true, name: precious}
`

func TestIsolateMeetsNobody(t *testing.T) {
	project := composetest.Load(t, meets)
	notes := isolate(project, "shop", project.WorkingDir, t.TempDir(), map[string]string{"web": "sha256:1"})
	if project.Name != "shop-drill" {
		t.Errorf("it is called %q", project.Name)
	}
	web, alone := project.Services["web"], project.Services["alone"]
	for what, is := range map[string]bool{
		"image": web.Image != "sha256:1", "build": web.Build != nil, "name": web.ContainerName != "",
		"ports": len(web.Ports) > 0, "restart": web.Restart != "no", "privileged": web.Privileged,
		"spaces":  web.Pid+web.Ipc+web.Uts+web.UserNSMode+web.Cgroup+web.CgroupParent != "",
		"devices": len(web.Devices) > 0, "labels": len(web.Labels) != 1 || web.Labels[label] != "shop",
		"logging": web.Logging != nil, "hosts": len(web.ExtraHosts) != 1, "links": len(web.ExternalLinks) > 0,
		"volumes_from": len(web.VolumesFrom) > 0, "mac": web.MacAddress != "", "scale": alone.GetScale() != 1,
		"deploy":  web.Deploy.RestartPolicy != nil || len(web.Deploy.Labels) > 0,
		"address": web.Networks["front"].Ipv4Address != "", "aliases": len(web.Networks["front"].Aliases) != 1,
		"pull":    web.PullPolicy != types.PullPolicyNever,
		"host":    project.Services["host"].NetworkMode != "" || len(project.Services["host"].Networks) != 1,
		"beside":  project.Services["beside"].NetworkMode != "service:web",
		"alone":   alone.NetworkMode != "none" || len(alone.Networks) > 0,
		"default": !project.Networks["default"].Internal,
	} {
		if is {
			t.Errorf("%s is not apart: %+v", what, web)
		}
	}
	var seen []string
	for _, m := range web.Volumes {
		seen = append(seen, m.Target)
	}
	if !slices.Equal(seen, []string{"/data", "/conf"}) {
		t.Errorf("it mounts %q", seen)
	}
	for key, n := range project.Networks {
		if !n.Internal || bool(n.External) || n.Name != "shop-drill_"+key || n.Labels[label] != "shop" ||
			len(n.Ipam.Config)+len(n.DriverOpts) > 0 {
			t.Errorf("network %s: %+v", key, n)
		}
	}
	if v := project.Volumes["data"]; bool(v.External) || v.Name != "shop-drill_data" || v.Labels[label] != "shop" {
		t.Errorf("volume: %+v", v)
	}
	for _, want := range []string{"docker.sock", "/etc", "network host", "privileged", "conf is not in the snapshot"} {
		if !strings.Contains(strings.Join(notes, "\n"), want) {
			t.Errorf("the notes do not say %q: %q", want, notes)
		}
	}
}

func TestMissing(t *testing.T) {
	project := composetest.Load(t, `
services: {web: {image: web, volumes: [data:/data, cache:/cache]}}
volumes: {data: , cache: , unused: }
`)
	saved := []snapshots.Volume{{Key: "data"}}
	for _, c := range []struct {
		m    snapshots.Manifest
		want string
	}{
		{snapshots.Manifest{Volumes: saved, LeftOut: []string{"cache"}}, ""},
		{snapshots.Manifest{Volumes: saved, LeftOut: []string{}}, `"cache" of web`},
		{snapshots.Manifest{LeftOut: []string{"cache"}}, `"data" of web`},
		{snapshots.Manifest{}, ""}, // by a program that did not say what it left out
	} {
		err := missing(project, c.m)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.m, err, c.want)
		}
	}
}

func TestAvailable(t *testing.T) {
	if got := available("MemTotal:       24689988 kB\nMemAvailable:   20000000 kB\n"); got != 20000000<<10 {
		t.Errorf("%d", got)
	}
	if got := available("MemTotal: 1 kB\n"); got != 0 {
		t.Errorf("%d", got)
	}
}

func TestMemoryNeeded(t *testing.T) {
	project := composetest.Load(t, `
services:
  big: {image: x, deploy: {resources: {reservations: {memory: 2g}}}}
  old: {image: x, mem_reservation: 1g}
  small: {image: x}
`)
	if got := memoryNeeded(project); got != 3<<30+leastMemory {
		t.Errorf("%d", got)
	}
}

// The files that a mount leads to are the snapshot's, where it has them.
func TestOwnFiles(t *testing.T) {
	project := composetest.Load(t, `services: {web: {image: web, volumes: ["./compose.yaml:/c:ro"]}}`)
	source := project.Services["web"].Volumes[0].Source
	if notes := isolate(project, "shop", filepath.Dir(source), t.TempDir(), nil); len(notes) > 0 {
		t.Errorf("%q", notes)
	}
}

// A volume that stood still when it was saved has to be the same once it is fetched.
func TestAsSaved(t *testing.T) {
	had := snapshots.Size{Files: 2, Bytes: 30, Tree: "a"}
	for name, c := range map[string]struct {
		had, has snapshots.Size
		moved    bool
		want     string
	}{
		"the same":        {had, had, false, ""},
		"a file is gone":  {had, snapshots.Size{Files: 1, Bytes: 10, Tree: "b"}, false, "it has 1 files with 10 bytes"},
		"another owner":   {had, snapshots.Size{Files: 2, Bytes: 30, Tree: "b"}, false, "modes or owners are others"},
		"written to":      {snapshots.Size{Files: 2, Bytes: 30}, had, false, ""},
		"written to then": {had, snapshots.Size{Files: 3, Bytes: 30, Tree: "b"}, true, ""},
	} {
		err := asSaved("data", c.had, c.has, c.moved)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
