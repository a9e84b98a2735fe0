package projects

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/volume"

	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/golden"
	"github.com/25eloquence/compose-mage/internal/ui"
)

var (
	now    = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	before = now.Add(-time.Hour).Format(time.RFC3339Nano)
)

// made is a container that runs; change makes it another.
func made(project, service string, change func(*container.Replica)) container.Replica {
	c := container.Replica{InspectResponse: moby.InspectResponse{
		ID: project + "/" + service, Name: "/" + project + "-" + service + "-1", Image: "image of " + service,
		LogPath: "/logs/" + service,
		State:   &moby.State{Status: moby.StateRunning, Running: true, StartedAt: before},
		Config: &moby.Config{Labels: map[string]string{
			container.ProjectLabel: project, container.ServiceLabel: service, container.OneOffLabel: "False",
			container.WorkingDirLabel: "/srv/" + project,
		}},
		HostConfig:      &moby.HostConfig{Resources: moby.Resources{Memory: 64 << 20}},
		NetworkSettings: &moby.NetworkSettings{},
	}}
	if change != nil {
		change(&c)
	}
	return c
}

// exited makes a container one that has ended with the code.
func exited(code int, policy moby.RestartPolicyMode) func(*container.Replica) {
	return func(c *container.Replica) {
		c.State = &moby.State{Status: moby.StateExited, ExitCode: code, StartedAt: before, FinishedAt: before}
		c.HostConfig.RestartPolicy.Name = policy
	}
}

func publishes(host string, port int) func(*container.Replica) {
	return func(c *container.Replica) {
		inside := network.MustParsePort("80/tcp")
		binding := network.PortBinding{HostIP: netip.MustParseAddr(host), HostPort: fmt.Sprint(port)}
		if c.NetworkSettings.Ports == nil {
			c.NetworkSettings.Ports = network.PortMap{}
		}
		c.NetworkSettings.Ports[inside] = append(c.NetworkSettings.Ports[inside], binding)
	}
}

func and(changes ...func(*container.Replica)) func(*container.Replica) {
	return func(c *container.Replica) {
		for _, change := range changes {
			change(c)
		}
	}
}

// sight is an engine with a project of each kind.
func sight() observed {
	return observed{
		containers: []container.Replica{
			made("shop", "web", and(publishes("0.0.0.0", 8080), publishes("::", 8080), publishes("127.0.0.1", 9000))),
			made("shop", "db", func(c *container.Replica) {
				c.Mounts = []moby.MountPoint{{Type: mount.TypeVolume, Name: "shop_data"}, {Type: mount.TypeBind}}
				c.RestartCount = 1
			}),
			made("shop", "job", exited(0, "")),
			made("shop", "broken", exited(3, "")),
			made("shop", "tool", func(c *container.Replica) { // of compose run
				exited(1, "")(c)
				c.Config.Labels[container.OneOffLabel] = "True"
			}),
			made("idle", "a", exited(143, "")),
			made("idle", "b", exited(0, moby.RestartPolicyAlways)),
			made("crashed", "a", exited(1, "")),
			made("", "", func(c *container.Replica) {
				c.InspectResponse.Name, c.ID, c.Config.Labels, c.HostConfig.Memory = "/registry", "r", nil, 0
				c.State.Paused, c.State.Status = true, moby.StatePaused
			}),
			made("evil\x1b[2J", "a\nb", func(c *container.Replica) {
				c.Config.Labels[container.WorkingDirLabel] = "/x\x1b[1m\n"
			}),
		},
		loads: map[string]Load{
			"shop/web": {Memory: 20 << 20, CPUPercent: 50}, "shop/db": {Memory: 30 << 20, CPUPercent: 1, OOMKills: 2},
			"r": {Memory: 5 << 20},
		},
		images: map[string]int64{
			"image of web": 100 << 20, "image of db": 50 << 20, "image of job": 1, "image of broken": 1,
			"image of tool": 1, "image of a": 5 << 20, "image of b": 5 << 20, "image of ": 1 << 20,
		},
		volumes: []volume.Volume{
			{Name: "shop_data", Labels: map[string]string{container.ProjectLabel: "shop"}},
			{Name: "old_data", Labels: map[string]string{container.ProjectLabel: "old"}},
			{Name: "nobody's"},
		},
		networks: []network.Summary{
			{Network: network.Network{Labels: map[string]string{container.ProjectLabel: "old"}}},
			{Network: network.Network{Labels: map[string]string{container.ProjectLabel: "shop"}}},
			{},
		},
		sizes: Sizes{
			Age: time.Minute, Volumes: map[string]int64{"shop_data": 7 << 20},
			Containers: map[string]int64{
				"shop/web": 1 << 20, "shop/db": 0, "shop/job": 0, "shop/broken": 0, "shop/tool": 0,
			},
		},
	}
}

var files = local{
	gone: func(folder string) bool { return folder == "/srv/idle" },
	logs: func(path string) int64 {
		if path == "/logs/b" {
			return Unknown
		}
		return 1 << 10
	},
}

func taken(resources bool) Report {
	return Report{
		Time: now, Memory: 4 << 30, Projects: assemble(sight(), now, files), Root: "/data", resources: resources,
	}
}

// TestPrinted holds what each kind of project is said to be, wide and on a terminal of 80 columns.
func TestPrinted(t *testing.T) {
	var out bytes.Buffer
	for _, resources := range []bool{false, true} {
		for _, columns := range []int{0, 80, 40} {
			fmt.Fprintf(&out, "--- resources=%t, %d columns\n", resources, columns)
			var page bytes.Buffer
			taken(resources).Print(ui.New(ui.Within(&page, columns)))
			for line := range strings.Lines(page.String()) {
				if columns == 80 && !strings.HasPrefix(line, " ") && len([]rune(line)) > columns+1 {
					t.Errorf("%d columns: %q", len([]rune(line)), line)
				}
			}
			out.Write(page.Bytes())
		}
	}
	fmt.Fprintln(&out, "--- appended")
	taken(true).PrintLine(ui.New(&out))
	if strings.ContainsAny(out.String(), "\x1b\x07") {
		t.Error("a terminal would obey a label")
	}
	golden.Check(t, "printed.txt", out.String())
}

func TestSums(t *testing.T) {
	by := map[string]Project{}
	for _, p := range taken(false).Projects {
		by[p.Name] = p
	}
	shop := by["shop"]
	if shop.MemoryUsed != 50<<20 || shop.MemoryLimit != 128<<20 || shop.OOMKills != 2 || shop.Restarts != 1 {
		t.Errorf("shop: %+v", shop)
	}
	if shop.VolumeBytes != 7<<20 || shop.ContainerBytes != 1<<20 || shop.LogBytes != 5<<10 || shop.Networks != 1 {
		t.Errorf("shop's disk: %+v", shop)
	}
	if none := by[""]; none.MemoryLimit != 0 || none.Fine || none.Services != 1 {
		t.Errorf("containers of no project: %+v", none)
	}
	// What nobody has counted is unknown, and not nothing.
	if idle := by["idle"]; idle.LogBytes != Unknown || idle.ContainerBytes != Unknown || !idle.Folders[0].Gone {
		t.Errorf("idle: %+v", idle)
	}
	if evil := by["evil\x1b[2J"]; evil.MemoryUsed != Unknown {
		t.Errorf("a running container without figures: %+v", evil)
	}
	if old := by["old"]; old.State != StateLeft || old.Volumes != 1 || old.VolumeBytes != Unknown {
		t.Errorf("only volumes and networks: %+v", old)
	}
	if r := taken(false); r.Next() != "docker logs shop-broken-1" {
		t.Errorf("next: %q", r.Next())
	}
}

// TestManyProjects: fifty of them, each with something wrong, are a page and not a book.
func TestManyProjects(t *testing.T) {
	var seen observed
	for i := range 50 {
		seen.containers = append(seen.containers, made(fmt.Sprintf("p%02d", i), "web", exited(3, "")))
	}
	var out bytes.Buffer
	Report{Projects: assemble(seen, now, files)}.Print(ui.New(ui.Within(&out, 80)))
	if n := strings.Count(out.String(), "\n"); n > 1+50+1+2*mostSaid+1 {
		t.Errorf("%d lines", n)
	}
	if !strings.Contains(out.String(), "and 30 more") {
		t.Error("nothing says that there are more")
	}
}
