//go:build integration

package doctor

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"

	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/enginetest"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/ui"
)

const project = "watchclean-doctor"

func publish(t *testing.T, e *engine.Engine, owner, number string) {
	t.Helper()
	in := network.MustParsePort("80/tcp")
	enginetest.Container(t, e, owner+"-web-1",
		&container.Config{
			Image: project + ":test", Labels: enginetest.Labels(owner, "web", "False"),
			ExposedPorts: network.PortSet{in: struct{}{}},
		},
		&container.HostConfig{
			NetworkMode: project,
			PortBindings: network.PortMap{
				in: []network.PortBinding{{HostIP: netip.MustParseAddr("127.0.0.1"), HostPort: number}},
			},
		}, true)
}

// freePort is one that nobody listened on a moment ago.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, number, _ := net.SplitHostPort(l.Addr().String())
	return number
}

func TestCheckOnARealEngine(t *testing.T) {
	e := enginetest.Connect(t)
	enginetest.Image(t, e, project+":test", nil)
	enginetest.Network(t, e, project, nil)
	mine, others := freePort(t), freePort(t)
	context := t.TempDir()
	if err := os.WriteFile(filepath.Join(context, "Dockerfile"), []byte("FROM scratch\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	publish(t, e, project, mine)
	publish(t, e, project+"-other", others)
	model := func(ports ...string) *types.Project {
		web := types.ServiceConfig{Name: "web", ContainerSpec: types.ContainerSpec{Image: project + ":test"}}
		for _, p := range ports {
			web.Ports = append(web.Ports, types.ServicePortConfig{HostIP: "127.0.0.1", Published: p, Target: 80})
		}
		built := types.ServiceConfig{Name: "built", WorkloadSpec: types.WorkloadSpec{
			Build: &types.BuildConfig{Context: context, Dockerfile: "Dockerfile"},
		}}
		return &types.Project{Name: project, Services: types.Services{"web": web, "built": built}}
	}
	in := Input{
		API: e, Host: e.Host, Local: e.Local(), Info: e.Info, Machine: e.Machine(), StateDir: t.TempDir(),
		Builder: "unix:///nonexistent/buildkitd.sock",
	}

	var b bytes.Buffer
	in.Project = model(mine, freePort(t))
	r, err := Check(t.Context(), in, ui.New(&b))
	if err == nil {
		err = r.Verdict()
	}
	var f *fault.Error
	if !errors.As(err, &f) || f.Code != fault.Builder || strings.Count(b.String(), "✗") != 1 {
		t.Errorf("want only the builder to fail, got %v\n%s", err, b.String())
	}
	for _, want := range []string{
		"✓ engine " + e.Info.ServerVersion, "2 ports on the host: 1 free, 1 held by this project", "engine disk (" +
			e.Info.DockerRootDir + ")",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("nothing says %q:\n%s", want, b.String())
		}
	}
	t.Log("\n" + b.String())

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, ours, _ := net.SplitHostPort(l.Addr().String())
	in.Project = model(mine, others, ours)
	got := text(checkPorts(t.Context(), in)...)
	for _, want := range []string{
		"web: port 127.0.0.1:" + others + "/tcp is held by container " + project + "-other-web-1",
		"web: port 127.0.0.1:" + ours + "/tcp is held by doctor.test (process ",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("nothing says %q:\n%s", want, got)
		}
	}
}
