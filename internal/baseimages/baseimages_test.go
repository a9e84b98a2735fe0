package baseimages

import (
	"testing"

	recipes "github.com/25eloquence/compose-mage/docker/bases"
	"github.com/25eloquence/compose-mage/internal/registry"
)

func TestRecipesAreEmbedded(t *testing.T) {
	for _, name := range []string{"debian-rootfs.sh", "debian.Dockerfile", "golang.Dockerfile"} {
		if data, err := recipes.Files.ReadFile(name); err != nil || len(data) == 0 {
			t.Errorf("%s: %d bytes, %v", name, len(data), err)
		}
	}
}

func TestOnlyOurOwnOlderImageIsReplaced(t *testing.T) {
	const ours, earlier = "127.0.0.1:5001/library/debian@sha256:old", "127.0.0.1:5000/library/debian@sha256:old"
	m := Maker{EarlierRegistry: "127.0.0.1:5000", Loaded: map[string]string{Debian: "loaded before"}}
	now := registry.Image{Registry: registry.Open("", "127.0.0.1:5001"), Name: Debian, Digest: "manifest"}
	now.Manifest.Config.Digest = "config"
	for _, c := range []struct {
		id      string
		digests []string
		want    bool
	}{
		{"loaded before", nil, true},
		{"pulled by an earlier setup", []string{earlier}, true},
		{"pulled", []string{ours}, true},
		{"config", []string{earlier}, false},
		{"manifest", nil, false},
		{"the user's", nil, false},
		{"the Hub's", []string{"debian@sha256:hub"}, false},
		{"another registry's", []string{"127.0.0.1:5002/library/debian@sha256:old"}, false},
	} {
		if got := m.IsOutdated(c.id, c.digests, now); got != c.want {
			t.Errorf("%s: got %v, want %v", c.id, got, c.want)
		}
	}
}
