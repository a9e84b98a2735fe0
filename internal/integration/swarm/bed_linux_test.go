//go:build integration && linux

package swarm

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	bed "github.com/25eloquence/compose-mage/internal/enginetest/swarm"
	stack "github.com/25eloquence/compose-mage/stack/swarm"
)

// TestMain is also the process that deploys and is killed.
func TestMain(m *testing.M) {
	if os.Getenv("SWARM_DEPLOYS") != "" {
		if _, err := stack.Deploy(context.Background(), stack.Options{}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	code := m.Run()
	if closeBed != nil {
		if err := closeBed(); err != nil {
			fmt.Fprintln(os.Stderr, "closing the Swarm:", err)
			code = max(code, 1)
		}
	}
	os.Exit(code)
}

var closeBed func() error

// startBed starts the Swarm that all tests share: three managers and a registry.
var startBed = sync.OnceValues(func() (*bed.Swarm, error) {
	dir, err := os.MkdirTemp("", "swarm")
	if err != nil {
		return nil, err
	}
	s, err := bed.Start(context.Background(), bed.Options{Nodes: 3, Managers: 3, Dir: dir, Registry: true})
	if err != nil {
		_ = os.RemoveAll(dir)
		return nil, err
	}
	closeBed = func() error {
		if err := s.Close(); err != nil {
			return err
		}
		return os.RemoveAll(dir)
	}
	_, err = s.Image(context.Background(), "probe:1")
	return s, err
})

// project is one that is deployed from a directory of the test's own, the working directory.
type project struct {
	*bed.Swarm
	t    *testing.T
	name string
	dir  string
}

// newProject has the test deploy a project of that name, and nothing of it left at the end.
func newProject(t *testing.T, name, file string) *project {
	t.Helper()
	s, err := startBed()
	if err != nil {
		t.Fatalf("this test needs a Swarm: %v", err)
	}
	p := &project{Swarm: s, t: t, name: name, dir: t.TempDir()}
	t.Chdir(p.dir)
	t.Setenv("DOCKER_HOST", s.Nodes[0].Host)
	t.Setenv("PROBE", s.Registry+"/probe:1")
	p.write("compose.yaml", "name: "+name+"\n"+file)
	t.Cleanup(p.remove)
	return p
}

func (p *project) write(name, text string) {
	p.t.Helper()
	if err := os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

// api is the engine of the node that deploys go to.
func (p *project) api() *client.Client { return p.Nodes[0].Client }

func (p *project) mine() client.Filters {
	return make(client.Filters).Add("label", "com.docker.stack.namespace="+p.name)
}

// remove removes what the project has on the Swarm.
func (p *project) remove() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	services, err := p.api().ServiceList(ctx, client.ServiceListOptions{Filters: p.mine()})
	if err != nil {
		p.t.Errorf("listing what is to be removed: %v", err)
	}
	for _, s := range services.Items {
		_, _ = p.api().ServiceRemove(ctx, s.ID, client.ServiceRemoveOptions{})
	}
	networks, _ := p.api().NetworkList(ctx, client.NetworkListOptions{Filters: p.mine()})
	for _, n := range networks.Items {
		err := p.Until(ctx, "network "+n.Name+" is removed", func() (bool, error) {
			_, err := p.api().NetworkRemove(ctx, n.ID, client.NetworkRemoveOptions{})
			if cerrdefs.IsNotFound(err) || cerrdefs.IsInternal(err) {
				return true, nil // the Swarm has it no more, and its nodes list it for a while longer
			}
			return err == nil, err
		})
		if err != nil {
			p.t.Error(err)
		}
	}
	secrets, _ := p.api().SecretList(ctx, client.SecretListOptions{Filters: p.mine()})
	for _, s := range secrets.Items {
		_, _ = p.api().SecretRemove(ctx, s.ID, client.SecretRemoveOptions{})
	}
}

// deploy deploys, and gives what it said, the time that it took, and its error.
func (p *project) deploy(timeout time.Duration) (stack.Plan, time.Duration, error) {
	p.t.Helper()
	var out bytes.Buffer
	began := time.Now()
	plan, err := stack.Deploy(p.t.Context(), stack.Options{Output: &out, Timeout: timeout})
	took := time.Since(began)
	p.t.Logf("deploy, %s:\n%s", took.Round(time.Millisecond), out.String())
	return plan, took, err
}

func (p *project) mustDeploy() stack.Plan {
	p.t.Helper()
	plan, _, err := p.deploy(2 * time.Minute)
	if err != nil {
		p.t.Fatal(err)
	}
	return plan
}

// tasks are the service's that should run, of all services where it is "".
func (p *project) tasks(service string) []swarm.Task {
	p.t.Helper()
	filters := p.mine()
	if service != "" {
		filters.Add("service", p.name+"_"+service)
	}
	filters.Add("desired-state", "running")
	got, err := p.api().TaskList(p.t.Context(), client.TaskListOptions{Filters: filters})
	if err != nil {
		p.t.Fatal(err)
	}
	return got.Items
}

// answers is what the probe's load prints.
type answers struct {
	Requests, Failed int
	Addresses        map[string]int
	Errors           []string
}

// load has a container on the first node ask target for so many answers a second; the function that it returns ends
// that and says what came.
func (p *project) load(target string, rate int) func() answers {
	p.t.Helper()
	made, err := p.api().ContainerCreate(p.t.Context(), client.ContainerCreateOptions{
		Config:     &container.Config{Image: "probe:1", Cmd: []string{"load", target, strconv.Itoa(rate)}},
		HostConfig: &container.HostConfig{NetworkMode: container.NetworkMode(p.name + "_default")},
	})
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { // before the network is removed
		_, _ = p.api().ContainerRemove(context.Background(), made.ID, client.ContainerRemoveOptions{Force: true})
	})
	if _, err := p.api().ContainerStart(p.t.Context(), made.ID, client.ContainerStartOptions{}); err != nil {
		p.t.Fatal(err)
	}
	time.Sleep(time.Second)
	return func() (got answers) {
		p.t.Helper()
		if _, err := p.api().ContainerStop(p.t.Context(), made.ID, client.ContainerStopOptions{}); err != nil {
			p.t.Fatal(err)
		}
		logs, err := p.api().ContainerLogs(p.t.Context(), made.ID, client.ContainerLogsOptions{ShowStdout: true})
		if err != nil {
			p.t.Fatal(err)
		}
		defer logs.Close()
		var out strings.Builder
		if _, err := stdcopy.StdCopy(&out, io.Discard, logs); err != nil {
			p.t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(out.String()), &got); err != nil {
			p.t.Fatalf("reading %q: %v", out.String(), err)
		}
		return got
	}
}

// times is how often a test does what it does: by the variable, few without.
func times(t *testing.T, variable string, few int) int {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return few
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", variable, err)
	}
	return n
}
