package deploy

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/swarm"

	"github.com/25eloquence/compose-mage/internal/cluster"
	"github.com/25eloquence/compose-mage/internal/composetest"
	"github.com/25eloquence/compose-mage/internal/operation"
	"github.com/25eloquence/compose-mage/internal/swarmspec"
)

const shop = `
name: shop
services:
  db:
    image: db:1
    volumes: [data:/data]
    secrets: [key]
    healthcheck: {test: [CMD, ok]}
  web:
    image: web:1
    environment: {LEVEL: info}
    depends_on: {db: {condition: service_healthy}, migrate: {condition: service_completed_successfully}}
    deploy: {replicas: 2}
  migrate:
    image: db:1
    deploy: {mode: replicated-job}
    depends_on: {db: {condition: service_healthy}}
volumes: {data: {}}
secrets: {key: {file: ./key}}
`

// input is what a plan of the file follows from, with that secret, on a Swarm that has nothing.
func input(t *testing.T, file, key string) Input {
	t.Helper()
	project := composetest.Load(t, file)
	stack, err := swarmspec.Convert(project, swarmspec.Options{Secrets: map[string][]byte{"key": []byte(key)}})
	if err != nil {
		t.Fatal(err)
	}
	return Input{Project: project, Stack: stack, Cluster: cluster.Cluster{
		Stack: project.Name, Services: map[string]swarm.Service{}, Nodes: []swarm.Node{node("n1")},
	}}
}

func node(id string) swarm.Node {
	return swarm.Node{
		ID: id, Description: swarm.NodeDescription{Hostname: id},
		Spec:   swarm.NodeSpec{Availability: swarm.NodeAvailabilityActive},
		Status: swarm.NodeStatus{State: swarm.NodeStateReady},
	}
}

// deployedAs fills the input's Swarm with what the other input's plan would have made, running.
func deployedAs(in, was Input) Input {
	c := was.Cluster
	c.Services = map[string]swarm.Service{}
	ids := map[string]string{}
	for _, n := range was.Stack.Networks {
		c.Networks = append(c.Networks, network.Summary{Network: network.Network{
			ID: "id of " + n.Name, Name: n.Name, Scope: "swarm", Driver: n.Options.Driver, Labels: n.Options.Labels,
		}})
		ids[networkKind+n.Name] = "id of " + n.Name
	}
	for _, s := range was.Stack.Secrets {
		c.Secrets = append(c.Secrets, swarm.Secret{ID: "id of " + s.Name, Spec: s})
		ids[secretKind+s.Name] = "id of " + s.Name
	}
	for name, spec := range was.Stack.Services {
		spec = withIDs(spec, ids)
		c.Services[name] = swarm.Service{ID: name, Spec: spec}
		state := swarm.TaskStateRunning
		if isJob(spec) {
			state = swarm.TaskStateComplete
		}
		for slot := 1; slot <= max(1, copies(spec)); slot++ {
			c.Tasks = append(c.Tasks, swarm.Task{
				ID: name, ServiceID: name, Slot: slot, NodeID: "n1", Spec: spec.TaskTemplate,
				Status: swarm.TaskStatus{State: state}, DesiredState: state,
			})
		}
	}
	in.Cluster = c
	return in
}

func planOf(t *testing.T, in Input) Plan {
	t.Helper()
	p, err := New(in)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestFirstDeploy(t *testing.T) {
	in := input(t, shop, "k")
	secret := in.Stack.Secrets["key"].Name
	want := `[] 0 create network shop_default: it is not there
[] 1 create secret ` + secret + `: it is not there
[0 1] 2 create db: it is not there
[2] 3 wait db
[3h 0] 4 create migrate: it is not there
[4] 5 wait migrate
[3h 5 0] 6 create web (2): it is not there
[6] 7 wait web
`
	if got := operation.Text(planOf(t, in).Operations); got != want {
		t.Errorf("got:\n%swant:\n%s", got, want)
	}
}

func TestNothingToDo(t *testing.T) {
	in := deployedAs(input(t, shop, "k"), input(t, shop, "k"))
	p := planOf(t, in)
	if len(p.Operations) != 0 {
		t.Errorf("got:\n%s", operation.Text(p.Operations))
	}
	if p.Summary() != "3 as they should be" {
		t.Error(p.Summary())
	}
}

func TestChanges(t *testing.T) {
	for name, c := range map[string]struct {
		file string // what the file says now
		want string // of the steps that are no keep
	}{
		"image": {
			strings.Replace(shop, "web:1", "web:2", 1),
			"replace web when db is healthy, migrate has completed, without down-time: image web:1 -> web:2",
		},
		"variable": {
			strings.Replace(shop, "LEVEL: info", "LEVEL: debug", 1),
			"replace web when db is healthy, migrate has completed, without down-time: environment.LEVEL info -> debug",
		},
		"variable that looks like a secret": {
			strings.Replace(shop, "LEVEL: info", "LEVEL: ghp16C7e42F292c6912E", 1),
			"replace web when db is healthy, migrate has completed, without down-time: environment.LEVEL",
		},
		"copies": {
			strings.Replace(shop, "replicas: 2", "replicas: 3", 1),
			"update web when db is healthy, migrate has completed: deploy.replicas 2 -> 3",
		},
		"none": {
			strings.Replace(shop, "replicas: 2", "replicas: 0", 1),
			"update web when db is healthy, migrate has completed: deploy.replicas 2 -> 0",
		},
		"volume": {
			strings.Replace(shop, "image: db:1\n    volumes", "image: db:1\n    mem_limit: 64m\n    volumes", 1),
			"replace db: deploy.resources.limits.memory 64MiB (new)\naway: its old task is stopped before its new " +
				"one is " +
				"started: both would write to volume shop_data",
		},
		"mode": {
			strings.Replace(shop, "replicas: 2", "mode: global", 1),
			"replace web when db is healthy, migrate has completed: deploy.mode replicated -> global\naway: a Swarm " +
				"can't " +
				"change the mode of a service: it is removed, and made anew",
		},
		"gone": {shop[:strings.Index(shop, "  web:")] + shop[strings.Index(shop, "  migrate:"):], ""},
	} {
		in := deployedAs(input(t, c.file, "k"), input(t, shop, "k"))
		var got []string
		p := planOf(t, in)
		for _, s := range p.Steps {
			if s.Action != Keep {
				got = append(got, s.String())
			}
			if s.Away != "" {
				got = append(got, "away: "+s.Away)
			}
		}
		if text := strings.Join(got, "\n"); text != c.want {
			t.Errorf("%s: got:\n%s\nwant:\n%s", name, text, c.want)
		}
		if orphans := slices.Contains(p.Orphans, "web"); orphans != (name == "gone") {
			t.Errorf("%s: orphans %v", name, p.Orphans)
		}
	}
}

// TestRotation: a secret's new content is one update of its services, after which the old one is removed.
func TestRotation(t *testing.T) {
	in := deployedAs(input(t, shop, "new"), input(t, shop, "old"))
	old, now := input(t, shop, "old").Stack.Secrets["key"].Name, in.Stack.Secrets["key"].Name
	want := `[] 0 create secret ` + now + `: the content of key changed
[0] 1 recreate db (1): secrets.key ` + old + ` -> ` + now + `
[1] 2 wait db
[2] 3 remove secret ` + old + `: no service has it any more
`
	want = strings.Replace(want, "db (1)", "db", 1)
	if got := operation.Text(planOf(t, in).Operations); got != want {
		t.Errorf("got:\n%swant:\n%s", got, want)
	}
	for i, s := range in.Cluster.Secrets { // somebody else's stays
		s.Spec.Labels = maps.Clone(s.Spec.Labels)
		delete(s.Spec.Labels, swarmspec.ContentLabel)
		in.Cluster.Secrets[i] = s
	}
	if got := operation.Text(planOf(t, in).Operations); strings.Contains(got, "remove") {
		t.Errorf("got:\n%s", got)
	}
}

func TestWhatRunsNotYetIsWaitedFor(t *testing.T) {
	in := deployedAs(input(t, shop, "k"), input(t, shop, "k"))
	for i, task := range in.Cluster.Tasks {
		if task.ServiceID == "web" && task.Slot == 2 {
			in.Cluster.Tasks[i].Status.State = swarm.TaskStatePreparing
		}
	}
	p := planOf(t, in)
	if got := operation.Text(p.Operations); got != "[] 0 wait web\n" {
		t.Errorf("got:\n%s", got)
	}
}

func TestOrphansAreRemovedWhereAsked(t *testing.T) {
	in := deployedAs(input(t, shop[:strings.Index(shop, "  web:")]+shop[strings.Index(shop, "  migrate:"):], "k"),
		input(t, shop, "k"))
	in.RemoveOrphans = true
	if got := operation.Text(planOf(t, in).Operations); got != "[] 0 remove web: "+gone+"\n" {
		t.Errorf("got:\n%s", got)
	}
}

func TestNetworkThatDiffers(t *testing.T) {
	now := strings.Replace(shop, "volumes: {data", "networks: {default: {internal: true}}\nvolumes: {data", 1)
	in := deployedAs(input(t, now, "k"), input(t, shop, "k"))
	_, err := New(in)
	if err == nil || !strings.Contains(err.Error(), "internal false -> true") {
		t.Errorf("got %v", err)
	}
}
