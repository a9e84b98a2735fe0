package orphan

import (
	"bytes"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/compose/v5/pkg/api"
	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"

	"github.com/25eloquence/compose-mage/internal/compose"
	"github.com/25eloquence/compose-mage/internal/ui"
)

func TestOrphansAreOfServicesThatTheModelLacks(t *testing.T) {
	project := &types.Project{
		Name: "p", Services: types.Services{"web": {Name: "web"}},
		DisabledServices: types.Services{"debug": {Name: "debug"}},
	}
	made := func(name, service, oneOff string, state moby.ContainerState, volumes ...string) moby.Summary {
		c := moby.Summary{
			ID:     name,
			Names:  []string{"/" + name},
			State:  state,
			Labels: map[string]string{api.ServiceLabel: service, api.OneoffLabel: oneOff},
		}
		for _, v := range volumes {
			c.Mounts = append(c.Mounts, moby.MountPoint{Type: mount.TypeVolume, Name: v})
		}
		return c
	}
	nameless := strings.Repeat("0f", 32)
	got := Among([]moby.Summary{
		made("p-web-1", "web", "False", "running"), made("p-debug-1", "debug", "False", "running"),
		made("p-old-2", "old", "False", "running", "p_data", nameless), made("p-old-1", "old", "False", "exited"),
		made("p-old-run-1", "old", "True", "running"),
	}, project)
	if len(got) != 2 || got[0].Container != "p-old-1" || got[1].Container != "p-old-2" || len(got[1].anonymous) != 1 ||
		got[1].anonymous[0] != nameless {
		t.Fatalf("orphans %+v", got)
	}
	var b bytes.Buffer
	Warn(ui.New(&b), got)
	want := " ! 2 containers are left of services that the Compose files no longer have: old (p-old-1, exited), old " +
		"(p-old-2, running)\n" +
		"     next: go tool mage start -remove-orphans\n"
	if b.String() != want {
		t.Errorf("got %q, want %q", b.String(), want)
	}
}

func TestPolicy(t *testing.T) {
	yes, no := true, false
	for name, c := range map[string]struct {
		settings compose.Settings
		option   *bool
		want     Policy
		fails    bool
	}{
		"neither":              {},
		"variable":             {settings: compose.Settings{RemoveOrphans: true}, want: Policy{Remove: true}},
		"option":               {option: &yes, want: Policy{Remove: true}},
		"option over variable": {settings: compose.Settings{RemoveOrphans: true}, option: &no},
		"ignored":              {settings: compose.Settings{IgnoreOrphans: true}, want: Policy{Ignore: true}},
		"ignored, but removed": {settings: compose.Settings{IgnoreOrphans: true}, option: &yes, fails: true},
		"both by variable":     {settings: compose.Settings{IgnoreOrphans: true, RemoveOrphans: true}, fails: true},
		"both, option says not": {
			settings: compose.Settings{IgnoreOrphans: true, RemoveOrphans: true}, option: &no,
			want: Policy{Ignore: true},
		},
	} {
		if got, err := ReadPolicy(c.settings, c.option); (err != nil) != c.fails || !c.fails && got != c.want {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
}
