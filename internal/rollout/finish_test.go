package rollout

import (
	"strings"
	"testing"

	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"

	"github.com/25eloquence/compose-mage/internal/composetest"
	"github.com/25eloquence/compose-mage/internal/container"
)

// made is a container that replaces another, "" for none.
func made(id, replaces string, running bool) container.Replica {
	return container.Replica{InspectResponse: moby.InspectResponse{
		ID: id, State: &moby.State{Running: running},
		Config:          &moby.Config{Labels: map[string]string{replacesLabel: replaces}},
		NetworkSettings: &moby.NetworkSettings{},
	}}
}

func TestLeftOf(t *testing.T) {
	for name, c := range map[string]struct {
		replicas []container.Replica
		want     string
	}{
		"nothing": {[]container.Replica{made("a", "", true), made("b", "", true)}, ""},
		"a pair": {
			[]container.Replica{made("a", "", true), made("b", "a", true)}, "b for a",
		},
		"the old one is gone": {[]container.Replica{made("b", "gone", true)}, "b alone"},
		"a replacement that is replaced": {
			[]container.Replica{made("b", "gone", true), made("c", "b", true)}, "c for b",
		},
		"two pairs": {
			[]container.Replica{made("a", "", true), made("b", "a", true), made("c", "", true), made("d", "c", true)},
			"b for a, d for c",
		},
		"one alone beside one that is no one": {
			[]container.Replica{made("a", "", true), made("b", "gone", true)}, "b alone",
		},
	} {
		var got []string
		for _, l := range leftOf(c.replicas) {
			if l.old == nil {
				got = append(got, l.fresh.ID+" alone")
			} else {
				got = append(got, l.fresh.ID+" for "+l.old.ID)
			}
		}
		if strings.Join(got, ", ") != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func TestGoesOn(t *testing.T) {
	for name, c := range map[string]struct{ announced, fresh, old, want bool }{
		"it has taken over":                    {true, true, true, true},
		"it has not":                           {false, true, true, false},
		"it has, and has ended":                {true, false, true, false},
		"both have ended":                      {true, false, false, true},
		"it has not, and the old one is ended": {false, true, false, false},
	} {
		if got := goesOn(c.announced, made("b", "a", c.fresh), made("a", "", c.old)); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestReplacement(t *testing.T) {
	if Replacement(moby.Summary{}) || !Replacement(moby.Summary{Labels: map[string]string{replacesLabel: "a"}}) {
		t.Error("a replacement is known by its label")
	}
}

// TestAnnounced: a container is found where it is in all of the service's networks under its name.
func TestAnnounced(t *testing.T) {
	r := &Rollout{Project: composetest.Load(t, `services: {web: {image: x, networks: [one, two]}}
networks: {one: {name: n1}, two: {name: n2}}
`)}
	named, unnamed := &network.EndpointSettings{
		Aliases: []string{"x", "web"},
	}, &network.EndpointSettings{
		Aliases: []string{"x"},
	}
	for name, c := range map[string]struct {
		one, two *network.EndpointSettings
		want     bool
	}{
		"in both": {named, named, true}, "in one": {named, nil, false}, "unnamed in one": {named, unnamed, false},
		"in none": {nil, nil, false},
	} {
		fresh := made("a", "", true)
		fresh.NetworkSettings.Networks = map[string]*network.EndpointSettings{"n1": c.one, "n2": c.two}
		if got := r.announced("web", fresh); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
