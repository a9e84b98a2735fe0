package solve

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	contentlocal "github.com/containerd/containerd/v2/plugins/content/local"
	"github.com/moby/buildkit/client"

	"github.com/25eloquence/compose-mage/internal/builder"
	"github.com/25eloquence/compose-mage/internal/buildplan"
	"github.com/25eloquence/compose-mage/internal/compose"
	"github.com/25eloquence/compose-mage/internal/stepnet"
)

// lookup is an environment of these variables, names and values in turn.
func lookup(pairs ...string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1], true
			}
		}
		return "", false
	}
}

func TestAttributesOfEachField(t *testing.T) {
	target := buildplan.Target{Key: "app", Context: "/app", Build: types.BuildConfig{
		NoCacheFilter: []string{"deps", "build"}, Pull: true, ShmSize: 128 << 20,
		ExtraHosts: types.HostsList{"b": {"10.0.0.2"}, "a": {"10.0.0.1", "::1"}, "c": {"10.0.0.3"}, "d": {"10.0.0.4"}},
		Ulimits:    map[string]*types.UlimitsConfig{"nproc": {Single: 65}, "nofile": {Soft: 2000, Hard: 3000}},
	}}
	for range 20 { // the hosts are a map
		got := attributes(target, "p", Environment{Lookup: lookup()})
		for key, want := range map[string]string{
			"no-cache": "deps,build", "image-resolve-mode": "pull", "shm-size": "134217728",
			"ulimit":    "nofile=2000:3000,nproc=65:65",
			"add-hosts": "a=10.0.0.1,a=::1,b=10.0.0.2,c=10.0.0.3,d=10.0.0.4",
		} {
			if got[key] != want {
				t.Fatalf("%s is %q, want %q", key, got[key], want)
			}
		}
	}
	if !target.IgnoresCache() || (buildplan.Target{}).IgnoresCache() {
		t.Error("whether steps run again is wrong")
	}
}

func TestArgumentsComeFromTheProject(t *testing.T) {
	one := "1"
	target := buildplan.Target{
		Key: "app",
		Build: types.BuildConfig{Args: types.MappingWithEquals{
			"A": &one, "FROM_ENV": nil, "UNSET": nil,
			"http_proxy": nil,
		}},
	}
	got := buildArgs(target, Environment{
		Lookup:  lookup("A", "other", "FROM_ENV", "2", "HTTP_PROXY", "http://host"),
		Proxies: map[string]string{"HTTP_PROXY": "http://config", "FTP_PROXY": "ftp"},
	})
	if len(got) != 4 || got["A"] != "1" || got["FROM_ENV"] != "2" || got["HTTP_PROXY"] != "http://host" ||
		got["FTP_PROXY"] != "ftp" {
		t.Errorf("got %v", got)
	}
}

// Build steps in a network of their own find a proxy on the loopback at the gateway; those in the host's where it is.
func TestProxiesOnTheLoopbackAreGivenAsStepsReachThem(t *testing.T) {
	steps := &stepnet.Network{Gateway: netip.MustParseAddr("10.214.1.1"), Ports: []int{3128}}
	own, no := "http://localhost:3128", "localhost,127.0.0.1:3128"
	env := Environment{
		Lookup:  lookup("HTTP_PROXY", "http://u:p@127.0.0.1:3128", "no_proxy", no),
		Proxies: map[string]string{"FTP_PROXY": "http://u:p@127.0.0.1:3129"}, Steps: steps,
	}
	target := buildplan.Target{
		Key: "app", Service: "app",
		Build: types.BuildConfig{Args: types.MappingWithEquals{"https_proxy": &own, "SERVICE": &own}},
	}
	got := attributes(target, "p", env)
	for name, want := range map[string]string{
		"HTTP_PROXY": "http://u:p@10.214.1.1:3128", "https_proxy": "http://10.214.1.1:3128", "no_proxy": no,
		"SERVICE": own, "FTP_PROXY": "http://u:p@127.0.0.1:3129",
	} {
		if got["build-arg:"+name] != want {
			t.Errorf("%s is %q, want %q", name, got["build-arg:"+name], want)
		}
	}
	said := networkNotes(target, env)
	if len(said) != 1 || !strings.Contains(said[0], "app: its build steps do not reach FTP_PROXY on port 3129") ||
		strings.Contains(said[0], "u:p") {
		t.Errorf("said %q", said)
	}
	target.Build.Network = "host"
	if got := attributes(target, "p", env); got["build-arg:https_proxy"] != own {
		t.Errorf("network: host: %q", got["build-arg:https_proxy"])
	}
	if said := networkNotes(target, env); len(said) != 1 ||
		!strings.Contains(said[0], "on this machine's network, its loopback included (build.network: host)") {
		t.Errorf("network: host: said %q", said)
	}
	env.Steps = nil
	if said := networkNotes(target, env); said != nil {
		t.Errorf("steps that share the builder's network: said %q", said)
	}
	target.Build.Network, target.Build.Entitlements, env.Steps = "", []string{"network.host"},
		&stepnet.Network{Ports: []int{3128, 3129}}
	if said := networkNotes(target, env); len(said) != 1 ||
		!strings.Contains(said[0], "may use this machine's network") {
		t.Errorf("entitlements: said %q", said)
	}
}

func TestAForeignFrontendIsTheGateways(t *testing.T) {
	image := "docker/dockerfile:1 --debug"
	target := buildplan.Target{Build: types.BuildConfig{Args: types.MappingWithEquals{"BUILDKIT_SYNTAX": &image}}}
	attrs := attributes(target, "p", Environment{Lookup: lookup()})
	if attrs["source"] != "docker/dockerfile:1" || attrs["cmdline"] != image || frontend(attrs) != "gateway.v0" {
		t.Errorf("got %v by %s", attrs, frontend(attrs))
	}
	if frontend(attributes(buildplan.Target{}, "p", Environment{Lookup: lookup()})) != "dockerfile.v0" {
		t.Error("without one it is not the builder's own")
	}
}

func TestComposesLabelsWin(t *testing.T) {
	target := buildplan.Target{
		Key:   "app",
		Build: types.BuildConfig{Labels: types.Labels{"own": "x", "com.docker.compose.project": "another's"}},
	}
	if got := imageLabels(target, "p"); got["own"] != "x" || got["com.docker.compose.project"] != "p" ||
		got["com.docker.compose.service"] != "app" {
		t.Errorf("got %v", got)
	}
}

func TestEntitlementsAreAsked(t *testing.T) {
	for name, c := range map[string]struct {
		build types.BuildConfig
		want  string
	}{
		"none":       {types.BuildConfig{}, ""},
		"by name":    {types.BuildConfig{Entitlements: []string{"network.host"}}, "network.host"},
		"by network": {types.BuildConfig{Network: "host", Entitlements: []string{"network.host"}}, "network.host"},
		"privileged": {types.BuildConfig{Privileged: true, Network: "host"}, "network.host security.insecure"},
	} {
		if got := strings.Join(allowedEntitlements(buildplan.Target{Build: c.build}), " "); got != c.want {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestAttestationsArePushed(t *testing.T) {
	for _, c := range []struct {
		provenance, sbom string
		all              bool
		want             string
	}{
		{"", "", false, ""},
		{"", "", true, "attest:provenance=mode=max attest:sbom="},
		{"true", "true", false, "attest:provenance= attest:sbom="},
		{"false", "false", true, ""},
		{"mode=min", "generator=x", true, "attest:provenance=mode=min attest:sbom=generator=x"},
	} {
		attrs := map[string]string{}
		addAttestations(buildplan.Target{Build: types.BuildConfig{Provenance: c.provenance, SBOM: c.sbom}}, attrs,
			c.all)
		var got []string
		for k, v := range attrs {
			got = append(got, k+"="+v)
		}
		slices.Sort(got)
		if strings.Join(got, " ") != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

func TestSSHKeysAreOffered(t *testing.T) {
	app := buildplan.Target{Build: types.BuildConfig{SSH: types.SSHConfig{{ID: "default"}}}}
	app.Needs = map[string]buildplan.Target{"base": {Build: types.BuildConfig{SSH: types.SSHConfig{
		{ID: "default"},
		{ID: "git", Path: "/key"},
	}}}}
	if got := sshKeys(app); len(got) != 2 || got[0].ID != "default" ||
		got[1] != (types.SSHKey{ID: "git", Path: "/key"}) {
		t.Errorf("got %v", got)
	}
}

func TestSecretsComeFromTheProject(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("from a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	env := Environment{Lookup: lookup("TOK", "from .env"), Secrets: types.Secrets{
		"env": {Environment: "TOK"}, "file": {File: file}, "unset": {Environment: "NOT_SET"},
		"outside": {External: true},
	}}
	target := buildplan.Target{Build: types.BuildConfig{Secrets: []types.ServiceSecretConfig{
		{Source: "env"}, {Source: "file", Target: "renamed"}, {Source: "unset"}, {Source: "outside"},
	}}}
	got, err := buildSecrets(target, env)
	empty, offered := got["unset"]
	if err != nil || string(got["env"]) != "from .env" || string(got["renamed"]) != "from a file" || !offered ||
		len(empty) > 0 || len(got) != 3 {
		t.Errorf("got %q, %v", got, err)
	}
	if said := strings.Join(secretNotes(target, env),
		"; "); said != `build secret "unset" is empty: variable NOT_SET is not set; `+
		`build secret "outside" is external: a build is not given it` {
		t.Errorf("said: %s", said)
	}
}

func TestAdditionalContextsOfEachKind(t *testing.T) {
	dir, layout := t.TempDir(), t.TempDir()
	const id = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	index := `{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"` +
		id +
		`","size":2,"annotations":{"org.opencontainers.image.ref.name":"v1"}}]}`
	if err := os.WriteFile(filepath.Join(layout, "index.json"), []byte(index), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := contentlocal.NewStore(layout); err != nil {
		t.Fatal(err)
	}
	target := buildplan.Target{
		Key: "app", Service: "app", Context: dir, Inline: "FROM scratch",
		Build: types.BuildConfig{AdditionalContexts: types.Mapping{
			"lib": dir, "git": "https://example.com/x.git", "img": "docker-image://debian:12", "oci": "oci-layout://" +
				layout + ":v1",
			"context": dir, "by-digest": "oci-layout://" + layout + "@" + id,
		}},
	}
	opt, local, err := NewRequest(t.Context(), target, "p", Environment{Lookup: lookup()}, &Contexts{})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"lib": "local:named-lib", "git": "https://example.com/x.git", "img": "docker-image://debian:12",
		"context": "local:named-context",
	} {
		if got := opt.FrontendAttrs["context:"+name]; got != want {
			t.Errorf("%s is %q", name, got)
		}
	}
	for _, name := range []string{"oci", "by-digest"} {
		store, digest, _ := strings.Cut(strings.TrimPrefix(opt.FrontendAttrs["context:"+name], "oci-layout://"), "@")
		if opt.OCIStores[store] == nil || digest != id {
			t.Errorf("%s is %q of %v", name, opt.FrontendAttrs["context:"+name], opt.OCIStores)
		}
	}
	if len(local) != 3 || len(opt.LocalMounts) != 3 {
		t.Errorf("local contexts: %v", local)
	}
	target.Build.AdditionalContexts = types.Mapping{"oci": "oci-layout://" + dir}
	if _, _, err := NewRequest(t.Context(), target, "p", Environment{Lookup: lookup()}, &Contexts{}); err == nil {
		t.Error("a directory without an image passes for a layout")
	}
}

func TestSplitLayout(t *testing.T) {
	const id = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	for from, want := range map[string]string{
		"/a/b": "/a/b latest ", "/a/b:v1": "/a/b v1 ", "/a/b@" + id: "/a/b latest " + id, "/a/b:v1@" + id: "/a/b v1 " +
			id,
		"c:/a": "c:/a latest ", "/a:b/c": "/a:b/c latest ", "/a@b": "/a@b latest ",
	} {
		if dir, tag, d := splitLayout(from); dir+" "+tag+" "+d.String() != want {
			t.Errorf("%s: %s %s %s", from, dir, tag, d)
		}
	}
}

func TestDirectoriesShareNoKey(t *testing.T) {
	one, other := t.TempDir(), t.TempDir()
	key := func(project, service, dir, more string) string {
		t.Helper()
		target := buildplan.Target{
			Key: service, Service: service, Context: dir, Inline: "FROM scratch",
			Build: types.BuildConfig{},
		}
		if more != "" {
			target.Build.AdditionalContexts = types.Mapping{"lib": more}
		}
		opt, _, err := NewRequest(t.Context(), target, project, Environment{Lookup: lookup()}, &Contexts{})
		if err != nil {
			t.Fatal(err)
		}
		return opt.SharedKey
	}
	first := key("p", "app", one, "")
	if key("p", "app", one, "") != first {
		t.Error("the same directory has another key in the next run: all of it would be sent again")
	}
	keys := []string{
		first, key("p", "app", other, ""), key("q", "app", one, ""), key("p", "web", one, ""),
		key("p", "app", one, one), key("p", "app", one, other),
	}
	slices.Sort(keys)
	if n := len(slices.Compact(keys)); n != 6 {
		t.Errorf("%d keys for 6 sets of directories", n)
	}
	aside := one + ".aside"
	if err := os.Rename(one, aside); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(other, one); err != nil {
		t.Fatal(err)
	}
	if key("p", "app", one, "") == first {
		t.Error("another directory at the same path passes for the first")
	}
}

func TestHostGatewayIsTheBuilders(t *testing.T) {
	q := Request{SolveOpt: client.SolveOpt{FrontendAttrs: map[string]string{"add-hosts": "a=host-gateway,b=1.2.3.4"}}}
	if err := q.SetHostGateway(&builder.Builder{}); err == nil {
		t.Error("a builder that does not say its address passes")
	}
	if err := q.SetHostGateway(&builder.Builder{Gateway: "172.17.0.1"}); err != nil ||
		q.FrontendAttrs["add-hosts"] != "a=172.17.0.1,b=1.2.3.4" {
		t.Errorf("got %v, %v", q.FrontendAttrs, err)
	}
}

// noCachePlan plans the build of a stack without the cache.
func noCachePlan(t *testing.T, file string) buildplan.Plan {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"compose.yaml": file, "Dockerfile": "FROM scratch"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s, err := compose.Load(t.Context(), compose.Request{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	p, err := buildplan.Make(s.Project, buildplan.Options{NoCache: true})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAttributesCarryArgsAndLabels(t *testing.T) {
	t.Setenv("FROM_ENV", "2")
	p := noCachePlan(t, `name: demo
services:
  api:
    build:
      {context: ., target: final, network: host, args: {A: "1", FROM_ENV: null, UNSET: null}, labels: {own: x},
       extra_hosts: ["h:1.2.3.4"]}
`)
	env := map[string]string{"HTTPS_PROXY": "http://proxy:3128"}
	got := attributes(p.Targets[0], "demo",
		Environment{Lookup: func(k string) (string, bool) { v, ok := env[k]; return v, ok }})
	for key, want := range map[string]string{
		"filename": "Dockerfile", "target": "final", "build-arg:A": "1", "build-arg:FROM_ENV": "2",
		"build-arg:HTTPS_PROXY": "http://proxy:3128",
		"label:own":             "x", "label:com.docker.compose.project": "demo",
		"label:com.docker.compose.service": "api",
		"force-network-mode":               "host", "add-hosts": "h=1.2.3.4", "no-cache": "",
	} {
		if have, ok := got[key]; !ok || have != want {
			t.Errorf("%s is %q, want %q", key, have, want)
		}
	}
	if _, ok := got["build-arg:UNSET"]; ok {
		t.Error("an unset argument is passed")
	}
}

func TestSecretsOfWhatIsNeededAreOnOfferToo(t *testing.T) {
	env := Environment{Secrets: types.Secrets{"one": {Content: "1"}, "two": {Content: "2"}}}
	with := func(source, target string) buildplan.Target {
		return buildplan.Target{
			Service: source,
			Build:   types.BuildConfig{Secrets: []types.ServiceSecretConfig{{Source: source, Target: target}}},
		}
	}
	app := with("one", "token")
	app.Needs = map[string]buildplan.Target{"base": with("two", "")}
	got, err := buildSecrets(app, env)
	if err != nil || string(got["token"]) != "1" || string(got["two"]) != "2" || len(got) != 2 {
		t.Errorf("got %q, error %v", got, err)
	}
	app.Needs["base"] = with("two", "token")
	if _, err := buildSecrets(app, env); err == nil ||
		!strings.Contains(err.Error(), `build secret "token" is another one in "two"`) {
		t.Errorf("two secrets of one name: %v", err)
	}
}
