package doctor

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	controlapi "github.com/moby/buildkit/api/services/control"
	buildkit "github.com/moby/buildkit/api/types"
	moby "github.com/moby/moby/api/types/container"
	"google.golang.org/grpc"

	"github.com/25eloquence/compose-mage/internal/compose"
	"github.com/25eloquence/compose-mage/internal/composetest"
	"github.com/25eloquence/compose-mage/internal/diskspace"
	"github.com/25eloquence/compose-mage/internal/doctor/check"
	"github.com/25eloquence/compose-mage/internal/doctor/fixture"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/extension"
	"github.com/25eloquence/compose-mage/internal/finding"
	"github.com/25eloquence/compose-mage/internal/hostport"
)

// control is a BuildKit that says what it is, and does nothing.
type control struct {
	controlapi.UnimplementedControlServer
}

func (control) Info(context.Context, *controlapi.InfoRequest) (*controlapi.InfoResponse, error) {
	return &controlapi.InfoResponse{BuildkitVersion: &buildkit.BuildkitVersion{Version: "v0.0.1"}}, nil
}

func (control) ListWorkers(context.Context, *controlapi.ListWorkersRequest) (*controlapi.ListWorkersResponse, error) {
	return &controlapi.ListWorkersResponse{Record: []*buildkit.WorkerRecord{{ID: "one"}}}, nil
}

// builderAt starts one, and gives its address.
func builderAt(t *testing.T) string {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "b.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer()
	controlapi.RegisterControlServer(s, control{})
	go func() { _ = s.Serve(l) }()
	t.Cleanup(s.Stop)
	return "unix://" + socket
}

// TestRulesHaveFixtures holds each rule against what it finds and the nearest that it does not.
func TestRulesHaveFixtures(t *testing.T) {
	of := func(all ...finding.Finding) []check.Finding { return fixture.Found(all) }
	ctx := t.Context()
	needs := extension.Needs{Memory: 16 << 30, CPUs: 8}
	sized := func(memory int64, cpus int) []check.Finding {
		return of(machine(engine.Machine{Memory: memory, CPUs: cpus}, needs)...)
	}
	limits := func(cpus int) []check.Finding {
		p := composetest.Load(t, "services: {a: {image: x, cpus: 2}, b: {image: x, cpus: 2}}\n")
		return of(checkMachine(ctx, Input{Project: p, Machine: engine.Machine{CPUs: cpus, Memory: 1 << 30}})...)
	}
	space := func(what string, free int64) []check.Finding {
		return of(disk(what, "/x", diskspace.Space{Free: free, Total: 100 << 30}, nil, 0))
	}
	registered := func(status int) []check.Finding {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
		}))
		defer s.Close()
		return of(checkRegistry(ctx, Input{Registry: strings.TrimPrefix(s.URL, "http://")})...)
	}
	built := func(address string) []check.Finding { return of(checkBuilder(ctx, Input{Builder: address})...) }
	project := func(change func(*Input)) []check.Finding {
		in := Input{Project: &types.Project{Name: "p"}}
		change(&in)
		return of(checkProject(ctx, in)...)
	}
	source := func(text string) []check.Finding {
		return of(checkBuilds(ctx, Input{Project: composetest.Load(t, text)})...)
	}
	port := func(busy bool) []check.Finding {
		p := composetest.Load(t, "services: {a: {image: x, ports: ['80:80']}}\n")
		return of(ports("p", wantedPorts(p), []moby.Summary{}, func(hostport.Port) bool { return busy },
			func(hostport.Port) string { return "sshd (process 7)" })...)
	}
	logs := func(driver string) []check.Finding {
		return of(rotation(composetest.Load(t, "services: {a: {image: x}}\n"), driver)...)
	}
	fixture.HoldAll(t, map[string]fixture.Fixture{
		"machine.memory": fixture.Of(sized(13<<30, 8), sized(14<<30, 8)),
		"machine.cpus":   fixture.Of(sized(16<<30, 7), sized(16<<30, 8)),
		"limits.sum":     fixture.Of(limits(3), limits(4)),
		"builder.reach":  fixture.Of(built(""), built(builderAt(t))),
		"registry.reach": fixture.Of(registered(http.StatusBadGateway), registered(http.StatusOK)),
		"disk.engine":    fixture.Of(space("engine", 10<<30-1), space("engine", 10<<30)),
		"disk.state":     fixture.Of(space("state", 10<<30-1), space("state", 10<<30)),
		"project.load": fixture.Of(project(func(in *Input) { in.LoadErr = context.Canceled }),
			project(func(*Input) {})),
		"project.notice": fixture.Of(project(func(in *Input) { in.Notices = []string{"clamped"} }),
			project(func(*Input) {})),
		"project.key": fixture.Of(project(func(in *Input) {
			in.IgnoredKeys = []compose.IgnoredKey{{Service: "a", Path: "x"}}
		}),
			project(func(*Input) {})),
		"build.source": fixture.Of(source("services: {a: {build: ./lost}}\n"),
			source("services: {a: {build: {context: ., dockerfile_inline: FROM scratch}}}\n")),
		"port.taken":    fixture.Of(port(true), port(false)),
		"logs.rotation": fixture.Of(logs("json-file"), logs("local")),
		"logs.size":     fixture.Of(of(logSize("a", bigLog+1)), of(logSize("a", bigLog))),
	})
}
