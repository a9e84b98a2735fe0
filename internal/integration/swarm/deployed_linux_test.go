//go:build integration && linux

package swarm

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	stack "github.com/25eloquence/compose-mage/stack/swarm"
)

// herd is one service of each mode: db stays on the second node, agent is on each, and init ends.
const herd = `
services:
  db:
    image: ${PROBE}
    command: [serve, "8080", "200", "0"]
    healthcheck: {test: [CMD, /probe, health, "0", "0"], interval: 1s, retries: 2}
    volumes: [data:/data]
    deploy: {endpoint_mode: dnsrr, placement: {constraints: [node.hostname==node2]}}
  web:
    image: ${PROBE}
    command: [say, "web speaks", "100000", "200"]
    stop_grace_period: 1s
    depends_on: {db: {condition: service_healthy}}
    deploy: {replicas: 2, endpoint_mode: dnsrr, resources: {limits: {memory: 64M}, reservations: {cpus: "0.05"}}}
  agent:
    image: ${PROBE}
    command: [sleep]
    depends_on: [web]
    deploy: {mode: global, endpoint_mode: dnsrr}
  init:
    image: ${PROBE}
    command: [exit, "0"]
    deploy: {mode: replicated-job, endpoint_mode: dnsrr}
volumes:
  data:
`

// lines is an output that a test reads while it is written.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// found is the deployed stack that the targets would be about.
func (p *project) found(o stack.FindOptions) *stack.Stack {
	p.t.Helper()
	s, is, err := stack.Find(stack.KeepEngine(p.t.Context()), o)
	if err != nil || !is {
		p.t.Fatalf("finding the stack: %v, deployed %t", err, is)
	}
	return s
}

func (p *project) status() stack.StatusReport {
	p.t.Helper()
	r, err := p.found(stack.FindOptions{Output: io.Discard}).Status(p.t.Context(), nil)
	if err != nil {
		p.t.Fatal(err)
	}
	return r
}

// awaitStatus asks for the status until ok likes it.
func (p *project) awaitStatus(what string, ok func(stack.StatusReport) bool) stack.StatusReport {
	p.t.Helper()
	var r stack.StatusReport
	ctx, cancel := context.WithTimeout(p.t.Context(), time.Minute)
	defer cancel()
	err := p.Until(ctx, what, func() (bool, error) {
		r = p.status()
		return ok(r), nil
	})
	if err != nil {
		p.t.Fatalf("%v: %s", err, printed(r))
	}
	return r
}

func printed(r interface{ Print(io.Writer) }) string {
	var b bytes.Buffer
	r.Print(&b)
	return b.String()
}

func service(r stack.StatusReport, name string) stack.ServiceStatus {
	i := slices.IndexFunc(r.Services, func(s stack.ServiceStatus) bool { return s.Service == name })
	if i < 0 {
		return stack.ServiceStatus{}
	}
	return r.Services[i]
}

// containers are those of the project's tasks that run, on all nodes: service@node.
func (p *project) containers() (out []string) {
	p.t.Helper()
	for _, n := range p.Nodes {
		got, err := n.Client.ContainerList(p.t.Context(), client.ContainerListOptions{Filters: p.mine()})
		if err != nil {
			p.t.Fatal(err)
		}
		for _, c := range got.Items {
			name := strings.TrimPrefix(c.Labels["com.docker.swarm.service.name"], p.name+"_")
			out = append(out, name+"@"+n.Name)
		}
	}
	slices.Sort(out)
	return out
}

// change gives a service another specification, behind our back.
func (p *project) change(name string, edit func(*swarm.ServiceSpec)) {
	p.t.Helper()
	found, err := p.api().ServiceInspect(p.t.Context(), p.name+"_"+name, client.ServiceInspectOptions{})
	if err != nil {
		p.t.Fatal(err)
	}
	spec := found.Service.Spec
	edit(&spec)
	_, err = p.api().ServiceUpdate(p.t.Context(), found.Service.ID, client.ServiceUpdateOptions{
		Version: found.Service.Version, Spec: spec,
	})
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *project) addresses() string {
	var out []string
	for _, n := range p.Nodes[1:] {
		out = append(out, n.Name+"="+n.Host)
	}
	return strings.Join(out, ",")
}

// What is asked of a deployed stack is answered for every node.
func TestIntegrationDeployedStatusLogsMonitor(t *testing.T) {
	p := newProject(t, "herd", herd)
	p.mustDeploy()
	r := p.status()
	t.Log("\n" + printed(r))
	if !r.Fine || r.Err() != nil || len(r.Services) != 4 || len(r.Tasks) != 7 {
		t.Errorf("after a deploy: %+v", r)
	}
	if db := service(r, "db"); db.Running != 1 || len(db.Digest) != 12 || !strings.HasSuffix(db.Image, "/probe:1") {
		t.Errorf("db: %+v", db)
	}
	if service(r, "init").Condition != "done" || service(r, "agent").Running != 3 {
		t.Errorf("init and agent: %+v", r.Services)
	}

	var out, notes lines
	s := p.found(stack.FindOptions{Output: &out, Errors: &notes})
	if err := s.Logs(t.Context(), stack.LogsOptions{Services: []string{"web"}, Tail: "2"}); err != nil {
		t.Fatal(err)
	}
	for _, task := range r.Tasks {
		want := 0
		if task.Service == "web" {
			want = 2
		}
		if got := strings.Count(out.String(), task.Name+"@"+task.Node+" | web speaks\n"); got != want {
			t.Errorf("%d lines of %s, want %d:\n%s%s", got, task.Name, want, out.String(), notes.String())
		}
	}

	watching, end := context.WithCancel(t.Context())
	defer end()
	var followed lines
	follow := p.found(stack.FindOptions{Output: &followed, Errors: &notes})
	ended := make(chan error, 1)
	go func() {
		ended <- follow.Logs(watching, stack.LogsOptions{Services: []string{"web"}, Tail: "0", Follow: true})
	}()
	p.change("web", func(spec *swarm.ServiceSpec) { *spec.Mode.Replicated.Replicas = 3 })
	waiting, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	if err := p.Until(waiting, "lines of a task that came later", func() (bool, error) {
		return strings.Contains(followed.String(), "web.3@"), nil
	}); err != nil {
		t.Errorf("%v:\n%s%s", err, followed.String(), notes.String())
	}
	end()
	if err := <-ended; err != nil {
		t.Errorf("a follower that is ended: %v", err)
	}

	for name, addresses := range map[string]string{"alone": "", "with addresses": p.addresses()} {
		snapshot, err := p.found(stack.FindOptions{Nodes: addresses}).Monitor(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Log("\n" + printed(snapshot))
		for _, use := range snapshot.Tasks {
			runs := use.Task.State == "running"
			if want := runs && (addresses != "" || use.Task.Node == "node1"); use.Measured != want {
				t.Errorf("%s: %s on %s measured: %t", name, use.Task.Name, use.Task.Node, use.Measured)
			}
			if use.Task.Service == "web" && use.Limit != 64<<20 {
				t.Errorf("%s: %+v", name, use)
			}
		}
		for _, n := range snapshot.Nodes {
			if want := addresses == "" && n.Name != "node1"; (n.Unasked != "") != want {
				t.Errorf("%s: node %s is not asked: %q", name, n.Name, n.Unasked)
			}
		}
		if len(snapshot.Findings) > 0 {
			t.Errorf("%s: %q", name, snapshot.Findings)
		}
	}
}

// A service that fails is named with its node, its exit code in words, and the command that helps.
func TestIntegrationDeployedStatusOfWhatFails(t *testing.T) {
	p := newProject(t, "ill", herd)
	p.mustDeploy()
	p.change("web", func(spec *swarm.ServiceSpec) {
		spec.TaskTemplate.ContainerSpec.Args = []string{"exit", "3"}
		spec.UpdateConfig = &swarm.UpdateConfig{FailureAction: "continue", Parallelism: 2}
	})
	r := p.awaitStatus("web fails", func(r stack.StatusReport) bool { return service(r, "web").Condition == "failing" })
	t.Log("\n" + printed(r))
	web := service(r, "web")
	if r.Fine || r.Err() == nil || !strings.Contains(web.Why, "exit 3") || web.Next != "go tool mage logs web" {
		t.Errorf("web: %+v", web)
	}
	p.change("web", func(spec *swarm.ServiceSpec) {
		spec.TaskTemplate.ContainerSpec.Args = []string{"sleep"}
		spec.TaskTemplate.Placement = &swarm.Placement{Constraints: []string{"node.labels.gpu==true"}}
	})
	p.awaitStatus("web has no node", func(r stack.StatusReport) bool {
		return service(r, "web").Condition == "no node"
	})
	p.write("compose.yaml", "name: ill\n"+strings.ReplaceAll(herd, "  init:\n", "  later:\n"))
	r = p.status()
	if r.Fine || !slices.Equal(r.Missing, []string{"later"}) || !slices.Equal(r.Orphans, []string{"init"}) {
		t.Errorf("files that differ: missing %q, orphans %q", r.Missing, r.Orphans)
	}
}

// Stop ends every task and removes nothing; restart brings back what was there, and so does a deploy.
func TestIntegrationDeployedStopRestartDeploy(t *testing.T) {
	p := newProject(t, "pause", herd)
	p.mustDeploy()
	before := p.containers()
	if len(before) != 6 {
		t.Fatalf("containers: %q", before)
	}
	stop := func() {
		t.Helper()
		var out lines
		if err := p.found(stack.FindOptions{Output: &out, Changes: "stop"}).Stop(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		t.Log("\n" + out.String())
		if !strings.HasPrefix(out.String(), "== stopping stack pause on 3 nodes of the Swarm of node1\n") {
			t.Errorf("the first line does not say what is stopped:\n%s", out.String())
		}
		if left := p.containers(); len(left) > 0 {
			t.Errorf("still running: %q", left)
		}
		for _, s := range p.status().Services {
			if want := s.Service == "init"; s.Fine != want {
				t.Errorf("stopped: %+v", s)
			}
		}
	}
	stop()
	var out lines
	s := p.found(stack.FindOptions{Output: &out, Changes: "restart"})
	if err := s.Restart(t.Context(), stack.RestartOptions{Timeout: time.Minute}); err != nil {
		t.Fatal(err)
	}
	t.Log("\n" + out.String())
	if now := p.containers(); len(now) != len(before) {
		t.Errorf("after a restart %q, before %q", now, before)
	}
	if plan := p.mustDeploy(); len(plan.Operations) != 0 {
		t.Errorf("restart left something to deploy: %+v", plan.Operations)
	}
	stop()
	p.mustDeploy()
	if now := p.containers(); len(now) != len(before) {
		t.Errorf("after a deploy %q, before %q", now, before)
	}
	if r := p.status(); !r.Fine {
		t.Errorf("after a deploy:\n%s", printed(r))
	}
}

// Restart makes new tasks of what is named alone, those of a dependency first; one that fails says why.
func TestIntegrationDeployedRestart(t *testing.T) {
	p := newProject(t, "again", herd)
	p.mustDeploy()
	ids := func() map[string][]string {
		out := map[string][]string{}
		for _, t := range p.status().Tasks {
			out[t.Service] = append(out[t.Service], t.Container)
		}
		return out
	}
	before := ids()
	s := p.found(stack.FindOptions{Output: io.Discard, Changes: "restart"})
	plan, err := s.PlanRestart(t.Context(), stack.RestartOptions{Services: []string{"web", "db"}})
	if err != nil || len(plan.Steps) != 2 || plan.Steps[0].Service != "db" || plan.Steps[0].Away == "" {
		t.Errorf("the plan: %v, %+v", err, plan)
	}
	if now := ids(); fmt.Sprint(now) != fmt.Sprint(before) {
		t.Errorf("a plan changed tasks: %v, before %v", now, before)
	}
	if err := s.Restart(t.Context(), stack.RestartOptions{Services: []string{"web", "db"}}); err != nil {
		t.Fatal(err)
	}
	now := ids()
	for name := range before {
		same := fmt.Sprint(now[name]) == fmt.Sprint(before[name])
		if restarted := name == "web" || name == "db"; same == restarted {
			t.Errorf("%s: containers %q, before %q", name, now[name], before[name])
		}
	}
	p.change("web", func(spec *swarm.ServiceSpec) {
		spec.TaskTemplate.ContainerSpec.Args = []string{"say", "I break", "1", "300"}
		spec.TaskTemplate.ContainerSpec.Command = nil
		spec.UpdateConfig = &swarm.UpdateConfig{FailureAction: "pause", Parallelism: 2}
		spec.TaskTemplate.Placement = &swarm.Placement{Constraints: []string{"node.labels.gpu==true"}}
	})
	err = s.Restart(t.Context(), stack.RestartOptions{Services: []string{"web"}})
	if err == nil || !strings.Contains(err.Error(), "no node takes it") {
		t.Errorf("a restart of what no node takes: %v", err)
	}
	p.mustDeploy()
}

// Cleanup takes what of the stack nobody has any more, on the Swarm and on each node that can be asked, and nothing of
// another's; a stack goes as a whole where it is named, and its volumes stay.
func TestIntegrationDeployedCleanup(t *testing.T) {
	p := newProject(t, "tidy", herd)
	p.mustDeploy()
	ctx := t.Context()
	ours := map[string]string{"com.docker.stack.namespace": "tidy"}
	blogs := map[string]string{"com.docker.stack.namespace": "blog"}
	for name, labels := range map[string]map[string]string{"tidy_old": ours, "theirs": blogs} {
		annotations := swarm.Annotations{Name: name, Labels: labels}
		made, err := p.api().SecretCreate(ctx, client.SecretCreateOptions{
			Spec: swarm.SecretSpec{Annotations: annotations, Data: []byte("x")},
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _, _ = p.api().SecretRemove(context.Background(), made.ID, client.SecretRemoveOptions{}) })
		o := client.NetworkCreateOptions{Driver: "overlay", Labels: labels}
		if _, err := p.api().NetworkCreate(ctx, name, o); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _, _ = p.api().NetworkRemove(context.Background(), name, client.NetworkRemoveOptions{}) })
	}
	clean := func(o stack.CleanupOptions) stack.CleanupReport {
		t.Helper()
		var out lines
		s := p.found(stack.FindOptions{Output: &out, Changes: "cleanup", Nodes: p.addresses()})
		report, err := s.Cleanup(ctx, o)
		if err != nil {
			t.Fatal(err)
		}
		t.Log("\n" + out.String())
		return report
	}
	has := func(name string) bool {
		secrets, err := p.api().SecretList(ctx, client.SecretListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.api().NetworkInspect(ctx, name, client.NetworkInspectOptions{Scope: "swarm"}); err == nil {
			return true
		}
		return slices.ContainsFunc(secrets.Items, func(s swarm.Secret) bool { return s.Spec.Name == name })
	}
	if r := clean(stack.CleanupOptions{DryRun: true}); len(r.Remove) != 2 || !has("tidy_old") {
		t.Errorf("a dry run: %+v", r.Remove)
	}
	clean(stack.CleanupOptions{})
	if has("tidy_old") || !has("theirs") || !has("tidy_default") {
		t.Errorf("old %t, theirs %t, in use %t", has("tidy_old"), has("theirs"), has("tidy_default"))
	}
	if r := p.status(); !r.Fine {
		t.Errorf("after a cleanup:\n%s", printed(r))
	}
	var out lines
	report, err := stack.Remove(stack.KeepEngine(ctx), "tidy", stack.FindOptions{Output: &out}, stack.CleanupOptions{})
	t.Log("\n" + out.String())
	if err != nil || !report.Whole {
		t.Fatal(err)
	}
	services, err := p.api().ServiceList(ctx, client.ServiceListOptions{Filters: p.mine()})
	// A node lists a network until its last container there is gone, and engine 20.10 keeps that of a job for long. The
	// Swarm would remove one that it has without an error; of one that it has not the engine says so with status 500.
	_, gone := p.api().NetworkRemove(ctx, "tidy_default", client.NetworkRemoveOptions{})
	if err != nil || len(services.Items) > 0 || gone == nil || !has("theirs") {
		t.Errorf("after the removal: %v, %d services, network %v", err, len(services.Items), gone)
	}
	if _, err := p.Nodes[1].Client.VolumeInspect(ctx, "tidy_data", client.VolumeInspectOptions{}); err != nil {
		t.Errorf("the volume: %v", err)
	}
	err = p.Until(ctx, "nobody has the volume any more", func() (bool, error) {
		_, err := p.Nodes[1].Client.VolumeRemove(ctx, "tidy_data", client.VolumeRemoveOptions{})
		return err == nil, err
	})
	if err != nil {
		t.Error(err)
	}
}

// A node that died is named, with what can run nowhere else; logs and a stop say what nobody knows, and go on.
func TestIntegrationDeployedWithADeadNode(t *testing.T) {
	p := newProject(t, "dead", herd)
	p.mustDeploy()
	if err := p.Kill(1); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancel()
		if err := p.Revive(ctx, 1); err != nil {
			t.Errorf("reviving node2: %v", err)
		}
	})
	r := p.awaitStatus("db has no node", func(r stack.StatusReport) bool {
		return service(r, "db").Condition == "no node"
	})
	t.Log("\n" + printed(r))
	i := slices.IndexFunc(r.Nodes, func(n stack.NodeStatus) bool { return n.Name == "node2" })
	if r.Fine || r.Nodes[i].State != "down" || !slices.Equal(r.Nodes[i].Pinned, []string{"db"}) {
		t.Errorf("node2: %+v", r.Nodes[i])
	}
	snapshot, err := p.found(stack.FindOptions{Nodes: p.addresses()}).Monitor(t.Context(), nil)
	if err != nil || len(snapshot.Findings) == 0 {
		t.Errorf("monitor: %v, %q", err, snapshot.Findings)
	}
	var out, notes lines
	s := p.found(stack.FindOptions{Output: &out, Errors: &notes, Changes: "stop"})
	within, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err = s.Logs(within, stack.LogsOptions{Tail: "1"})
	if err != nil || !strings.Contains(out.String(), "web speaks") {
		t.Errorf("logs: %v\n%s%s", err, out.String(), notes.String())
	}
	if err := s.Stop(within, nil); err != nil {
		t.Errorf("stop: %v", err)
	}
	t.Logf("\n%s%s", out.String(), notes.String())
}
