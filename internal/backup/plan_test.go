package backup

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/volume"

	"github.com/25eloquence/compose-mage/internal/composetest"
	"github.com/25eloquence/compose-mage/internal/extension"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/golden"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// one is a container of the project shop that runs.
func one(service string, mounts ...string) Container {
	c := Container{InspectResponse: moby.InspectResponse{
		ID: service + "-id", Name: "/shop-" + service + "-1", State: &moby.State{Running: true},
		Config: &moby.Config{Image: "shop/" + service, Labels: map[string]string{
			"com.docker.compose.project": "shop", "com.docker.compose.service": service,
		}},
	}}
	for _, m := range mounts {
		name, readOnly := strings.CutSuffix(m, ":ro")
		c.Mounts = append(c.Mounts, moby.MountPoint{Name: name, RW: !readOnly})
	}
	return c
}

func engineVolumes(names ...string) []volume.Volume {
	var out []volume.Volume
	for _, name := range names {
		name, cache := strings.CutSuffix(name, ":cache")
		v := volume.Volume{Name: name, Driver: "local", Mountpoint: "/v/" + name, Labels: map[string]string{}}
		if cache {
			v.Labels[extension.HoldsLabel] = "cache"
		}
		out = append(out, v)
	}
	return out
}

func readable(volume.Volume) string { return "" }

const shop = `
name: shop
services:
  db: {image: postgres, volumes: ["db:/d"]}
  cache: {image: redis, volumes: ["cache:/d", "both:/b"]}
  api: {image: api, volumes: ["both:/b", "/srv/src:/src"], depends_on: [db, cache], x-compose-mage: {backup: stop}}
  web: {image: web, volumes: ["both:/b", "static:/s:ro", "/anonymous"], depends_on: [api],
    x-compose-mage: {backup: stop}}
  own: {image: own, volumes: ["own:/d"], x-compose-mage: {backup: {before: [/flush, now], after: [/go]}}}
  dumps: {image: mariadb, volumes: ["dumped:/d"], x-compose-mage: {backup: dump}}
  rest: {image: rest, volumes: ["unmade:/u", "filled:/f", "left:/l"]}
  loose: {image: x, volumes: ["loose:/d"], x-compose-mage: {backup: none}}
volumes:
  db: {}
  cache: {}
  both: {}
  static: {}
  own: {}
  dumped: {}
  loose: {}
  unmade: {}
  filled: {labels: {com.25eloquence.volume: cache}}
  left: {x-compose-mage: {backup: false}}
`

func seenShop(t *testing.T) Seen {
	db := one("db", "shop_db")
	db.Processes = []string{"postgres", "postgres"}
	stopped := one("loose", "shop_loose")
	stopped.State.Running = false
	reader := one("web", "shop_both", "shop_static:ro")
	dumps := one("dumps", "shop_dumped")
	dumps.Config.Image = "mariadb:11"
	other := one("x", "shop_static")
	other.Name, other.Config.Labels = "/somebody", nil
	return Seen{
		Project: composetest.Load(t, shop),
		Volumes: engineVolumes("shop_db", "shop_cache", "shop_both", "shop_static", "shop_own", "shop_dumped",
			"shop_loose",
			"shop_filled:cache", "shop_left"),
		Containers: []Container{
			one("api", "shop_both"), db, one("cache", "shop_cache", "shop_both"), reader, one("own", "shop_own"),
			stopped,
			dumps, other,
		},
		Readable: readable,
	}
}

// printed is what a person sees of the plan.
func printed(p Plan) string {
	var b bytes.Buffer
	p.Print(ui.New(&b))
	return b.String()
}

// TestPlan has a project with one service of each kind: who is stopped comes before those it depends on.
func TestPlan(t *testing.T) {
	p, err := Decide(seenShop(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	p.Repository = "/mnt/backup"
	golden.Check(t, "plan.txt", printed(p))
}

func TestCachesByName(t *testing.T) {
	for _, name := range []string{"filled", "shop_filled"} {
		p, err := Decide(seenShop(t), []string{name})
		if err != nil || !slices.ContainsFunc(p.Volumes, func(v Volume) bool { return v.Key == "filled" }) {
			t.Errorf("%s: %v, %v", name, p.Volumes, err)
		}
	}
	_, err := Decide(seenShop(t), []string{"filed"})
	var f *fault.Error
	if !errors.As(err, &f) || f.Code != fault.Usage || !strings.Contains(err.Error(), `did you mean "filled"`) {
		t.Errorf("got %v", err)
	}
}

// TestRefusals: what can't be saved as it is asked for is an error, and never left out in silence.
func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Seen)
		want   string
	}{
		"dump of a stopped service": {func(s *Seen) {
			s.Containers[6].State.Running = false
		}, `"dumps": it is to give a dump`},
		"dump without a recipe": {func(s *Seen) {
			s.Containers[6].Processes = []string{"sleep"}
		}, "no recipe is known"},
		"nothing": {func(s *Seen) { s.Volumes, s.Containers = nil, nil }, "there is nothing to save"},
	} {
		seen := seenShop(t)
		c.change(&seen)
		if _, err := Decide(seen, nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// TestHelper: one volume that can't be read here has a container read them all; one that stays out does not.
func TestHelper(t *testing.T) {
	for name, want := range map[string]string{"shop_own": "the engine's files are root's", "shop_left": ""} {
		seen := seenShop(t)
		seen.Readable = func(v volume.Volume) string {
			if v.Name == name {
				return "the engine's files are root's"
			}
			return ""
		}
		p, err := Decide(seen, nil)
		if err != nil || p.Helper != want || strings.Contains(printed(p), "a container reads them") != (want != "") {
			t.Errorf("%s: %v, %q\n%s", name, err, p.Helper, printed(p))
		}
	}
}

// TestOwnWordWins: the Compose file's commands take the place of a recipe's.
func TestOwnWordWins(t *testing.T) {
	seen := Seen{
		Project: composetest.Load(t, "name: shop\nservices: {redis: {image: r, volumes: ['data:/d'], x-compose-mage: "+
			"{backup: {before: [/mine]}}}}\nvolumes: {data: {}}"),
		Volumes: engineVolumes("shop_data"), Containers: []Container{one("redis", "shop_data")}, Readable: readable,
	}
	p, err := Decide(seen, nil)
	if err != nil || len(p.Users) != 1 || !slices.Equal(p.Users[0].Before, []string{"/mine"}) ||
		p.Users[0].Recipe != "" {
		t.Errorf("%+v, %v", p.Users, err)
	}
}

// TestWhoStandsStill: a container that only reads, is stopped or paused writes nothing.
func TestWhoStandsStill(t *testing.T) {
	seen := Seen{
		Project: composetest.Load(t, "name: shop\nservices: {a: {image: a}, b: {image: b}, c: {image: c, volumes: "+
			"['data:/d']}}\nvolumes: {data: {}}"),
		Volumes: engineVolumes("shop_data"), Readable: readable,
		Containers: []Container{one("a", "shop_data:ro"), one("b", "shop_data"), one("c", "shop_data")},
	}
	seen.Containers[1].State.Paused = true
	p, err := Decide(seen, nil)
	if err != nil || len(p.Users) != 1 || p.Users[0].Service != "c" {
		t.Errorf("%+v, %v", p.Users, err)
	}
}

func TestRecipeOf(t *testing.T) {
	for name, c := range map[string]struct {
		image     string
		processes []string
		want      string
	}{
		"by its program":              {"mine", []string{"sh", "redis-server"}, "redis"},
		"the program before the name": {"redis", []string{"postgres"}, "postgres"},
		"another program":             {"redis", []string{"sleep"}, ""},
		"by its image":                {"docker.io/library/postgres:16-alpine", nil, "postgres"},
		"by a word of its image":      {"ghcr.io/x/my-mariadb@sha256:0123", nil, "mysql"},
		"a registry's name is none":   {"redis.example.com:5000/web:1", nil, ""},
		"part of a word is none":      {"predisposed", nil, ""},
	} {
		r, ok := recipeOf(Container{
			InspectResponse: moby.InspectResponse{Config: &moby.Config{Image: c.image}}, Processes: c.processes,
		})
		if r.name != c.want || ok != (c.want != "") {
			t.Errorf("%s: got %q", name, r.name)
		}
	}
}

// TestRoom: containers stand still between two checks, and never for as long as the shortest timeout.
func TestRoom(t *testing.T) {
	now := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	in := func(d, timeout time.Duration) check { return check{now.Add(d), timeout, time.Minute} }
	for name, c := range map[string]struct {
		checks []check
		want   time.Duration
	}{
		"no check":        {nil, 3 * time.Second},
		"far away":        {[]check{in(time.Minute, 30*time.Second)}, 3 * time.Second},
		"a short timeout": {[]check{in(time.Minute, 2*time.Second)}, 1500 * time.Millisecond},
		"soon":            {[]check{in(time.Second, 30*time.Second)}, 800 * time.Millisecond},
		"at once":         {[]check{in(100*time.Millisecond, 30*time.Second)}, 0},
		"under way":       {[]check{in(-time.Second, 3*time.Second)}, 0},
		"given up":        {[]check{in(-time.Minute, 3*time.Second)}, 3 * time.Second},
		"the shortest of them": {
			[]check{in(time.Minute, time.Second), in(2*time.Second, time.Minute)}, 750 * time.Millisecond,
		},
	} {
		if got := room(c.checks, now, 3*time.Second); got != c.want {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
	}
}

func TestDependantsFirst(t *testing.T) {
	order := strings.Join(DependantsFirst(composetest.Load(t, "services: {db: {image: a}, web: {image: a, depends_on: "+
		"[api]}, api: {image: a, depends_on: [db]}}")), " ")
	if order != "web api db" {
		t.Errorf("got %s", order)
	}
}

// TestMost: a moment is not waited for that can't come.
func TestMost(t *testing.T) {
	for name, c := range map[string]struct {
		checks []check
		want   time.Duration
	}{
		"no check":         {nil, 3 * time.Second},
		"seldom":           {[]check{{timeout: time.Minute, every: time.Minute}}, 3 * time.Second},
		"a short timeout":  {[]check{{timeout: 2 * time.Second, every: time.Minute}}, 1500 * time.Millisecond},
		"a short interval": {[]check{{timeout: time.Minute, every: 2200 * time.Millisecond}}, 1500 * time.Millisecond},
	} {
		if got := most(c.checks, 3*time.Second); got != c.want {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
	}
}
