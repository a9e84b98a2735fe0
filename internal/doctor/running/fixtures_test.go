package running

import (
	"strings"
	"testing"
	"time"

	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/image"
	"github.com/moby/moby/api/types/system"
	"github.com/moby/moby/api/types/volume"

	"github.com/25eloquence/compose-mage/internal/composetest"
	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/diskspace"
	"github.com/25eloquence/compose-mage/internal/doctor/check"
	"github.com/25eloquence/compose-mage/internal/doctor/fixture"
	"github.com/25eloquence/compose-mage/internal/monitor"
	"github.com/25eloquence/compose-mage/internal/recreate"
)

// TestRulesHaveFixtures holds each rule against what it finds and the nearest that it does not.
func TestRulesHaveFixtures(t *testing.T) {
	plain := func(*container.Replica) {}
	fixtures := map[string]fixture.Fixture{}
	// containers holds a rule of containers against two looks.
	containers := func(id string, fires, silent look) {
		for _, r := range containerRules {
			if r.ID == id {
				fixtures[id] = fixture.Of(r.look(fires), r.look(silent))
			}
		}
	}
	with := func(c func(*container.Replica), l func(*look)) look { return seen(replica(c), l) }
	none := func(*look) {}
	checked := func(took time.Duration) func(*container.Replica) {
		return func(c *container.Replica) { c.State.Health = &moby.Health{Status: moby.Healthy, Log: checks(5, took)} }
	}
	ill := func(streak int) func(*container.Replica) {
		return func(c *container.Replica) {
			c.State.Health = &moby.Health{Status: moby.Unhealthy, FailingStreak: streak, Log: checks(1, 0)}
			c.Config.Healthcheck.Interval = 10 * time.Second
		}
	}
	written := func(n int64) func(*look) { return func(l *look) { l.Written["id"] = n } }
	containers("image.stale", with(func(c *container.Replica) { c.Image = "sha256:0" }, none), with(plain, none))
	containers("image.architecture", with(plain, func(l *look) { l.Info.Architecture = "aarch64" }), with(plain, none))
	containers("health.slow", with(checked(3*time.Second), none), with(checked(2*time.Second), none))
	containers("health.stuck", with(ill(6), none), with(ill(5), none))
	containers("disk.layer", with(plain, written(1<<30)), with(plain, written(1<<30-1)))

	stopped := func(end container.End) look {
		r := ended(end)
		r.Verdict = container.Opinion{Condition: container.Running, Fine: true, Last: &end}
		return look{rows: []monitor.Replica{r}}
	}
	fixtures[stopKilled] = fixture.Of(
		stopKills(stopped(container.End{Cause: container.StopTimeout, Code: 137, Grace: 10})),
		stopKills(stopped(container.End{Cause: container.KilledByHand, Code: 137})))
	drift := func(recreated bool) []check.Finding {
		return drifted(with(plain, none), recreate.Changes{
			Services: map[string]recreate.Change{"a": {Why: "so", Recreate: recreated, Start: !recreated}},
		})
	}
	fixtures["service.drift"] = fixture.Of(drift(true), drift(false))

	fine := system.Info{Driver: "overlay2"}
	fixtures["engine.storage"] = fixture.Of(engineFindings(system.Info{Driver: "vfs"}, 0), engineFindings(fine, 0))
	fixtures["engine.clock"] = fixture.Of(engineFindings(fine, 6*time.Second), engineFindings(fine, 5*time.Second))
	fixtures["engine.warning"] = fixture.Of(
		engineFindings(system.Info{Warnings: []string{"WARNING: No swap limit support"}}, 0), engineFindings(fine, 0))
	fixtures["memory.host"] = fixture.Of(hostMemory("MemTotal: 1000 kB\nMemAvailable: 99 kB\n", "", nil),
		hostMemory("MemTotal: 1000 kB\nMemAvailable: 100 kB\n", "", nil))
	images := map[string]string{"s": "elasticsearch:9", "r": "redis:8"}
	fixtures["memory.maps"] = fixture.Of(kernelSettings(images, "262143", "1"), kernelSettings(images, "262144", "1"))
	fixtures["memory.overcommit"] = fixture.Of(kernelSettings(images, "262144", "0"),
		kernelSettings(images, "262144", "1"))
	fixtures["disk.inodes"] = fixture.Of(inodes("/", 99, 1000), inodes("/", 100, 1000))
	fixtures["disk.tmpfs"] = fixture.Of(tmpfs("a", "a-1", "/tmp", diskspace.Space{Free: 99, Total: 1000}),
		tmpfs("a", "a-1", "/tmp", diskspace.Space{Free: 100, Total: 1000}))
	for id, line := range map[string]string{
		"logs.no-space": "write /x: no space left on device", "logs.open-files": "accept: too many open files",
		"logs.no-memory":   "fork: Cannot allocate memory",
		"logs.no-threads":  "java.lang.Error: unable to create native thread",
		"logs.exec-format": "exec /app: exec format error",
	} {
		fixtures[id] = fixture.Of(said("a", "a-1", []string{line}), said("a", "a-1", []string{"ready", "no errors"}))
	}

	layer := func(by string, size int64) []check.Finding {
		return wasted("a", []image.HistoryResponseItem{{CreatedBy: by, Size: size}})
	}
	const owned = "RUN /bin/sh -c chown -R app /srv # buildkit"
	fixtures["image.waste"] = fixture.Of(layer(owned, wastedBytes), layer(owned, wastedBytes-1))
	cache := func(n int64) []check.Finding {
		return unusedCache("tcp://b:1", monitor.Disk{BuildCache: monitor.DiskUse{Reclaimable: n}})
	}
	fixtures["cache.unused"] = fixture.Of(cache(muchCache), cache(muchCache-1))
	now := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	old := func(age time.Duration) []check.Finding {
		return leftVolumes([]volume.Volume{{
			Name: strings.Repeat("0a", 32), CreatedAt: now.Add(-age).Format(time.RFC3339),
		}}, now)
	}
	fixtures["volume.left"] = fixture.Of(old(leftFor+time.Hour), old(leftFor-time.Hour))
	p := composetest.Load(t, "services: {a: {image: x}}\n")
	fixtures["network.mtu"] = fixture.Of(largePackets(p, "eth0", 1450), largePackets(p, "eth0", 1500))

	var rules []check.Rule
	for _, c := range Checks() {
		rules = append(rules, c.Rules...)
	}
	fixture.Hold(t, rules, fixtures)
}

func TestWasted(t *testing.T) {
	for by, want := range map[string]string{
		"RUN /bin/sh -c chown -R app:app /srv /data # buildkit": "chown -R app:app /srv /data made a " +
			"layer of 20MiB",
		"/bin/sh -c chmod --recursive 755 /srv": "chmod --recursive 755 /srv made a " +
			"layer of 20MiB",
		"RUN |2 A=1 B=2 /bin/sh -c chown -Rh app /srv # buildkit": "chown -Rh app /srv made a layer of " +
			"20MiB",
		"RUN /bin/bash -ec chmod -R g+w /srv": "chmod -R g+w /srv made a layer of " +
			"20MiB",
		"RUN /bin/sh -c npm ci && chown -R app /srv # buildkit":                "",
		"RUN /bin/sh -c chown -R app /srv && npm ci # buildkit":                "",
		"COPY --chown=app . /srv # buildkit":                                   "",
		"RUN /bin/sh -c chmod +x /srv/run # buildkit":                          "",
		"CMD [\"chown\" \"-R\" \"app\" \"/srv\"]":                              "",
		"RUN /bin/sh -c find / -name x -exec chown -R app {} ';' # buildkit":   "",
		"RUN /bin/sh -c curl -o /x https://a/chown -R | tar x -C / # buildkit": "",
	} {
		got := ""
		for _, f := range wasted("a", []image.HistoryResponseItem{{CreatedBy: by, Size: wastedBytes}}) {
			got += f.Evidence
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", by, got, want)
		}
	}
}

func TestLeftVolumes(t *testing.T) {
	now := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	before := now.Add(-30 * 24 * time.Hour).Format(time.RFC3339)
	if got := leftVolumes([]volume.Volume{
		{Name: "shop_data", CreatedAt: before}, {Name: strings.Repeat("a", 64), CreatedAt: "never"},
	}, now); got != nil {
		t.Errorf("one has a name, and of one nobody knows the age: %+v", got)
	}
}

func TestUplink(t *testing.T) {
	const head = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
	for routes, want := range map[string]string{
		head + "docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n" +
			"eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n": "eth0",
		head: "", "": "",
		head + "tun0\t00000000\t010200C0\t0003\t0\t0\t0\t00000080\t0\t0\t0\n": "",
	} {
		if got := uplink(routes); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestLargePackets(t *testing.T) {
	const text = "services: {a: {image: x, networks: [set, high, out, own, inside, far]}}\nnetworks:\n" +
		"  set: {driver_opts: {com.docker.network.driver.mtu: 1400}}\n" +
		"  high: {driver: bridge, driver_opts: {com.docker.network.driver.mtu: 9000}}\n" +
		"  out: {external: true}\n  own: {driver: macvlan}\n  inside: {internal: true}\n  far: {driver: overlay}\n"
	found := largePackets(composetest.Load(t, text), "wg0", 1420)
	if len(found) != 1 || found[0].Evidence != "packets of high are larger than the 1420 bytes that wg0 takes" {
		t.Errorf("%+v", found)
	}
}
