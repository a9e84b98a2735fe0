// Package swarm has a Compose project on a Docker Swarm: it deploys it there, and says of the nodes what they have.
package swarm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/cluster"
	"github.com/25eloquence/compose-mage/internal/compose"
	"github.com/25eloquence/compose-mage/internal/delivery"
	"github.com/25eloquence/compose-mage/internal/deploy"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/extension"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/ipvs"
	"github.com/25eloquence/compose-mage/internal/orphan"
	"github.com/25eloquence/compose-mage/internal/state"
	"github.com/25eloquence/compose-mage/internal/swarmspec"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// Options are the choices of a deploy. The zero value deploys the project of the working directory.
type Options struct {
	Files   []string      // Compose files, as -f of docker compose takes them; found where none is named
	Timeout time.Duration // for the whole deploy; 0 for none beyond each service's own
	// RemoveOrphans removes the services of the stack that the Compose files no longer have; nil is what
	// COMPOSE_REMOVE_ORPHANS says.
	RemoveOrphans *bool
	// Registry is where images go whose own names have no registry that the nodes reach: host[:port][/prefix]. "" is
	// what DEPLOY_REGISTRY says.
	Registry string
	// Nodes are the addresses of nodes' engines, to which images go without a registry: gpu1=ssh://ops@gpu1, separated
	// by commas. "" is what x-compose-mage.nodes of the Compose file says.
	Nodes  string
	Output io.Writer // progress and plans; os.Stdout where it is nil
}

func (o Options) out() *ui.Out {
	if o.Output == nil {
		o.Output = os.Stdout
	}
	return ui.New(o.Output)
}

// Plan is what a deploy does, or has done; its JSON is in docs/json.md.
type Plan struct {
	Stack      string      `json:"stack"`
	Steps      []Step      `json:"steps"` // those that wait for less first
	Operations []Operation `json:"operations"`
	Orphans    []string    `json:"orphans"` // services that the Compose files no longer have, and that stay
	Changes    []Change    `json:"changes"` // keys that do not carry over
	Notes      []string    `json:"notes"`   // of placement, volumes and images, a sentence each

	print func(io.Writer)
}

// Step is what becomes of one service.
type Step struct {
	Service     string       `json:"service"`
	Action      string       `json:"action"` // create, replace, update, await, keep or remove
	Why         string       `json:"why,omitempty"`
	Differences []Difference `json:"differences,omitempty"`
	Away        string       `json:"away,omitempty"` // why it answers nobody meanwhile; "" where it does throughout
	Job         bool         `json:"job"`            // it is run to its end
	Waits       []Wait       `json:"waits"`          // the services that it waits for
}

// Difference is one key of a service that is not on the Swarm as it should be.
type Difference struct {
	Key      string `json:"key"`           // as a Compose file has it: "deploy.replicas"
	Old      string `json:"old,omitempty"` // "" where it may hold a secret
	New      string `json:"new,omitempty"`
	Replaces bool   `json:"replaces"` // tasks are replaced for it
}

// Wait is a dependency, and how far it must be.
type Wait struct {
	Service   string `json:"service"`
	Condition string `json:"condition"` // service_started, service_healthy or service_completed_successfully
	Optional  bool   `json:"optional"`
}

// Change is a key that does not carry over as it is.
type Change struct {
	Service string `json:"service,omitempty"` // "" for a key of the project
	Path    string `json:"path"`              // below the service, or the project: "network_mode"
	Instead string `json:"instead"`           // what is done instead, as a sentence
	Where   string `json:"where,omitempty"`   // file:line, where the files have it
}

// Operation is one thing that is done to a service, a network, a secret or a config.
type Operation struct {
	Kind     string    `json:"kind"`               // create, recreate, roll, update, remove or wait
	Service  string    `json:"service,omitempty"`  // empty where it is about a resource
	Resource string    `json:"resource,omitempty"` // "secret shop_key-5f70bf18a086"
	Cause    string    `json:"cause,omitempty"`
	Count    int       `json:"count,omitempty"` // of copies; 0 where that follows from the nodes
	Began    time.Time `json:"began,omitzero"`
	Healthy  time.Time `json:"healthy,omitzero"` // its tasks ran
	Ended    time.Time `json:"ended,omitzero"`
	Failed   bool      `json:"failed,omitempty"`
}

// Print writes the plan as deploy -dry-run does.
func (p Plan) Print(w io.Writer) {
	if p.print != nil {
		p.print(w)
	}
}

// Deploy has the Swarm of the engine's run the project, and returns when every service is as it should be. Where one
// fails, all that was touched is what it was before, and the error says which task failed where and why.
func Deploy(ctx context.Context, o Options) (Plan, error) {
	plan, err := deployed(ctx, o)
	return plan, fault.Exit(ctx, err)
}

func deployed(ctx context.Context, o Options) (Plan, error) {
	d, err := prepare(ctx, o)
	if err != nil {
		return Plan{}, err
	}
	release, err := state.LockProject(ctx, d.model.Project.Name, d.out)
	if err != nil {
		return Plan{}, err
	}
	defer release()
	for {
		p, err := d.plan(ctx)
		if err != nil {
			return Plan{}, err
		}
		report, err := d.execute(ctx, p)
		if !errors.Is(err, deploy.ErrOutdated) {
			return report, err
		}
	}
}

// execute brings the images to the nodes, and carries the plan out.
func (d *deployment) execute(ctx context.Context, p *prepared) (Plan, error) {
	defer p.delivery.Close()
	d.out.Title("deploying %s: %s", p.plan.Stack, p.plan.Summary())
	p.plan.PrintBrief(d.out.Writer())
	images, err := p.delivery.Deliver(ctx, p.images, d.out)
	if err != nil {
		return Plan{}, err
	}
	if p.images.Pushes() { // what was pushed has its digest now
		if err := p.pin(images); err != nil {
			return Plan{}, err
		}
	}
	auth := map[string]string{}
	for service, pin := range p.delivery.Pinned(images) {
		auth[service] = string(pin.Auth)
	}
	if err := cluster.NoteVolumes(ctx, d.engine, p.look.Changeable(p.volumes)); err != nil {
		return Plan{}, err
	}
	began := time.Now()
	err = deploy.Execute(ctx, d.engine, &p.plan, deploy.Options{Out: d.out, Timeout: d.Timeout, Auth: auth})
	if err == nil && len(p.plan.Operations) > 0 {
		d.out.Info("all as they should be in %s", ui.Seconds(time.Since(began)))
	}
	report, shapeErr := shaped(p.plan)
	return report, errors.Join(err, shapeErr)
}

// PlanDeploy says what Deploy would do, and why. Nothing is touched.
func PlanDeploy(ctx context.Context, o Options) (Plan, error) {
	plan, err := planned(ctx, o)
	return plan, fault.Exit(ctx, err)
}

func planned(ctx context.Context, o Options) (Plan, error) {
	d, err := prepare(ctx, o)
	if err != nil {
		return Plan{}, err
	}
	p, err := d.plan(ctx)
	if err != nil {
		return Plan{}, err
	}
	defer p.delivery.Close()
	report, err := shaped(p.plan)
	report.print = func(w io.Writer) {
		p.plan.Print(w)
		p.images.Print(w)
	}
	return report, err
}

// deployment is a project and the Swarm that it goes to.
type deployment struct {
	Options
	out    *ui.Out
	engine *engine.Engine
	model  *compose.Model
	policy orphan.Policy
	means  delivery.Means
}

func prepare(ctx context.Context, o Options) (*deployment, error) {
	d := &deployment{Options: o, out: o.out()}
	var err error
	if d.engine, err = engine.Connect(ctx); err != nil {
		return nil, err
	}
	if err := cluster.Check(d.engine); err != nil {
		return nil, err
	}
	nodes, err := d.engine.NodeList(ctx, client.NodeListOptions{})
	if err != nil {
		return nil, fmt.Errorf("asking the Swarm for its nodes: %w", err)
	}
	d.model, err = compose.Load(ctx, compose.Request{
		Files: o.Files, Machine: largest(nodes.Items, d.engine.Machine()), CLI: d.engine.CLI,
	})
	if err != nil {
		return nil, err
	}
	if d.policy, err = orphan.ReadPolicy(d.model.Settings, o.RemoveOrphans); err != nil {
		return nil, err
	}
	d.means, err = delivery.Choose(delivery.Given{
		Registry: o.Registry, Nodes: o.Nodes, Variable: d.model.Project.Environment[delivery.RegistryVariable],
		File: extension.Nodes(d.model.Project),
	})
	return d, err
}

// largest is a machine with as much of everything as any node has: limits are fitted to what some node could give.
func largest(nodes []swarm.Node, own engine.Machine) engine.Machine {
	m := engine.Machine{GPU: own.GPU, OpenFiles: own.OpenFiles}
	for _, n := range nodes {
		m.CPUs = max(m.CPUs, int(n.Description.Resources.NanoCPUs/1e9))
		m.Memory = max(m.Memory, n.Description.Resources.MemoryBytes)
	}
	return m
}

// prepared is a plan, and what it was made from.
type prepared struct {
	*deployment
	look     cluster.Cluster
	options  swarmspec.Options
	delivery *delivery.Delivery
	images   delivery.Plan
	volumes  []cluster.Volume
	noVIP    string // why services have no virtual addresses; "" where they have
	plan     deploy.Plan
}

// plan looks at the Swarm, the registries and the nodes, and says what is to be done. Nothing is touched. Who calls it
// closes the delivery.
func (d *deployment) plan(ctx context.Context) (_ *prepared, err error) {
	project := d.model.Project
	p := &prepared{deployment: d}
	if p.look, err = cluster.Look(ctx, d.engine, d.engine.Info.Swarm.NodeID, project.Name); err != nil {
		return nil, err
	}
	p.options = swarmspec.Options{API: p.look.API, GPU: p.look.GPU()}
	p.options.NoVIP, p.noVIP = ipvs.NoVIP(project, d.engine)
	if p.options.Secrets, p.options.Configs, err = deploy.Contents(project); err != nil {
		return nil, err
	}
	p.delivery, err = delivery.Look(ctx, delivery.Request{
		Project: project, Engine: d.engine, Self: p.look.Self, Nodes: p.look.Nodes, Means: d.means,
		Credentials: delivery.Logins(d.engine.CLI.ConfigFile()),
	})
	if err != nil {
		return nil, err
	}
	if err := p.decide(ctx); err != nil {
		p.delivery.Close()
		return nil, err
	}
	return p, nil
}

// decide says where services run, how their images get there, and what is done.
func (p *prepared) decide(ctx context.Context) error {
	p.options.Checks, p.options.Platforms = map[string]*container.HealthConfig{}, map[string][]swarm.Platform{}
	for service, image := range p.delivery.Images() {
		p.options.Checks[service], p.options.Platforms[service] = image.Checks, image.Platforms
	}
	if err := p.convert(); err != nil {
		return err
	}
	local, err := cluster.LocalVolumes(ctx, p.engine)
	if err != nil {
		return err
	}
	if p.volumes, err = p.plan.Volumes(p.look, local); err != nil {
		return err
	}
	p.options.VolumeNodes = cluster.VolumeNodes(p.volumes)
	if err := p.convert(); err != nil {
		return err
	}
	fits := map[string][]string{}
	for name, spec := range p.plan.Specs() {
		for _, n := range p.look.Fit(name, spec).Nodes {
			fits[name] = append(fits[name], n.ID)
		}
	}
	if p.images, err = p.delivery.Plan(ctx, fits); err != nil {
		return err
	}
	if err := p.pin(p.images); err != nil {
		return err
	}
	return p.plan.Place(p.look)
}

// pin makes the plan anew with the images as they will run.
func (p *prepared) pin(images delivery.Plan) error {
	p.options.Images = map[string]string{}
	for service, pin := range p.delivery.Pinned(images) {
		p.options.Images[service] = pin.Reference
	}
	return p.convert()
}

// convert makes the stack of the model, and the plan.
func (p *prepared) convert() error {
	stack, err := swarmspec.Convert(p.model.Project, p.options)
	if err != nil {
		return fault.New(fault.Config, fault.Correct, "%w", err)
	}
	for i, c := range stack.Changes {
		stack.Changes[i].Where = short(p.model.LineOf(c.Key()))
	}
	p.plan, err = deploy.New(deploy.Input{
		Project: p.model.Project, Stack: stack, Cluster: p.look, RemoveOrphans: p.policy.Remove,
	})
	if p.noVIP != "" {
		p.plan.Notes = append(p.plan.Notes, "no virtual addresses, services are found by DNS: "+p.noVIP)
	}
	if len(p.look.Nodes) > 1 {
		for _, v := range p.volumes {
			p.plan.Notes = append(p.plan.Notes, v.Note())
		}
	}
	return err
}

// short is a place in a file of the working directory without that.
func short(where string) string {
	here, err := os.Getwd()
	if err != nil {
		return where
	}
	return strings.TrimPrefix(where, here+string(filepath.Separator))
}

// shaped is the plan in the door's own types, which have the same JSON.
func shaped(p deploy.Plan) (Plan, error) {
	var out Plan
	text, err := json.Marshal(p)
	if err == nil {
		err = json.Unmarshal(text, &out)
	}
	if err != nil {
		return out, fmt.Errorf("reporting: %w", err)
	}
	out.print = p.Print
	return out, nil
}
