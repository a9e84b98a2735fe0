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
	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/diskspace"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/extension"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/finding"
	"github.com/25eloquence/compose-mage/internal/golden"
	"github.com/25eloquence/compose-mage/internal/hostport"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// text is a result in one line, for comparison.
func text(rs ...finding.Finding) string {
	var b strings.Builder
	for _, r := range rs {
		fmt.Fprintf(&b, "%s %s", []string{"ok", "info", "warn", "fail"}[r.Severity], r.Text())
		if r.Remedy != "" {
			b.WriteString(" -> " + r.Remedy)
		}
		b.WriteString("\n")
	}
	return b.String()
}

// TestMachine holds machines against what the Compose file says, here 25Eloquence's numbers; a stack that says
// nothing needs nothing.
func TestMachine(t *testing.T) {
	ours := extension.Needs{Memory: 16 << 30, MemoryRecommended: 32 << 30, CPUs: 8, CPUsRecommended: 16}
	for name, c := range map[string]struct {
		m     engine.Machine
		needs extension.Needs
		want  string
	}{
		"small": {
			engine.Machine{Memory: 8 << 30, CPUs: 4},
			ours,
			"warn 8GiB of memory (the Compose file needs 16GiB for everything at full size, and recommends 32GiB) " +
				"-> go tool mage fit shows the limits that fit the machine\n" +
				"warn 4 CPUs (the Compose file needs 8 for everything at full size, and recommends 16) " +
				"-> go tool mage fit shows the limits that fit the machine\n",
		},
		"sold as 16 GB, 15.5 left": {
			engine.Machine{Memory: 31 << 29, CPUs: 8},
			ours,
			"ok 15.5GiB of memory (the Compose file needs 16GiB for everything at full size, and recommends 32GiB)\n" +
				"ok 8 CPUs (the Compose file needs 8 for everything at full size, and recommends 16)\n",
		},
		"somebody else's stack": {
			engine.Machine{Memory: 1 << 30, CPUs: 1}, extension.Needs{}, "ok 1GiB of memory\nok 1 CPU\n",
		},
		"only recommended": {
			engine.Machine{Memory: 1 << 30, CPUs: 1},
			extension.Needs{CPUsRecommended: 1.5},
			"ok 1GiB of memory\nok 1 CPU (the Compose file recommends 1.5)\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := text(machine(c.m, c.needs)...); got != c.want {
				t.Errorf("got:\n%swant:\n%s", got, c.want)
			}
		})
	}
}

// The limits of all containers count, and are held against the machine.
func TestSumsOfLimits(t *testing.T) {
	three := 3
	web := types.ServiceConfig{Name: "web", Scale: &three, ContainerSpec: types.ContainerSpec{MemLimit: 1 << 30}}
	in := Input{
		Project: &types.Project{Services: types.Services{"web": web}},
		Machine: engine.Machine{Memory: 2 << 30, CPUs: 2},
	}
	if got := text(checkMachine(t.Context(), in)...); !strings.Contains(got,
		"warn the memory limits add up to 3GiB, above the machine's 2GiB") {
		t.Errorf("got %s", got)
	}
}

func TestDisk(t *testing.T) {
	reclaim := func() []reclaimable { return []reclaimable{{"images", 1 << 30}, {"build cache", 20 << 30}} }
	for name, c := range map[string]struct {
		space  diskspace.Space
		needed int64
		level  finding.Severity
		part   string
	}{
		"roomy": {
			diskspace.Space{Free: 50 << 30, Total: 100 << 30}, 0, finding.OK, "50GiB of 100GiB free (50 %)",
		},
		"less than needed": {
			diskspace.Space{Free: 50 << 30, Total: 100 << 30},
			100 << 30, finding.Warning,
			"the Compose file needs 100GiB free",
		},
		"under a tenth": {
			diskspace.Space{Free: 40 << 30, Total: 1000 << 30}, 0, finding.Warning, "20GiB of build cache could go",
		},
		"under 10 GiB": {diskspace.Space{Free: 9 << 30, Total: 20 << 30}, 0, finding.Warning, "build cache"},
		"under 2 GiB":  {diskspace.Space{Free: 1 << 30, Total: 20 << 30}, 0, finding.Failure, "build cache"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := disk("engine", "/var/lib/docker", c.space, reclaim(), c.needed); got.Severity != c.level ||
				!strings.Contains(got.Evidence, c.part) {
				t.Errorf("got %s", text(got))
			}
		})
	}
}

func TestRegistry(t *testing.T) {
	for status, want := range map[int]finding.Severity{
		200: finding.OK, 401: finding.OK, 404: finding.Failure, 502: finding.Failure,
	} {
		if got := registryAnswer("r", status); got.Severity != want {
			t.Errorf("%d: %s", status, text(got))
		}
	}
	server := httptest.NewServer(nil) // a server that is no registry: 404
	defer server.Close()
	address := strings.TrimPrefix(server.URL, "http://")
	if got := checkRegistry(t.Context(), Input{Registry: address}); len(got) != 1 ||
		!strings.Contains(got[0].Evidence, "answers 404 Not Found to /v2/") {
		t.Errorf("got %s", text(got...))
	}
	server.Close()
	if got := checkRegistry(t.Context(), Input{Registry: address}); len(got) != 1 || got[0].Code != fault.Registry ||
		!strings.Contains(got[0].Evidence, "does not answer") {
		t.Errorf("got %s", text(got...))
	}
}

func TestPorts(t *testing.T) {
	project := &types.Project{Name: "coach", Services: types.Services{
		"api": publishing("api",
			[]types.ServicePortConfig{{Published: "8000", HostIP: "127.0.0.1"}, {Published: ""}}...),
		"livekit": publishing("livekit",
			[]types.ServicePortConfig{
				{Published: "7880-7881", Protocol: "tcp"}, {Published: "7882", Protocol: "udp"},
			}...),
	}}
	publishes := func(name, project, ip string, number uint16, kind string) moby.Summary {
		return moby.Summary{
			Names: []string{"/" + name}, Labels: map[string]string{"com.docker.compose.project": project},
			Ports: []moby.PortSummary{{IP: netip.MustParseAddr(ip), PublicPort: number, Type: kind}},
		}
	}
	for name, c := range map[string]struct {
		containers []moby.Summary
		busy       int
		want       string
	}{
		"all free": {nil, 0, "ok 4 ports on the host: 4 free, 0 held by this project\n"},
		"our own": {
			[]moby.Summary{publishes("coach-api-1", "coach", "127.0.0.1", 8000, "tcp")},
			8000,
			"ok 4 ports on the host: 3 free, 1 held by this project\n",
		},
		"another container, everywhere": {
			[]moby.Summary{publishes("shop-web-1", "shop", "0.0.0.0", 8000, "tcp")},
			8000,
			"fail api: port 127.0.0.1:8000/tcp is held by container shop-web-1 -> docker stop shop-web-1\n",
		},
		"another address": {
			[]moby.Summary{publishes("shop-web-1", "shop", "127.0.0.2", 8000, "tcp")},
			0,
			"ok 4 ports on the host: 4 free, 0 held by this project\n",
		},
		"another protocol": {
			[]moby.Summary{publishes("shop-web-1", "shop", "0.0.0.0", 7882, "tcp")},
			0,
			"ok 4 ports on the host: 4 free, 0 held by this project\n",
		},
		"a process": {
			nil, 7881,
			"fail livekit: port :7881/tcp is held by sshd (process 7) -> stop it, or give livekit another port\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := text(ports("coach", wantedPorts(project), c.containers,
				func(p hostport.Port) bool { return p.Number == c.busy },
				func(hostport.Port) string { return "sshd (process 7)" })...)
			if got != c.want {
				t.Errorf("got:\n%swant:\n%s", got, c.want)
			}
		})
	}
}

func TestLogs(t *testing.T) {
	project := &types.Project{Services: types.Services{
		"bounded": {
			Name: "bounded",
			ContainerSpec: types.ContainerSpec{
				Logging: &types.LoggingConfig{Driver: "json-file", Options: types.Options{"max-size": "10m"}},
			},
		},
		"endless": {
			Name: "endless", ContainerSpec: types.ContainerSpec{Logging: &types.LoggingConfig{Driver: "json-file"}},
		},
		"default": {Name: "default"},
		"local":   {Name: "local", ContainerSpec: types.ContainerSpec{Logging: &types.LoggingConfig{Driver: "local"}}},
	}}
	for fallback, want := range map[string]string{"json-file": "default, endless: ", "local": "endless: "} {
		if got := rotation(project, fallback); len(got) != 1 || got[0].Severity != finding.Warning ||
			!strings.HasPrefix(got[0].Text(), want) {
			t.Errorf("%s: %s", fallback, text(got...))
		}
	}
	delete(project.Services, "endless")
	if got := rotation(project, "local"); got[0].Severity != finding.OK {
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
	if got := text(logSize("redis", sizeOfLogs(filepath.Join(dir, "a-json.log")))); !strings.HasPrefix(got,
		"warn redis: its logs take 110MiB") {
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
	in := Input{
		API: engineOf{}, Host: "tcp://build:2376", Machine: engine.Machine{CPUs: 8, Memory: 32 << 30},
		LoadErr: errors.New("compose.yaml:3: bad\nmore"),
	}
	in.Info.ServerVersion, in.Info.Driver, in.Info.CgroupVersion = "28.0.1", "overlay2", "2"
	var b bytes.Buffer
	r, err := Check(t.Context(), in, ui.New(&b))
	if err == nil {
		err = r.Verdict()
	}
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

// TestNoBuilderIsWantedWhereNothingIsBuilt holds that a stack of others' images has no need of a builder and its cache.
func TestNoBuilderIsWantedWhereNothingIsBuilt(t *testing.T) {
	of := func(build *types.BuildConfig) *types.Project {
		web := types.ServiceConfig{Name: "web", WorkloadSpec: types.WorkloadSpec{Build: build}}
		return &types.Project{Services: types.Services{"db": {Name: "db"}, "web": web}}
	}
	for name, c := range map[string]struct {
		project *types.Project
		want    int
	}{
		"others' images":            {of(nil), 0},
		"one that is built":         {of(&types.BuildConfig{}), 1},
		"files that could not load": {nil, 1},
	} {
		in := Input{Project: c.project, Registry: "127.0.0.1:1"}
		if got := checkBuilder(t.Context(), in); len(got) != c.want {
			t.Errorf("%s: builder: %s", name, text(got...))
		}
		if got := checkRegistry(t.Context(), in); len(got) != c.want {
			t.Errorf("%s: registry: %s", name, text(got...))
		}
	}
}
