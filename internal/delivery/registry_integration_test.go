//go:build integration

package delivery

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/25eloquence/compose-mage/internal/composetest"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/enginetest"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// request is one for the model, of a Swarm whose only other node is not connected.
func request(t *testing.T, e Engine, compose string, m Means) Request {
	t.Helper()
	return Request{
		Project: composetest.Load(t, compose), Engine: e, Self: "self", Means: m,
		Nodes: []swarm.Node{{ID: "self"}, {ID: "other"}},
	}
}

func look(t *testing.T, r Request) *Delivery {
	t.Helper()
	d, err := Look(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d
}

func planned(t *testing.T, d *Delivery, image string) Step {
	t.Helper()
	p, err := d.Plan(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range p.Steps {
		if s.Image == image {
			return s
		}
	}
	t.Fatalf("no step for %s: %+v", image, p)
	return Step{}
}

// manifest asks the registry itself for what a reference is there.
func manifest(t *testing.T, reference string) (m ocispec.Manifest, of digest.Digest) {
	t.Helper()
	name, d, _ := strings.Cut(reference, "@")
	host, rest, _ := strings.Cut(name, "/")
	repository, _, _ := strings.Cut(rest, ":")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet,
		"http://"+host+"/v2/"+repository+"/manifests/"+d, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "application/vnd.docker.distribution.manifest.v2+json, "+ocispec.MediaTypeImageManifest)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 4<<20))
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("asking for %s: %s, %v", reference, resp.Status, err)
	}
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatal(err)
	}
	return m, digest.FromBytes(text)
}

// TestIntegrationWhatIsPushedIsTheEnginesImage pushes a built image and holds what the registry then has against what
// the engine runs. A second delivery finds it there, one of another image under the same tag does not.
func TestIntegrationWhatIsPushedIsTheEnginesImage(t *testing.T) {
	pushedImage(t, enginetest.Connect(t), enginetest.Registry(t))
}

func pushedImage(t *testing.T, e *engine.Engine, registry string) {
	t.Helper()
	const compose = "name: delivery\nservices:\n  web: {image: 'delivery/web:1', build: .}\n" +
		"  worker: {image: 'delivery/web:1'}\n"
	id := enginetest.Image(t, e, "delivery/web:1", nil)
	r := request(t, e, compose, Means{Registry: registry + "/team"})
	d := look(t, r)
	before := planned(t, d, "delivery/web:1")
	if before.Way != Push || before.Reference != registry+"/team/delivery/web:1" || before.ID != id {
		t.Fatalf("planned is %+v", before)
	}
	p, err := d.Plan(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	p, err = d.Deliver(t.Context(), p, ui.New(io.Discard))
	if err != nil {
		t.Fatal(err)
	}
	pins := d.Pinned(p)
	reference := pins["web"].Reference
	m, of := manifest(t, reference)
	is := m.Config.Digest.String()
	if e.ContainerdStore() {
		is = of.String()
	}
	if is != id {
		t.Errorf("the registry has %s, the engine %s", is, id)
	}
	if want := registry + "/team/delivery/web:1@" + of.String(); reference != want {
		t.Errorf("tasks run %s, the registry has %s", reference, want)
	}
	if pins["worker"].Reference != reference || pins["web"].ImageLabel != "delivery/web:1" {
		t.Errorf("pinned are %+v", pins)
	}
	if len(pins["web"].Platforms) != 1 || pins["web"].Platforms[0].OS != "linux" {
		t.Errorf("the platforms are %+v", pins["web"].Platforms)
	}
	if again := planned(t, look(t, r), "delivery/web:1"); again.Way != Pushed || again.Reference != reference {
		t.Errorf("the second time: %+v", again)
	}
	other := enginetest.Image(t, e, "delivery/web:1", nil)
	if next := planned(t, look(t, r), "delivery/web:1"); next.Way != Push || next.ID != other {
		t.Errorf("another image of the name: %+v", next)
	}
}

// TestIntegrationOthersImages resolves an image that is not built here and that the engine lacks: by its tag, and by
// its digest. One that is on loopback goes to the registry of the deploy.
func TestIntegrationOthersImages(t *testing.T) {
	e, registry := enginetest.Connect(t), enginetest.Registry(t)
	theirs := registry + "/delivery/theirs:1"
	removed := enginetest.Image(t, e, theirs, nil)
	d := look(t, request(t, e, "name: delivery\nservices:\n  web: {image: '"+theirs+"', build: .}\n",
		Means{Registry: registry}))
	p, err := d.Plan(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if p, err = d.Deliver(t.Context(), p, ui.New(io.Discard)); err != nil {
		t.Fatal(err)
	}
	_, of, _ := strings.Cut(p.Steps[0].Reference, "@")
	if _, err := e.ImageRemove(t.Context(), removed, client.ImageRemoveOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
	byDigest := registry + "/delivery/theirs@" + of
	id := enginetest.Image(t, e, "127.0.0.1:1/delivery/own:1", nil)
	d = look(t, request(t, e, fmt.Sprintf("name: delivery\nservices:\n  tag: {image: '%s'}\n  digest: {image: '%s'}\n"+
		"  own: {image: '127.0.0.1:1/delivery/own:1'}\n", theirs, byDigest), Means{Registry: registry}))
	if s := planned(t, d, theirs); s.Way != Pull || s.Reference != theirs+"@"+of {
		t.Errorf("by its tag: %+v", s)
	}
	if s := planned(t, d, byDigest); s.Way != Pull || s.Reference != byDigest {
		t.Errorf("by its digest: %+v", s)
	}
	if s := planned(t, d, "127.0.0.1:1/delivery/own:1"); s.Way != Push || s.ID != id ||
		s.Reference != registry+"/delivery/own:1" {
		t.Errorf("on loopback: %+v", s)
	}
	for _, service := range []string{"tag", "digest", "own"} {
		if image := d.Images()[service]; len(image.Platforms) != 1 || image.Platforms[0].OS != "linux" {
			t.Errorf("the platforms of %s are not known: %+v", service, image)
		}
	}
}

// TestIntegrationAllThatStopsADeploy has registries that fail in all ways, and wants all of them named at once.
func TestIntegrationAllThatStopsADeploy(t *testing.T) {
	e, registry := enginetest.Connect(t), enginetest.Registry(t)
	outside := machineAddress(t)
	listen := func(serve func(*httptest.Server)) string {
		l, err := net.Listen("tcp", net.JoinHostPort(outside, "0"))
		if err != nil {
			t.Fatal(err)
		}
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("WWW-Authenticate", `Basic realm="r"`)
			w.WriteHeader(http.StatusUnauthorized)
		}))
		_ = s.Listener.Close()
		s.Listener = l
		serve(s)
		t.Cleanup(s.Close)
		return l.Addr().String()
	}
	plain, untrusted := listen((*httptest.Server).Start), listen((*httptest.Server).StartTLS)
	outside = "127.0.0.1" // where the engine takes plain HTTP
	denies := listen((*httptest.Server).Start)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	away := closed.Addr().String()
	_ = closed.Close()
	enginetest.Image(t, e, "delivery/web:2", nil)
	images := map[string]string{
		"lacks": registry + "/delivery/nobody:1", "away": away + "/x:1", "plain": plain + "/x:1",
		"untrusted": untrusted + "/x:1", "denies": denies + "/x:1",
	}
	compose := "name: delivery\nservices:\n"
	for name, image := range images {
		compose += fmt.Sprintf("  %s: {image: '%s'}\n", name, image)
	}
	compose += "  unbuilt: {image: 'delivery/unbuilt:1', build: .}\n  push: {image: 'delivery/web:2', build: .}\n"
	r := request(t, e, compose, Means{Registry: plain})
	r.Credentials = func(string) (Credential, error) { return "eyJ1c2VybmFtZSI6InUiLCJwYXNzd29yZCI6ImdlaGVpbSJ9", nil }
	_, err = Look(t.Context(), r)
	if err == nil {
		t.Fatal("nothing stops the deploy")
	}
	text := err.Error()
	for _, want := range []string{
		`service "lacks": image "` + images["lacks"] + `": ` + registry + ` has no such image`,
		`service "away": image "` + images["away"] + `": the manager does not reach ` + away,
		`service "plain": image "` + images["plain"] + `": ` + plain + ` speaks plain HTTP`,
		plain + " into insecure-registries",
		`service "untrusted": image "` + images["untrusted"] + `": the manager does not trust the certificate`,
		`service "denies": image "` + images["denies"] + `": ` + denies + ` has no such image, or does not give it`,
		"docker login " + denies,
		`service "unbuilt": the engine has no image "delivery/unbuilt:1"`,
		"go tool mage build unbuilt",
		`service "push": image "delivery/web:2", in the registry as "` + plain + `/delivery/web:2"`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("without: %s\n%s", want, text)
		}
	}
	if strings.Contains(text, "geheim") || strings.Contains(text, "eyJ1") {
		t.Error("the login is in the error")
	}
}

// machineAddress is an address of this machine that is not on loopback: there an engine speaks TLS to a registry.
func machineAddress(t *testing.T) string {
	t.Helper()
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addresses {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && !n.IP.IsLoopback() {
			return n.IP.String()
		}
	}
	t.Fatal("this machine has no address but loopback")
	return ""
}

// TestIntegrationPushIsRefused has a registry that answers and takes nothing.
func TestIntegrationPushIsRefused(t *testing.T) {
	e := enginetest.Connect(t)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v2/" {
			return
		}
		w.Header().Set("WWW-Authenticate", `Basic realm="r"`)
		w.WriteHeader(http.StatusUnauthorized)
	}))
	t.Cleanup(s.Close)
	host := strings.TrimPrefix(s.URL, "http://")
	id := enginetest.Image(t, e, "delivery/web:3", nil)
	d := look(t, request(t, e, "name: delivery\nservices:\n  web: {image: 'delivery/web:3', build: .}\n",
		Means{Registry: host}))
	p, err := d.Plan(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = d.Deliver(t.Context(), p, ui.New(io.Discard))
	const want = `service "web": image "delivery/web:3", in the registry as "`
	if err == nil || !strings.Contains(err.Error(), want+host) ||
		!strings.Contains(err.Error(), "docker login "+host) {
		t.Errorf("the push says %v", err)
	}
	removeName(t, e, id, host+"/delivery/web:3")
}

func removeName(t *testing.T, e *engine.Engine, id, name string) {
	t.Helper()
	_, err := e.ImageRemove(context.Background(), name, client.ImageRemoveOptions{})
	if err != nil {
		t.Errorf("removing %s of %s: %v", name, id, err)
	}
}
