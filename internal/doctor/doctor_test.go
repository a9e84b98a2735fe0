package doctor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/diskspace"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/golden"
	"github.com/25eloquence/compose-mage/internal/hostport"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// text is a result in one line, for comparison.
func text(rs ...Result) string {
	var b strings.Builder
	for _, r := range rs {
		fmt.Fprintf(&b, "%s %s", []string{"ok", "warn", "fail"}[r.Level], r.Text)
		if r.Next != "" {
			b.WriteString(" -> " + r.Next)
		}
		b.WriteString("\n")
	}
	return b.String()
}

func TestMachine(t *testing.T) {
	for name, c := range map[string]struct {
		m            engine.Machine
		memory, cpus Level
	}{
		"small":                    {engine.Machine{Memory: 8 << 30, CPUs: 4}, Warning, Warning},
		"sold as 16 GB, 15.5 left": {engine.Machine{Memory: 31 << 29, CPUs: 8}, OK, OK},
		"large":                    {engine.Machine{Memory: 64 << 30, CPUs: 32}, OK, OK},
	} {
		t.Run(name, func(t *testing.T) {
			got := machine(c.m)
			if len(got) != 2 || got[0].Level != c.memory || got[1].Level != c.cpus {
				t.Errorf("got:\n%s", text(got...))
			}
		})
	}
}

func TestDisk(t *testing.T) {
	reclaim := func() []reclaimable { return []reclaimable{{"images", 1 << 30}, {"build cache", 20 << 30}} }
	for name, c := range map[string]struct {
		space diskspace.Space
		level Level
		part  string
	}{
		"roomy":         {diskspace.Space{Free: 50 << 30, Total: 100 << 30}, OK, "50GiB of 100GiB free (50 %)"},
		"under a tenth": {diskspace.Space{Free: 40 << 30, Total: 1000 << 30}, Warning, "20GiB of build cache could go"},
		"under 10 GiB":  {diskspace.Space{Free: 9 << 30, Total: 20 << 30}, Warning, "build cache"},
		"under 2 GiB":   {diskspace.Space{Free: 1 << 30, Total: 20 << 30}, Failure, "build cache"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := disk("engine", "/var/lib/docker", c.space, reclaim()); got.Level != c.level || !strings.Contains(got.Text, c.part) {
				t.Errorf("got %s", text(got))
			}
		})
	}
}

func TestRegistryURL(t *testing.T) {
	for address, want := range map[string]string{
		"127.0.0.1:5000": "http://127.0.0.1:5000/v2/", "localhost:5000": "http://localhost:5000/v2/", "registry.example": "https://registry.example/v2/",
		"registry.example:5000": "https://registry.example:5000/v2/", "http://r.example/": "http://r.example/v2/", "[::1]:5000": "http://[::1]:5000/v2/",
	} {
		if got := registryURL(address); got != want {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
}

func TestRegistry(t *testing.T) {
	for status, want := range map[int]Level{200: OK, 401: OK, 404: Failure, 502: Failure} {
		if got := registryAnswer("r", status); got.Level != want {
			t.Errorf("%d: %s", status, text(got))
		}
	}
	server := httptest.NewServer(nil) // a server that is no registry: 404
	defer server.Close()
	address := strings.TrimPrefix(server.URL, "http://")
	if got := checkRegistry(t.Context(), Input{Registry: address}); len(got) != 1 || !strings.Contains(got[0].Text, "answers 404 Not Found to /v2/") {
		t.Errorf("got %s", text(got...))
	}
	server.Close()
	if got := checkRegistry(t.Context(), Input{Registry: address}); len(got) != 1 || got[0].Code != fault.Registry || !strings.Contains(got[0].Text, "does not answer") {
		t.Errorf("got %s", text(got...))
	}
}

func TestSecrets(t *testing.T) {
	dir := t.TempDir()
	file := func(name string, mode os.FileMode) types.SecretConfig {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, nil, mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil { // whatever the umask
			t.Fatal(err)
		}
		return types.SecretConfig{File: path}
	}
	project := &types.Project{
		Services: types.Services{
			"api":   {Name: "api", ContainerSpec: types.ContainerSpec{Secrets: []types.ServiceSecretConfig{{Source: "keys"}, {Source: "open"}, {Source: "lost"}}}},
			"redis": {Name: "redis", ContainerSpec: types.ContainerSpec{Secrets: []types.ServiceSecretConfig{{Source: "lost"}}}},
		},
		Secrets: types.Secrets{
			"keys": file("keys", 0o600), "open": file("open", 0o644), "lost": {File: filepath.Join(dir, "lost")}, "folder": {File: dir},
			"env": {Environment: "KEY"},
		},
	}
	got := strings.ReplaceAll(text(checkSecrets(t.Context(), Input{Project: project})...), dir, "/s")
	want := `fail secret "folder" of no active service: "/s" is a folder -> remove it, then go tool mage setup
fail secret "lost" of api, redis: there is no file "/s/lost" -> go tool mage setup
warn secret "open" of api: others may read "/s/open" (mode 0644) -> chmod 600 /s/open
`
	if got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestPorts(t *testing.T) {
	project := &types.Project{Name: "coach", Services: types.Services{
		"api":     publishing("api", []types.ServicePortConfig{{Published: "8000", HostIP: "127.0.0.1"}, {Published: ""}}...),
		"livekit": publishing("livekit", []types.ServicePortConfig{{Published: "7880-7881", Protocol: "tcp"}, {Published: "7882", Protocol: "udp"}}...),
	}}
	publishes := func(name, project, ip string, number uint16, kind string) container.Summary {
		return container.Summary{
			Names: []string{"/" + name}, Labels: map[string]string{"com.docker.compose.project": project},
			Ports: []container.PortSummary{{IP: netip.MustParseAddr(ip), PublicPort: number, Type: kind}},
		}
	}
	for name, c := range map[string]struct {
		containers []container.Summary
		busy       int
		want       string
	}{
		"all free": {nil, 0, "ok 4 ports on the host: 4 free, 0 held by this project\n"},
		"our own": {
			[]container.Summary{publishes("coach-api-1", "coach", "127.0.0.1", 8000, "tcp")},
			8000,
			"ok 4 ports on the host: 3 free, 1 held by this project\n",
		},
		"another container, everywhere": {
			[]container.Summary{publishes("shop-web-1", "shop", "0.0.0.0", 8000, "tcp")},
			8000,
			"fail port 127.0.0.1:8000/tcp of api is held by container shop-web-1 -> docker stop shop-web-1\n",
		},
		"another address":  {[]container.Summary{publishes("shop-web-1", "shop", "127.0.0.2", 8000, "tcp")}, 0, "ok 4 ports on the host: 4 free, 0 held by this project\n"},
		"another protocol": {[]container.Summary{publishes("shop-web-1", "shop", "0.0.0.0", 7882, "tcp")}, 0, "ok 4 ports on the host: 4 free, 0 held by this project\n"},
		"a process":        {nil, 7881, "fail port :7881/tcp of livekit is held by sshd (process 7) -> stop it, or give livekit another port\n"},
	} {
		t.Run(name, func(t *testing.T) {
			got := text(ports("coach", wantedPorts(project), c.containers, func(p hostport.Port) bool { return p.Number == c.busy }, func(hostport.Port) string { return "sshd (process 7)" })...)
			if got != c.want {
				t.Errorf("got:\n%swant:\n%s", got, c.want)
			}
		})
	}
}

func TestLogs(t *testing.T) {
	project := &types.Project{Services: types.Services{
		"bounded": {Name: "bounded", ContainerSpec: types.ContainerSpec{Logging: &types.LoggingConfig{Driver: "json-file", Options: types.Options{"max-size": "10m"}}}},
		"endless": {Name: "endless", ContainerSpec: types.ContainerSpec{Logging: &types.LoggingConfig{Driver: "json-file"}}},
		"default": {Name: "default"},
		"local":   {Name: "local", ContainerSpec: types.ContainerSpec{Logging: &types.LoggingConfig{Driver: "local"}}},
	}}
	for fallback, want := range map[string]string{"json-file": "the logs of default, endless", "local": "the logs of endless"} {
		if got := rotation(project, fallback); len(got) != 1 || got[0].Level != Warning || !strings.HasSuffix(got[0].Text, want) {
			t.Errorf("%s: %s", fallback, text(got...))
		}
	}
	delete(project.Services, "endless")
	if got := rotation(project, "local"); got[0].Level != OK {
		t.Errorf("got %s", text(got...))
	}
	dir := t.TempDir()
	for name, size := range map[string]int64{"a-json.log": 60 << 20, "a-json.log.1": 50 << 20, "b.log": 1 << 30} {
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(f.Truncate(size), f.Close()); err != nil { // sparse
			t.Fatal(err)
		}
	}
	if got := text(logSize("redis", sizeOfLogs(filepath.Join(dir, "a-json.log")))); !strings.HasPrefix(got, "warn the logs of redis take 110MiB") {
		t.Errorf("got %s", got)
	}
}

// engineOf is an engine with nothing on it.
type engineOf struct{ API }

func (engineOf) ContainerList(context.Context, client.ContainerListOptions) (client.ContainerListResult, error) {
	return client.ContainerListResult{}, nil
}

func (engineOf) DiskUsage(context.Context, client.DiskUsageOptions) (client.DiskUsageResult, error) {
	return client.DiskUsageResult{}, nil
}

func TestCheckGivesTheFirstFailuresCode(t *testing.T) {
	in := Input{API: engineOf{}, Host: "tcp://build:2376", Machine: engine.Machine{CPUs: 8, Memory: 32 << 30}, LoadErr: errors.New("compose.yaml:3: bad\nmore")}
	in.Info.ServerVersion, in.Info.Driver, in.Info.CgroupVersion = "28.0.1", "overlay2", "2"
	var b bytes.Buffer
	err := Check(t.Context(), in, ui.New(&b))
	var f *fault.Error
	if !errors.As(err, &f) || f.Code != fault.Builder {
		t.Fatalf("got %v", err)
	}
	golden.Check(t, "failures.txt", b.String()+"\nerror: "+err.Error()+"\n")
}

func publishing(name string, ports ...types.ServicePortConfig) types.ServiceConfig {
	s := types.ServiceConfig{Name: name}
	s.Ports = ports
	return s
}
