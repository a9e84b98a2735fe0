package running

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/system"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/diskspace"
	"github.com/25eloquence/compose-mage/internal/doctor/check"
	"github.com/25eloquence/compose-mage/internal/doctor/subject"
	"github.com/25eloquence/compose-mage/internal/monitor"
)

// replica is a running container of service a, as change makes it.
func replica(change func(*container.Replica)) container.Replica {
	var c container.Replica
	c.InspectResponse.Name, c.ID, c.Image = "/p-a-1", "id", "sha256:1"
	c.Config, c.HostConfig = &moby.Config{Healthcheck: &moby.HealthConfig{Timeout: 4 * time.Second}}, &moby.HostConfig{}
	c.State = &moby.State{Status: moby.StateRunning, Pid: 1}
	change(&c)
	return c
}

// seen is a look at one container.
func seen(c container.Replica, change func(*look)) look {
	var image client.ImageInspectResult
	image.ID, image.Architecture = "sha256:1", "amd64"
	l := look{
		Containers: map[string][]container.Replica{"a": {c}}, Images: subject.Images{"i": image},
		Info: system.Info{Architecture: "x86_64"}, Written: map[string]int64{},
		at:      func(string, ...string) check.Place { return check.Place{} },
		imageOf: func(string) string { return "i" },
	}
	change(&l)
	return l
}

func ids(all []check.Finding) string {
	var out []string
	for _, f := range all {
		out = append(out, f.ID)
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// checks are health checks that took so long.
func checks(n int, took time.Duration) (all []*moby.HealthcheckResult) {
	for range n {
		begun := time.Unix(0, 0)
		all = append(all, &moby.HealthcheckResult{Start: begun, End: begun.Add(took), Output: "no\nx"})
	}
	return all
}

func TestContainers(t *testing.T) {
	same := func(*container.Replica) {}
	none := func(*look) {}
	healthy := func(n int, took time.Duration) func(*container.Replica) {
		return func(c *container.Replica) { c.State.Health = &moby.Health{Status: moby.Healthy, Log: checks(n, took)} }
	}
	ill := func(streak int) func(*container.Replica) {
		return func(c *container.Replica) {
			c.State.Health = &moby.Health{Status: moby.Unhealthy, FailingStreak: streak, Log: checks(1, 0)}
			c.Config.Healthcheck.Interval = 10 * time.Second
		}
	}
	left := map[string]bool{}
	for _, r := range containerRules {
		left[r.ID] = true
	}
	for name, c := range map[string]struct {
		l    look
		want string
	}{
		"as it should be": {seen(replica(same), none), ""},
		"stale":           {seen(replica(func(c *container.Replica) { c.Image = "sha256:0" }), none), "image.stale"},
		"stale and ended": {seen(replica(func(c *container.Replica) {
			c.Image, c.State.Status = "sha256:0", moby.StateExited
		}), none), ""},
		"stale, and no image of the name": {
			seen(replica(func(c *container.Replica) { c.Image = "sha256:0" }), func(l *look) { l.Images = nil }), "",
		},
		"of another machine": {
			seen(replica(same), func(l *look) { l.Info.Architecture = "aarch64" }), "image.architecture",
		},
		"quick checks": {seen(replica(healthy(5, time.Second)), none), ""},
		"slow checks":  {seen(replica(healthy(5, 3*time.Second)), none), "health.slow"},
		"half of them slow": {seen(replica(func(c *container.Replica) {
			healthy(3, 3*time.Second)(c)
			c.State.Health.Log = append(c.State.Health.Log, checks(3, 0)...)
		}), none), "health.slow"},
		"less than half": {seen(replica(func(c *container.Replica) {
			healthy(3, 3*time.Second)(c)
			c.State.Health.Log = append(c.State.Health.Log, checks(4, 0)...)
		}), none), ""},
		"two slow checks":      {seen(replica(healthy(2, 3*time.Second)), none), ""},
		"ill for a long time":  {seen(replica(ill(6)), none), "health.stuck"},
		"ill for a short time": {seen(replica(ill(5)), none), ""},
		"much written":         {seen(replica(same), func(l *look) { l.Written["id"] = 1 << 30 }), "disk.layer"},
		"little written":       {seen(replica(same), func(l *look) { l.Written["id"] = 1<<30 - 1 }), ""},
	} {
		var found []check.Finding
		for _, r := range containerRules {
			found = append(found, r.look(c.l)...)
		}
		if got := ids(found); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
		delete(left, c.want)
	}
	if len(left) > 0 {
		t.Errorf("never seen: %s", slices.Sorted(maps.Keys(left)))
	}
}

func TestEngine(t *testing.T) {
	for want, c := range map[string]struct {
		info  system.Info
		ahead time.Duration
	}{
		"":               {system.Info{Driver: "overlay2"}, -4 * time.Second},
		"engine.storage": {system.Info{Driver: "vfs"}, 0},
		"engine.clock":   {system.Info{Driver: "overlay2"}, -6 * time.Second},
		"engine.warning": {system.Info{Warnings: []string{"WARNING: No swap limit support"}}, 0},
	} {
		if got := ids(engineFindings(c.info, c.ahead)); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestHostMemory(t *testing.T) {
	const fine = "MemTotal: 1000 kB\nMemAvailable: 100 kB\n"
	some := []monitor.Replica{{Container: "p-b-1", MemoryUsed: 2 << 20}, {Container: "p-a-1", MemoryUsed: 3 << 20}, {}}
	for name, c := range map[string]struct{ info, pressure, want string }{
		"enough":            {fine, "some avg60=9.00\nfull avg10=9.00 avg60=4.99 avg300=9.00 total=1\n", ""},
		"no pressure known": {fine, "", ""},
		"little available":  {"MemTotal: 1000 kB\nMemAvailable: 99 kB\n", "", "memory.host"},
		"all wait":          {fine, "some avg60=9.00\nfull avg10=0.00 avg60=5.00 avg300=0.00 total=1\n", "memory.host"},
		"nothing known":     {"", "", ""},
	} {
		found := hostMemory(c.info, c.pressure, some)
		if got := ids(found); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
		for _, f := range found {
			if f.Cause != "the project's largest: p-a-1 3MiB, p-b-1 2MiB" {
				t.Errorf("%s: %s", name, f.Cause)
			}
		}
	}
}

func TestKernelSettings(t *testing.T) {
	images := map[string]string{"s": "elastic.co/elasticsearch:9.1.0", "r": "redis:7", "x": "nginx"}
	for _, c := range []struct{ maps, overcommit, want string }{
		{"262144\n", "1\n", ""},
		{"65530\n", "1\n", "memory.maps"},
		{"262144\n", "0\n", "memory.overcommit"},
		{"", "", ""},
	} {
		if got := ids(kernelSettings(images, c.maps, c.overcommit)); got != c.want {
			t.Errorf("%q %q: got %q, want %q", c.maps, c.overcommit, got, c.want)
		}
	}
	if got := ids(kernelSettings(map[string]string{"x": "nginx"}, "1", "0")); got != "" {
		t.Errorf("without any of them: %s", got)
	}
}

func TestDisk(t *testing.T) {
	if got := ids(inodes("/", 99, 1000)); got != "disk.inodes" {
		t.Errorf("got %q", got)
	}
	if got := ids(append(inodes("/", 100, 1000), inodes("/", 0, 0)...)); got != "" {
		t.Errorf("got %q", got)
	}
	if got := ids(tmpfs("a", "p-a-1", "/tmp", diskspace.Space{Free: 99, Total: 1000})); got != "disk.tmpfs" {
		t.Errorf("got %q", got)
	}
	if got := ids(tmpfs("a", "p-a-1", "/tmp", diskspace.Space{Free: 100, Total: 1000})); got != "" {
		t.Errorf("got %q", got)
	}
	with := replica(func(c *container.Replica) { c.HostConfig.Tmpfs = map[string]string{"/tmp": ""} })
	if got := tmpfsOf(with); !slices.Equal(got, []string{"/tmp", "/dev/shm"}) {
		t.Errorf("got %q", got)
	}
	ended := replica(func(c *container.Replica) { c.State.Status = moby.StateExited })
	if got := tmpfsOf(ended); got != nil {
		t.Errorf("got %q", got)
	}
}

func TestLogs(t *testing.T) {
	for want, lines := range map[string][]string{
		"":                 {"listening on :80", "no space: fine", "device ok"},
		"logs.no-space":    {"write /x: No space left on device"},
		"logs.open-files":  {"accept: too many open files", "Error: EMFILE: x"},
		"logs.no-memory":   {"java.lang.OutOfMemoryError: Java heap space"},
		"logs.no-threads":  {"java.lang.Error: unable to create native thread"},
		"logs.exec-format": {"exec /app: exec format error"},
	} {
		found := said("a", "p-a-1", append([]string{"begun"}, lines...))
		if got := ids(found); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		for _, f := range found {
			if !slices.Equal(f.Lines, lines) {
				t.Errorf("%s shows %q", want, f.Lines)
			}
		}
	}
	many := said("a", "p-a-1", []string{
		"EMFILE: a", "write /x/1: no space left on device", "write /x/2: no space left on device",
		"ENOSPC", "ENOSPC: b",
		"ENOSPC: c", "write /x/31: no space left on device",
	})
	want := []string{"3× write /x/31: no space left on device", "ENOSPC", "ENOSPC: b"}
	if ids(many) != "logs.no-space logs.open-files" || !slices.Equal(many[0].Lines, want) {
		t.Errorf("of many: %q, %q", ids(many), many[0].Lines)
	}
}
