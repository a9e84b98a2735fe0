package cleanup

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/image"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/volume"

	"github.com/25eloquence/compose-mage/internal/builds"
	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/extension"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/golden"
	"github.com/25eloquence/compose-mage/internal/ui"
)

var now = time.Unix(1_763_985_600, 0)

func coach() *types.Project {
	return &types.Project{
		Name: "coach",
		Services: types.Services{
			"redis": {Name: "redis", ContainerSpec: types.ContainerSpec{Image: "coach/redis:latest"}},
			"api":   {Name: "api"}, // names no image: Compose calls it coach-api
		},
		DisabledServices: types.Services{
			"agent": {Name: "agent", ContainerSpec: types.ContainerSpec{Image: "coach/agent:latest"}},
		},
		Networks: types.Networks{"default": {Name: "coach_default"}},
	}
}

func labels(project, service string, more ...string) map[string]string {
	l := map[string]string{}
	for i, v := range []string{project, service} {
		if v != "" {
			l[[]string{container.ProjectLabel, container.ServiceLabel}[i]] = v
		}
	}
	for i := 0; i < len(more); i += 2 {
		l[more[i]] = more[i+1]
	}
	return l
}

// box is a container that Compose made, where it has a service.
func box(name string, state moby.ContainerState, imageID string, l map[string]string) moby.Summary {
	if l[container.ServiceLabel] != "" {
		l[container.ConfigHashLabel] = "0123"
	}
	return moby.Summary{
		ID: "id-" + name, Names: []string{"/" + name}, State: state, ImageID: imageID, Labels: l, SizeRw: 1 << 20,
		Created: now.Add(-time.Hour).Unix(),
	}
}

func picture(id string, size int64, l map[string]string, tags ...string) image.Summary {
	return image.Summary{ID: "sha256:" + id, Size: size, SharedSize: size / 2, Labels: l, RepoTags: tags}
}

const here = "/src/coach"

// recorded says that a build in dir made the image and gave it these names.
func recorded(id, dir, service string, names ...string) builds.Record {
	r := builds.Record{ID: "sha256:" + id, Dir: dir, Service: service, Built: now.Add(-2 * time.Hour)}
	for _, name := range names {
		r.Names = append(r.Names, normalise(name))
	}
	return r
}

func vol(name, key, project, holds string, size int64) volume.Volume {
	return volume.Volume{
		Name: name, Labels: labels(project, "", container.VolumeLabel, key, extension.HoldsLabel, holds),
		UsageData: &volume.UsageData{Size: size},
	}
}

func grid(name, project string) network.Summary {
	return network.Summary{Network: network.Network{ID: "n-" + name, Name: name, Labels: labels(project, "")}}
}

// host is an engine with two projects and things of nobody on it.
func host() observed {
	fresh := box("coach-agent-new", moby.StateCreated, "sha256:agent", labels("coach", "agent"))
	fresh.Created = now.Add(-time.Minute).Unix()
	onOld := box("coach-gone-1", moby.StateExited, "sha256:old1", labels("coach", "gone"))
	onOld.NetworkSettings = &moby.NetworkSettingsSummary{
		Networks: map[string]*network.EndpointSettings{"coach_old": {}},
	}
	redis := box("coach-redis-1", moby.StateRunning, "sha256:redis-before",
		labels("coach", "redis", container.OneOffLabel, "False"))
	redis.Mounts = []moby.MountPoint{{Name: "coach_redis-data"}}
	redis.NetworkSettings = &moby.NetworkSettingsSummary{
		Networks: map[string]*network.EndpointSettings{"coach_extra": {}},
	}
	byDigest := picture("base", 100<<20, nil)
	byDigest.RepoDigests = []string{"debian@sha256:0123"}
	seen := observed{
		now: now, folder: here,
		containers: []moby.Summary{
			redis, fresh, onOld,
			box("coach-api-1", moby.StateExited, "sha256:api", labels("coach", "api", container.OneOffLabel, "False")),
			box("coach-api-run-1", moby.StateExited, "sha256:api",
				labels("coach", "api", container.OneOffLabel, "True")),
			box("coach-api-run-2", moby.StateRunning, "sha256:api",
				labels("coach", "api", container.OneOffLabel, "True")),
			box("coach-agent-1", moby.StateExited, "sha256:agent", labels("coach", "agent")),
			box("coach-gone-2", moby.StateRunning, "sha256:api", labels("coach", "gone")),
			box("shop-web-1", moby.StateExited, "sha256:shop", labels("shop", "web")),
			box("shop-old-1", moby.StateExited, "sha256:shop",
				labels("shop", "dropped", container.OneOffLabel, "True")),
			box("lonely", moby.StateDead, "sha256:x", nil),
		},
		images: []image.Summary{
			picture("redis-now", 40<<20, labels("coach", ""), "coach/redis:latest"),
			picture("redis-before", 40<<20, labels("coach", "")), // still run
			picture("redis-oldest", 44<<20, labels("coach", ""), "<none>:<none>"),
			picture("redis-v1", 41<<20, labels("coach", ""), "coach/redis:v1"),
			picture("redis-v2", 42<<20, labels("coach", ""), "coach/redis:v2"),
			picture("redis-v3", 43<<20, labels("coach", ""), "coach/redis:v3", "coach/redis:stable"),
			picture("redis-v4", 44<<20, labels("coach", ""), "coach/redis:v4"),
			// the second name by hand
			picture("redis-kept", 45<<20, labels("coach", ""), "coach/redis:v0", "coach/redis:before-the-move"),
			// docker commit
			picture("redis-commit", 46<<20, labels("coach", ""), "coach/redis:debug"),
			// without a name
			picture("c0ffee", 47<<20, labels("coach", "")),
			// of another checkout
			picture("elsewhere", 48<<20, labels("coach", ""), "coach/redis:v0-elsewhere"),
			picture("api", 30<<20, labels("coach", ""), "coach-api:latest"),
			picture("agent", 30<<20, labels("coach", ""), "coach/agent:latest"), // of a profile that is not active
			picture("old1", 30<<20, labels("coach", "")),                        // used only by a container that goes
			picture("child", 60<<20, labels("coach", ""), "shop/cache:latest"),  // built on ours, label inherited
			picture("shop", 50<<20, labels("shop", "")),
			picture("shop-dangling", 50<<20, labels("shop", "")),
			picture("dangling", 10<<20, nil, "<none>:<none>"),
			picture("tagged", 10<<20, nil, "debian:bookworm"),
			byDigest,
		},
		networks: []network.Summary{
			grid("coach_default", "coach"), grid("coach_old", "coach"), grid("coach_extra", "coach"),
			grid("shop_default", "shop"), grid("nobodys", ""),
		},
		volumes: []volume.Volume{
			vol("coach_redis-data", "redis-data", "coach", "data", 5<<20),
			vol("coach_tts-cache", "tts-cache", "coach", "cache", 9<<20),
			vol("shop_db", "db", "shop", "", 1<<20),
		},
		engineCache: 25 << 30, builderCache: 4 << 30,
		records: []builds.Record{
			recorded("redis-now", here, "redis", "coach/redis:latest"),
			recorded("redis-v4", here, "redis", "coach/redis:v4", "coach/redis:latest"),
			recorded("redis-v3", here, "redis", "coach/redis:v3", "coach/redis:stable"),
			recorded("redis-v2", here, "redis", "coach/redis:v2"),
			recorded("redis-v1", here, "redis", "coach/redis:v1"),
			recorded("redis-kept", here, "redis", "coach/redis:v0"),
			recorded("redis-before", here, "redis", "coach/redis:latest"),
			recorded("redis-oldest", here, "redis", "coach/redis:latest"),
			recorded("old1", here, "gone", "coach-gone:latest"),
			recorded("elsewhere", "/src/other", "redis", "coach/redis:v0-elsewhere"),
			recorded("shop", "/src/shop", "web", "shop-web:latest"),
			recorded("no-longer-there", here, "redis", "coach/redis:v-1"),
		},
	}
	return withImages(seen)
}

// withImages has the engine list the images of the containers too, as it hides none of them here.
func withImages(seen observed) observed {
	seen.every = slices.Clone(seen.images)
	for _, c := range seen.containers {
		if !slices.ContainsFunc(seen.every, func(i image.Summary) bool { return i.ID == c.ImageID }) {
			seen.every = append(seen.every, image.Summary{ID: c.ImageID})
		}
	}
	return seen
}

func TestPlans(t *testing.T) {
	for name, c := range map[string]struct {
		seen observed
		opts Options
	}{
		"project.txt": {host(), Options{Scope: Project}},
		"project-named.txt": {
			host(),
			Options{
				Scope: Project, Volumes: []string{"tts-cache"},
				Images: []string{"c0ff", "coach/redis:stable", "coach/redis:debug"},
			},
		},
		"host.txt":          {host(), Options{Scope: Host, CacheBudget: -1}},
		"nothing.txt":       {observed{now: now, builderCache: -1}, Options{Scope: Project}},
		"state-deleted.txt": {func() observed { h := host(); h.records = nil; return h }(), Options{Scope: Project}},
		"only-named.txt":    {observed{now: now, builderCache: -1, images: host().images[:1]}, Options{Scope: Project}},
	} {
		t.Run(name, func(t *testing.T) {
			plan, err := decide(c.seen, coach(), c.opts)
			if err != nil {
				t.Fatal(err)
			}
			var b bytes.Buffer
			plan.Print(ui.New(&b))
			golden.Check(t, name, b.String())
		})
	}
}

// TestNothingOfOthersInProjectScope holds for every item, whatever the plan's text.
func TestNothingOfOthersInProjectScope(t *testing.T) {
	for _, volumes := range [][]string{nil, {"tts-cache"}} {
		plan, err := decide(host(), coach(), Options{Scope: Project, Volumes: volumes})
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range plan.Remove {
			if i.Owner != "coach" && i.Kind != EngineCache && i.Kind != BuilderCache {
				t.Errorf("%s %s of %q would go", i.Kind, i.Name, i.Owner)
			}
			if i.Kind == Volume && volumes == nil {
				t.Errorf("volume %s would go unasked", i.Name)
			}
		}
	}
}

func TestNoVolumeGoesUnlessNamed(t *testing.T) {
	plan, err := decide(host(), coach(), Options{Scope: Host, CacheBudget: -1})
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range plan.Remove {
		if i.Kind == Volume {
			t.Errorf("volume %s would go", i.Name)
		}
	}
}

func TestVolumeNames(t *testing.T) {
	for name, want := range map[string]string{
		"tts-cache": "", "coach_tts-cache": "",
		"tts-cahce":  `project "coach" has no volume "tts-cahce" (did you mean "tts-cache"?)`,
		"redis-data": `volume "coach_redis-data" is in use by container "coach-redis-1" (running)`,
		"shop_db":    `volume "shop_db" is not of project "coach": it stays`,
		"db":         `project "coach" has no volume "db"`,
		"":           `project "coach" has no volume ""`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := decide(host(), coach(), Options{Scope: Project, Volumes: []string{name}})
			if want == "" {
				if err != nil {
					t.Errorf("got %v", err)
				}
				return
			}
			var f *fault.Error
			if !errors.As(err, &f) || f.Code != fault.Usage || f.Next == "" ||
				!strings.HasPrefix(err.Error(), want+"\n") {
				t.Errorf("got %v, want %s", err, want)
			}
		})
	}
}

func TestUnknownScope(t *testing.T) {
	_, err := MakePlan(t.Context(), nil, coach(), Options{Scope: "hots"})
	if err == nil || !strings.Contains(err.Error(), `unknown scope "hots" (did you mean "host"?)`) {
		t.Errorf("got %v", err)
	}
}

// TestOnlyLinkToData has stopped containers with volumes, and which of them go. A volume that nobody named is found
// through its containers alone.
func TestOnlyLinkToData(t *testing.T) {
	hex := strings.Repeat("0123456789abcdef", 4)
	withVolume := func(c moby.Summary, name string) moby.Summary {
		c.Mounts = []moby.MountPoint{{Type: mount.TypeVolume, Name: name, Destination: "/data"}}
		return c
	}
	gone := box("coach-gone-1", moby.StateExited, "sha256:x", labels("coach", "gone"))
	oneOff := box("coach-api-run-1", moby.StateExited, "sha256:x",
		labels("coach", "api", container.OneOffLabel, "True"))
	sized := func(name string, size int64, l map[string]string) volume.Volume {
		return volume.Volume{Name: name, Labels: l, UsageData: &volume.UsageData{Size: size}}
	}
	for name, c := range map[string]struct {
		containers []moby.Summary
		volume     volume.Volume
		scope      Scope
		stays      string // a part of why the first container stays; "" where it goes
	}{
		"data": {
			[]moby.Summary{withVolume(gone, hex)}, sized(hex, 5<<20, nil), Project, "it is the only link to volume " +
				hex + " (5MiB); docker rm -v coach-gone-1 removes both",
		},
		"a one-off's data": {
			[]moby.Summary{withVolume(oneOff, hex)}, sized(hex, 5<<20, nil), Project, "only link to volume " + hex,
		},
		"nothing in it": {[]moby.Summary{withVolume(gone, hex)}, sized(hex, 0, nil), Project, ""},
		"size not known": {
			[]moby.Summary{withVolume(gone, hex)}, sized(hex, -1, nil), Project, "(size not known)",
		},
		"not measured": {
			[]moby.Summary{withVolume(gone, hex)}, volume.Volume{Name: hex}, Project, "(size not known)",
		},
		"has a name": {
			[]moby.Summary{withVolume(gone, "coach_data")},
			sized("coach_data", 5<<20, labels("coach", "")), Project,
			"",
		},
		"the engine's label": {
			[]moby.Summary{withVolume(gone, "v")},
			sized("v", 5<<20, map[string]string{labelAnonymous: ""}), Project,
			"only link to volume v (5MiB)",
		},
		"another one stays": {
			[]moby.Summary{
				withVolume(gone, hex),
				withVolume(box("coach-api-1", moby.StateExited, "sha256:x", labels("coach", "api")), hex),
			}, sized(hex, 5<<20, nil), Project, "",
		},
		"another one goes too": {
			[]moby.Summary{withVolume(gone, hex), withVolume(oneOff, hex)},
			sized(hex, 5<<20, nil), Project,
			"only link",
		},
		"of the whole host": {
			[]moby.Summary{withVolume(box("shop-1", moby.StateExited, "sha256:x", labels("shop", "web")), hex)},
			sized(hex, 5<<20, nil), Host, "only link",
		},
		"no longer of use here": {
			[]moby.Summary{
				withVolume(gone, hex),
				withVolume(box("coach-api-1", moby.StateExited, "sha256:x", labels("coach", "api")), hex),
			}, sized(hex, 5<<20, nil), Host, "only link",
		},
	} {
		t.Run(name, func(t *testing.T) {
			seen := withImages(observed{
				now: now, builderCache: -1, containers: c.containers, volumes: []volume.Volume{c.volume},
			})
			plan, err := decide(seen, coach(), Options{Scope: c.scope})
			if err != nil {
				t.Fatal(err)
			}
			is := func(i Item) bool { return i.ID == c.containers[0].ID }
			at := slices.IndexFunc(plan.Keep, is)
			if goes := slices.ContainsFunc(plan.Remove, is); goes != (c.stays == "") || goes == (at >= 0) {
				t.Fatalf("goes: %v\nremoved %+v\nkept %+v", goes, plan.Remove, plan.Keep)
			}
			if at >= 0 && !strings.Contains(plan.Keep[at].Why, c.stays) {
				t.Errorf("it stays as %q, want %q", plan.Keep[at].Why, c.stays)
			}
		})
	}
}

// The caches are every project's: a project's cleanup leaves them, however large they are and however little is to be
// kept.
func TestProjectScopeLeavesTheCaches(t *testing.T) {
	plan, err := decide(observed{now: now, builderCache: 19 << 30, engineCache: 25 << 30}, coach(),
		Options{Scope: Project, CacheBudget: -1})
	if err != nil || len(plan.Remove) > 0 || len(plan.Keep) != 2 {
		t.Errorf("removed %+v, kept %+v, %v", plan.Remove, plan.Keep, err)
	}
}
