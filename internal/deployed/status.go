package deployed

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/moby/moby/api/types/swarm"

	"github.com/25eloquence/compose-mage/internal/bounded"
	"github.com/25eloquence/compose-mage/internal/cluster"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/swarmspec"
)

// Report is what a stack is now.
type Report struct {
	Stack    string    `json:"stack"`
	Manager  string    `json:"manager"` // the node that was asked
	Fine     bool      `json:"fine"`    // every service is as it should be
	Services []Service `json:"services"`
	Tasks    []Task    `json:"tasks"`
	Nodes    []Node    `json:"nodes"`   // of the Swarm
	Missing  []string  `json:"missing"` // services that the Compose files have and the Swarm lacks
	Orphans  []string  `json:"orphans"` // services of the stack that the Compose files no longer have

	said string
}

// Service is one service of the stack.
type Service struct {
	Service   string   `json:"service"`
	Mode      string   `json:"mode"` // replicated, global, replicated-job or global-job
	Fine      bool     `json:"fine"`
	Condition string   `json:"condition"` // running, starting, updating, done, scaled to 0, stopped, failing, …
	Wanted    int      `json:"wanted"`    // tasks that are to run, or of a job to end well
	Running   int      `json:"running"`   // of those, tasks that do
	Image     string   `json:"image"`     // its name and tag
	Digest    string   `json:"digest,omitempty"`
	Update    string   `json:"update,omitempty"` // what the Swarm says of its last update, where there is something
	Ports     []string `json:"ports"`            // published ones: "8000->80/tcp", on a port of the node "… (host)"
	Why       string   `json:"why,omitempty"`    // what is wrong with it
	Next      string   `json:"next,omitempty"`   // the command that helps
}

// Node is a node of the Swarm.
type Node struct {
	Name         string `json:"name"`
	Manager      bool   `json:"manager"`
	State        string `json:"state"`        // ready, down, unknown or disconnected
	Availability string `json:"availability"` // active, pause or drain
	Tasks        int    `json:"tasks"`        // of the stack that run there
	// Pinned are the stack's services that can run nowhere else than on nodes like this, which takes none.
	Pinned []string `json:"pinned"`
}

// Status says what each service is, and whether that is as it should be.
func (s Stack) Status(services []string) Report {
	r := Report{
		Stack: s.Stack, Manager: s.Manager(), Fine: true, Services: []Service{}, Tasks: []Task{}, Nodes: []Node{},
		Missing: []string{}, Orphans: []string{}, said: s.Said(),
	}
	for _, name := range services {
		tasks := s.tasksOf(name)
		service := s.judged(name, tasks)
		r.Services = append(r.Services, service)
		r.Tasks = append(r.Tasks, tasks...)
		r.Fine = r.Fine && service.Fine
	}
	for _, n := range s.Nodes {
		node := Node{
			Name: cluster.Name(n), Manager: n.ManagerStatus != nil, State: string(n.Status.State),
			Availability: string(n.Spec.Availability), Pinned: []string{},
		}
		for _, t := range r.Tasks {
			if t.nodeID == n.ID && t.State == swarm.TaskStateRunning {
				node.Tasks++
			}
		}
		if !takesTasks(n) {
			node.Pinned = s.pinned(n, services)
		}
		r.Nodes = append(r.Nodes, node)
	}
	return r
}

// Compared adds what the files and the Swarm do not both have.
func (s Stack) Compared(r Report) Report {
	if s.Project == nil {
		return r
	}
	for _, name := range slices.Sorted(slices.Values(s.Project.ServiceNames())) {
		if _, there := s.Services[name]; !there {
			r.Missing, r.Fine = append(r.Missing, name), false
		}
	}
	for _, name := range s.Names() {
		_, active := s.Project.Services[name]
		_, disabled := s.Project.DisabledServices[name]
		if !active && !disabled {
			r.Orphans = append(r.Orphans, name)
		}
	}
	return r
}

// Next is the command that helps where the report is not fine.
func (r Report) Next() string {
	for _, s := range r.Services {
		if !s.Fine {
			return s.Next
		}
	}
	return "go tool mage deploy"
}

func takesTasks(n swarm.Node) bool {
	return n.Status.State == swarm.NodeStateReady && n.Spec.Availability == swarm.NodeAvailabilityActive
}

// pinned are the services that may run on this node, and on no node that takes tasks.
func (s Stack) pinned(n swarm.Node, services []string) []string {
	out := []string{}
	for _, name := range services {
		spec := s.Services[name].Spec
		elsewhere := slices.ContainsFunc(s.Nodes, func(o swarm.Node) bool {
			return takesTasks(o) && cluster.Meets(o, spec)
		})
		if _, stopped := stoppedMark(spec); !stopped && !elsewhere && cluster.Meets(n, spec) {
			out = append(out, name)
		}
	}
	return out
}

// judged says what a service is.
func (s Stack) judged(name string, tasks []Task) Service {
	have := s.Services[name]
	state := cluster.Progress(have, s.Tasks, s.Nodes)
	out := Service{
		Service: name, Mode: modeOf(have.Spec), Wanted: state.Wanted, Running: state.Running, Ports: portsOf(have),
		Update: updateText(have.UpdateStatus),
	}
	out.Image, out.Digest = imageOf(have.Spec)
	s.judge(&out, have, state, tasks)
	return out
}

// A task that has run for less than that after one that failed is not known to go on; where several failed, for longer.
const (
	onceMore  = 10 * time.Second
	manyTimes = time.Minute
	loops     = 3
)

// judge fills in what the service is and whether that is as it should be.
func (s Stack) judge(out *Service, have swarm.Service, state cluster.State, tasks []Task) {
	logs := "go tool mage logs " + fault.Quote(out.Service)
	no := func(condition, next, format string, args ...any) {
		out.Condition, out.Next, out.Why = condition, next, fmt.Sprintf(format, args...)
	}
	fine := func(condition string) { out.Condition, out.Fine = condition, true }
	u := have.UpdateStatus
	updating := u != nil && (u.State == swarm.UpdateStateUpdating || u.State == swarm.UpdateStateRollbackStarted)
	_, stopped := stoppedMark(have.Spec)
	looping := slices.IndexFunc(tasks, func(t Task) bool { return s.restarts(t, len(state.Failures)) })
	switch unplaced := cluster.Unplaced(have, s.Tasks, s.Now, 0); {
	case stopped:
		no("stopped", "go tool mage restart "+fault.Quote(out.Service), "was stopped")
	case u != nil && (u.State == swarm.UpdateStatePaused || u.State == swarm.UpdateStateRollbackPaused):
		no("update paused", logs, "has an update that the Swarm paused: %s",
			bounded.Line(u.Message))
	case state.Wanted == 0 && len(tasks) == 0 && !cluster.IsJob(have.Spec) && have.Spec.Mode.Global == nil:
		fine("scaled to 0")
	case cluster.IsJob(have.Spec) && state.Running >= state.Wanted:
		fine("done")
	case looping >= 0:
		no("failing", logs, "fails again and again: %s, on %s", tasks[looping].Before,
			tasks[looping].Node)
	case unplaced != "":
		no("no node", "go tool mage nodes", "has no node that takes %d of its %d tasks: %s",
			max(1, state.Wanted-state.Running), state.Wanted, bounded.Line(unplaced))
	case state.Running >= state.Wanted && state.Old == 0 && !updating && state.Wanted > 0:
		fine("running")
	case len(state.Failures) > 0 && state.Running < state.Wanted:
		f := state.Failures[0]
		no("failing", logs, "runs %d of %d tasks; %s failed on %s: %s", state.Running,
			state.Wanted, f.Name(out.Service), f.Node, bounded.Line(f.Words))
	case updating:
		fine("updating")
	case slices.ContainsFunc(tasks, func(t Task) bool { return t.current && t.State != swarm.TaskStateRunning }):
		fine("starting")
	case cluster.IsJob(have.Spec) && slices.ContainsFunc(tasks, func(t Task) bool { return t.current }):
		fine("running")
	default:
		no("missing", "go tool mage deploy", "runs %d of %d tasks", state.Running, state.Wanted)
	}
}

// restarts says whether the task came after one that failed, and has not run for long since.
func (s Stack) restarts(t Task, failures int) bool {
	if t.Before == "" || t.State != swarm.TaskStateRunning {
		return false
	}
	ran := s.Now.Sub(t.Since)
	return ran < onceMore || ran < manyTimes && failures >= loops
}

func modeOf(spec swarm.ServiceSpec) string {
	switch m := spec.Mode; {
	case m.Global != nil:
		return global
	case m.ReplicatedJob != nil:
		return "replicated-job"
	case m.GlobalJob != nil:
		return "global-job"
	}
	return "replicated"
}

// imageOf gives an image as people know it, and the beginning of what pins it.
func imageOf(spec swarm.ServiceSpec) (name, pinned string) {
	const short = 12
	c := spec.TaskTemplate.ContainerSpec
	if c == nil {
		return "", ""
	}
	name, pinned, _ = strings.Cut(c.Image, "@")
	if strings.HasPrefix(name, "sha256:") {
		name, pinned = spec.Labels[swarmspec.ImageLabel], name
	}
	pinned = strings.TrimPrefix(pinned, "sha256:")
	return name, pinned[:min(short, len(pinned))]
}

func portsOf(s swarm.Service) []string {
	found := map[string]bool{}
	for _, p := range s.Endpoint.Ports {
		if p.PublishedPort == 0 {
			continue
		}
		text := fmt.Sprintf("%d->%d/%s", p.PublishedPort, p.TargetPort, p.Protocol)
		if p.PublishMode == swarm.PortConfigPublishModeHost {
			text += " (host)"
		}
		found[text] = true
	}
	return append([]string{}, slices.Sorted(maps.Keys(found))...)
}

// updateText is what there is to say of an update: "" of one that came to its end.
func updateText(u *swarm.UpdateStatus) string {
	if u == nil || u.State == swarm.UpdateStateCompleted || u.State == "" {
		return ""
	}
	text := map[swarm.UpdateState]string{
		swarm.UpdateStateUpdating: "updating", swarm.UpdateStatePaused: "paused",
		swarm.UpdateStateRollbackStarted: "rolling back", swarm.UpdateStateRollbackPaused: "roll-back paused",
		swarm.UpdateStateRollbackCompleted: "rolled back",
	}[u.State]
	if text == "" {
		text = string(u.State)
	}
	if u.Message != "" && u.State != swarm.UpdateStateUpdating {
		text += ": " + bounded.Line(u.Message)
	}
	return text
}
