package delivery

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/cli/cli/config/configfile"
	configtypes "github.com/docker/cli/cli/config/types"
	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
	"github.com/moby/moby/api/pkg/authconfig"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/registry"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/25eloquence/compose-mage/internal/composetest"
)

// answeringEngine has images, and hears of others from registries.
type answeringEngine struct {
	storeEngine
	images     map[string]client.ImageInspectResult
	registries map[string]any // digest.Digest, or error
	platforms  []ocispec.Platform
}

// ImageInspect implements Engine.
func (e answeringEngine) ImageInspect(
	_ context.Context, name string, _ ...client.ImageInspectOption,
) (client.ImageInspectResult, error) {
	if found, ok := e.images[name]; ok {
		return found, nil
	}
	return client.ImageInspectResult{}, cerrdefs.ErrNotFound
}

// DistributionInspect implements Engine.
func (e answeringEngine) DistributionInspect(
	_ context.Context, name string, _ client.DistributionInspectOptions,
) (out client.DistributionInspectResult, err error) {
	switch answer := e.registries[name].(type) {
	case digest.Digest:
		out.Descriptor.Digest, out.Platforms = answer, e.platforms
		return out, nil
	case error:
		return out, answer
	}
	return out, errors.New("manifest unknown")
}

var check = &container.HealthConfig{Test: []string{"CMD", "/healthy"}}

func imageOf(id, architecture string, digests ...string) (out client.ImageInspectResult) {
	out.ID, out.Os, out.Architecture, out.RepoDigests = id, "linux", architecture, digests
	out.Config = &dockerspec.DockerOCIImageConfig{}
	out.Config.Healthcheck = check
	return out
}

const (
	idA = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	idB = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
	inR = digest.Digest("sha256:1212121212121212121212121212121212121212121212121212121212121212")
)

// TestPlans holds what is found out of a project and its images, as the plan that is printed.
func TestPlans(t *testing.T) {
	away := errors.New(`Get "https://registry-1.docker.io/v2/": dial tcp: lookup registry-1.docker.io: no such host`)
	images := map[string]client.ImageInspectResult{
		"shop-api:latest": imageOf(idA, "amd64"), "me/api:1": imageOf(idA, "amd64"),
		"pushed:1":    imageOf(idB, "amd64", "r.example/pushed@"+inR.String(), "other.example/x@"+idA),
		"postgres:16": imageOf(idB, "arm", "postgres@"+inR.String()),
		"redis:7":     imageOf(idB, "arm"),
	}
	registries := map[string]any{
		"postgres:16": inR, "r.example/pushed@" + inR.String(): inR, "redis:7": away, "ghcr.io/x/y:latest": inR,
	}
	for name, c := range map[string]struct {
		compose string
		means   Means
		self    string
		want    string
	}{
		"built": {
			"api: {build: {context: ., platforms: [linux/amd64, linux/arm64]}}",
			Means{Registry: "r.example/team"},
			"",
			"shop-api:latest [api] push r.example/team/shop-api:latest: for linux/amd64 alone, not for linux/amd64, " +
				"linux/arm64: an engine holds one platform, and tasks run on its nodes",
		},
		"pushed already": {
			"a: {image: 'pushed:1', build: .}\n  b: {image: 'pushed:1'}\n  c: {image: 'library/pushed:1'}",
			Means{Registry: "r.example"},
			"",
			"pushed:1 [a b c] pushed r.example/pushed:1@" + inR.String(),
		},
		"pushed elsewhere": {
			"a: {image: 'pushed:1', build: .}",
			Means{Registry: "s.example"},
			"",
			"pushed:1 [a] push s.example/pushed:1",
		},
		"docker hub, spelled out": {
			"a: {image: 'docker.io/me/api:1', build: .}", Means{}, "", "me/api:1 [a] push me/api:1",
		},
		"pulled": {
			"db: {image: 'postgres:16'}\n  x: {image: ghcr.io/x/y}",
			Means{Registry: "r.example"},
			"",
			"ghcr.io/x/y:latest [x] pull ghcr.io/x/y:latest@" + inR.String() + "\npostgres:16 [db] pull postgres:16@" +
				inR.String(),
		},
		"from the engine, since the registry is away": {
			"redis: {image: 'redis:7'}",
			Means{Registry: "r.example"},
			"",
			"redis:7 [redis] push r.example/redis:7: the manager's own image goes to the nodes, since its registry " +
				`gives none: service "redis": image "redis:7": the manager does not reach Docker Hub: ` + away.Error(),
		},
		"one node": {
			"api: {build: .}\n  redis: {image: 'redis:7'}\n  p: {image: none, provider: {type: x}}",
			Means{},
			"only",
			"redis:7 [redis] send " + idB + ": the manager's own image goes to the nodes, since its registry gives " +
				`none: service "redis": image "redis:7": the manager does not reach Docker Hub: ` + away.Error() +
				"\nshop-api:latest [api] send " + idA,
		},
	} {
		d, err := Look(t.Context(), Request{
			Project: composetest.Load(t, "name: shop\nservices:\n  "+c.compose+"\n"), Means: c.means, Self: c.self,
			Engine: answeringEngine{images: images, registries: registries}, Nodes: []swarm.Node{{ID: "only"}},
		})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		p, err := d.Plan(t.Context(), nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		var lines []string
		for _, s := range p.Steps {
			line := fmt.Sprintf("%s %v %s %s", s.Image, s.Services, s.Way, s.Reference)
			if s.Why != "" {
				line += ": " + s.Why
			}
			lines = append(lines, line)
		}
		if got := strings.Join(lines, "\n"); got != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", name, got, c.want)
		}
	}
}

// TestTwoImagesOfOneName refuses to push two images to one name.
func TestTwoImagesOfOneName(t *testing.T) {
	_, err := Look(t.Context(), Request{
		Project: composetest.Load(t, "name: shop\nservices:\n  a: {image: 'shop/api:1', build: .}\n"+
			"  b: {image: 'localhost:5000/shop/api:1', build: .}\n"),
		Means: Means{Registry: "r.example"},
		Engine: answeringEngine{images: map[string]client.ImageInspectResult{
			"shop/api:1": imageOf(idA, "amd64"), "localhost:5000/shop/api:1": imageOf(idB, "amd64"),
		}},
	})
	const want = `"localhost:5000/shop/api:1" and "shop/api:1" would both be pushed as "r.example/shop/api:1"`
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v", err)
	}
}

// TestWhatIsKnownOfAnImage holds that an older image of the name on the engine says nothing of the registry's.
func TestWhatIsKnownOfAnImage(t *testing.T) {
	arm := []swarm.Platform{{OS: "linux"}}
	two := []ocispec.Platform{
		{OS: "linux", Architecture: "amd64"},
		{OS: "unknown", Architecture: "unknown"},
		{OS: "linux", Architecture: "arm", Variant: "v7"},
		{OS: "linux", Architecture: "arm", Variant: "v6"},
	}
	both := []swarm.Platform{{OS: "linux", Architecture: "amd64"}, {OS: "linux"}}
	known := func(id string, platforms []swarm.Platform) Image {
		return Image{ID: id, Checks: check, Platforms: platforms}
	}
	for name, c := range map[string]struct {
		local     client.ImageInspectResult
		platforms []ocispec.Platform
		want      Image
	}{
		"not here":             {platforms: two, want: Image{Platforms: both}},
		"the same":             {imageOf(idA, "arm", "x@"+inR.String()), two, known(idA, both)},
		"the same, by its ID":  {imageOf(inR.String(), "arm"), nil, known(inR.String(), arm)},
		"the same, not looked": {imageOf(idA, "arm", "x@"+inR.String()), nil, known(idA, arm)},
		"another":              {imageOf(idA, "arm", "x@"+idB), nil, Image{ID: idA}},
	} {
		e := answeringEngine{registries: map[string]any{"x:1": inR}, platforms: c.platforms}
		if c.local.ID != "" {
			e.images = map[string]client.ImageInspectResult{"x:1": c.local}
		}
		d, err := Look(t.Context(), Request{
			Project: composetest.Load(t, "name: shop\nservices:\n  web: {image: 'x:1'}\n"), Engine: e,
		})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		c.want.Name = "x:1"
		if got := d.Images()["web"]; !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

// TestPinnedHasTheLogin holds that nodes that pull get the login for their registry, and no others.
func TestPinnedHasTheLogin(t *testing.T) {
	config := configfile.New("")
	config.AuthConfigs = map[string]configtypes.AuthConfig{
		"r.example": {Username: "u", Password: "geheim"}, "t.example": {IdentityToken: "geheim"},
	}
	d, err := Look(t.Context(), Request{
		Project: composetest.Load(t, "name: shop\nservices:\n  a: {image: 'r.example/x:1'}\n"+
			"  b: {image: 's.example/x:1'}\n  c: {image: 'c:1'}\n  d: {image: 't.example/x:1'}\n"),
		Engine: answeringEngine{
			images: map[string]client.ImageInspectResult{"c:1": imageOf(idA, "amd64")},
			registries: map[string]any{
				"r.example/x:1": inR, "s.example/x:1": inR, "t.example/x:1": inR, "c:1": errors.New("denied"),
			},
		},
		Credentials: Logins(config), Self: "self", Nodes: []swarm.Node{{ID: "self"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	p, err := d.Plan(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	pins := d.Pinned(p)
	for service, want := range map[string]registry.AuthConfig{
		"a": {Username: "u", Password: "geheim"}, "d": {IdentityToken: "geheim"},
	} {
		got, err := authconfig.Decode(string(pins[service].Auth))
		if err != nil || got.Username != want.Username || got.Password != want.Password ||
			got.IdentityToken != want.IdentityToken {
			t.Errorf("%s: %v, %v", service, got, err)
		}
	}
	if pins["b"].Auth != "" || pins["c"].Auth != "" || pins["c"].Reference != idA || pins["c"].ImageLabel != "c:1" {
		t.Errorf("pinned are %+v", pins)
	}
}

func TestPrintedPlan(t *testing.T) {
	var out strings.Builder
	Plan{Steps: []Step{
		{Image: "a:1", Services: []string{"a", "b"}, Way: Push, Reference: "r.example/a:1"},
		{Image: "p:1", Services: []string{"p"}, Way: Pull, Reference: "p:1@sha256:12", Why: "so it is"},
		{Image: "s:1", Services: []string{"s"}, Way: Send, Nodes: []Node{
			{Name: "gpu1"}, {Name: "box1", Has: true}, {Name: "gpu2"},
		}},
		{Image: "t:1", Services: []string{"t"}, Way: Send, Nodes: []Node{{Name: "box1", Has: true}}},
		{Image: "u:1", Services: []string{"u"}, Way: Send, Nodes: []Node{{Name: "gpu1"}}},
	}}.Print(&out)
	const want = `IMAGE  SERVICES  WAY   WHAT
a:1    a, b      push  to r.example/a:1
p:1    p         pull  p:1@sha256:12
s:1    s         send  to gpu1, gpu2; box1 has it
t:1    t         send  box1 has it
u:1    u         send  to gpu1
   p:1: so it is
`
	if got := out.String(); got != want {
		t.Errorf("printed is\n%s", got)
	}
	out.Reset()
	if (Plan{}).Print(&out); out.String() != "" {
		t.Errorf("of nothing is printed %q", out.String())
	}
}

// TestRegistryFaults holds what a person reads and types.
func TestRegistryFaults(t *testing.T) {
	s := &subject{name: "shop/api:1", services: []string{"api"}}
	const own, other = "shop/api:1", "r.example:5/t/api:1"
	const about = `service "api": image "shop/api:1"`
	const there = about + `, in the registry as "` + other + `": `
	for said, c := range map[string]struct{ ref, want, next string }{
		"manifest unknown": {
			own, about + ": Docker Hub has no such image: manifest unknown", "correct it, then go tool mage check",
		},
		"denied: x": {
			own, about + ": Docker Hub has no such image, or does not give it to this user: denied: x", "docker login",
		},
		"denied: y": {
			other, there + "r.example:5 has no such image, or does not give it to this user: denied: y",
			"docker login r.example:5",
		},
		"connection refused": {
			other, there + "the manager does not reach r.example:5: connection refused",
			"docker pull r.example:5/t/api:1, on the manager",
		},
		"x509: y": {
			other, there + "the manager does not trust the certificate of r.example:5: x509: y",
			"the registry's CA into /etc/docker/certs.d/r.example:5/ca.crt on every node, then again",
		},
		"server gave HTTP response to HTTPS client": {
			other, there + "r.example:5 speaks plain HTTP, and the manager's engine may not: server gave HTTP " +
				"response to HTTPS client",
			"r.example:5 into insecure-registries in /etc/docker/daemon.json of every node, or TLS for it",
		},
		"500": {own, about + ": asking Docker Hub: 500", "docker pull shop/api:1, on the manager"},
	} {
		if got := registryFault(s, c.ref, errors.New(said)).Error(); got != c.want+"\n  next: "+c.next {
			t.Errorf("%s:\n%s\nwant\n%s", said, got, c.want)
		}
	}
}
