package cleanup

import (
	"testing"
	"time"

	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/image"
	"github.com/moby/moby/api/types/network"

	"github.com/25eloquence/compose-mage/internal/builds"
	"github.com/25eloquence/compose-mage/internal/container"
)

// TestNormalise gives references in full, and nothing for what is none.
func TestNormalise(t *testing.T) {
	const digest = "@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	for ref, want := range map[string]string{
		"redis": "docker.io/library/redis:latest", "redis:8": "docker.io/library/redis:8",
		"ghcr.io/x/y":    "ghcr.io/x/y:latest",
		"redis" + digest: "docker.io/library/redis" + digest, "redis:8" + digest: "docker.io/library/redis" + digest,
		"": "", "UPPER": "", "<none>:<none>": "",
	} {
		if got := normalise(ref); got != want {
			t.Errorf("%q: got %q, want %q", ref, got, want)
		}
	}
}

// TestByCompose: a label that the image has too says nothing of who made a container.
func TestByCompose(t *testing.T) {
	committed := image.Summary{ID: "sha256:committed", Labels: map[string]string{container.ConfigHashLabel: "0123"}}
	d := decision{seen: observed{every: []image.Summary{committed, {ID: "sha256:plain"}}}}
	for name, c := range map[string]struct {
		image  string
		labels map[string]string
		want   bool
	}{
		"by Compose":                {"sha256:plain", map[string]string{container.ConfigHashLabel: "0123"}, true},
		"a hook's":                  {"sha256:plain", map[string]string{container.HookLabel: "pre_start"}, true},
		"by hand":                   {"sha256:plain", nil, false},
		"by hand, of a container's": {"sha256:committed", map[string]string{container.ConfigHashLabel: "0123"}, false},
		"by Compose, of such a one": {"sha256:committed", map[string]string{container.ConfigHashLabel: "4567"}, true},
		"its image is gone":         {"sha256:gone", map[string]string{container.ConfigHashLabel: "0123"}, false},
	} {
		if got := d.byCompose(moby.Summary{ImageID: c.image, Labels: c.labels}); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestNamesAndSizes(t *testing.T) {
	for want, got := range map[string]string{
		"web":          containerName(moby.Summary{Names: []string{"/web"}}),
		"0123456789ab": containerName(moby.Summary{ID: "0123456789abcdef"}),
		"0123":         short("sha256:0123"),
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	for want, img := range map[int64]image.Summary{
		70: {Size: 100, SharedSize: 30}, 99: {Size: 99, SharedSize: -1}, 98: {Size: 98},
	} {
		if got := unique(img); got != want {
			t.Errorf("got %d bytes of its own, want %d", got, want)
		}
	}
	for state, want := range map[moby.ContainerState]bool{
		moby.StateRunning: true, moby.StatePaused: true, moby.StateRestarting: true, moby.StateRemoving: true,
		moby.StateExited: false, moby.StateCreated: false, moby.StateDead: false,
	} {
		if active(state) != want {
			t.Errorf("%s is active: %v", state, !want)
		}
	}
}

// TestNobodysNetworks: what the engine or Swarm made is never considered.
func TestNobodysNetworks(t *testing.T) {
	named := func(name, scope string) network.Summary {
		return network.Summary{Network: network.Network{Name: name, Scope: scope}}
	}
	ingress, config := named("x", "local"), named("x", "local")
	ingress.Ingress, config.ConfigOnly = true, true
	for _, n := range []network.Summary{
		named("bridge", "local"), named("host", "local"), named("none", "local"), named("x", "swarm"), ingress, config,
	} {
		if !builtIn(n) {
			t.Errorf("%+v may go", n)
		}
	}
	if builtIn(named("shop_default", "local")) {
		t.Error("a project's network never goes")
	}
	on := moby.Summary{NetworkSettings: &moby.NetworkSettingsSummary{Networks: map[string]*network.EndpointSettings{
		"by-name": nil, "renamed": {NetworkID: "n1"},
	}}}
	for id, want := range map[[2]string]bool{
		{"n9", "by-name"}: true, {"n1", "other"}: true, {"n9", "other"}: false, {"", "other"}: false,
	} {
		if got := onNetwork(on, id[0], id[1]); got != want {
			t.Errorf("on %v: %v", id, got)
		}
	}
	if onNetwork(moby.Summary{}, "n1", "x") {
		t.Error("a container without networks is on one")
	}
}

// TestLost: a record goes when the engine has had time to load its image and does not have it, in no list.
func TestLost(t *testing.T) {
	old, fresh := now.Add(-2*time.Hour), now.Add(-time.Minute)
	d := decision{seen: observed{
		now: now, images: []image.Summary{{ID: "listed"}}, every: []image.Summary{{ID: "hidden"}},
		records: []builds.Record{
			{ID: "listed", Built: old},
			{ID: "hidden", Built: old},
			{ID: "gone", Built: old},
			{ID: "loading", Built: fresh},
			{ID: "an hour", Built: now.Add(-aboutToLoad)},
		},
	}}
	if got := d.recordsWithoutImage(); len(got) != 1 || got[0] != "gone" {
		t.Errorf("got %v", got)
	}
}

// TestAFreshContainerStays until it is ten minutes old: somebody may be starting it.
func TestAFreshContainerStays(t *testing.T) {
	d := decision{
		seen:  observed{now: now, every: []image.Summary{{ID: "i"}}},
		names: model{services: map[string]bool{}}, plan: Plan{Project: "coach", Scope: Project},
	}
	for age, want := range map[time.Duration]bool{
		time.Minute: true, aboutToStart - time.Second: true, aboutToStart: false, time.Hour: false,
	} {
		c := box("c", moby.StateCreated, "i", labels("coach", "gone"))
		c.Created = now.Add(-age).Unix()
		if _, stays := d.containerStays(c); stays != want {
			t.Errorf("created %s ago, it stays: %v", age, stays)
		}
	}
}
