// Package swarmspec owns what a Compose project is on a Docker Swarm: the specifications of its services, networks,
// secrets and configs, made from the loaded model alone, and by name each key that does not carry over. It asks no
// engine and changes nothing; internal/deploy compares, orders and carries out.
package swarmspec

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
)

// The labels of docker stack, so that docker stack ls, ps and rm see what we deploy.
const (
	StackLabel = "com.docker.stack.namespace"
	ImageLabel = "com.docker.stack.image"
)

// ContentLabel is on the secrets and configs that we make: the key of the model that they are the content of. Those
// without it nobody but their maker removes.
const ContentLabel = "compose-mage.content"

// Options are what a conversion needs beside the model.
type Options struct {
	// Images are the references to run, by service: name:tag@sha256:…; a service without one keeps the model's.
	Images map[string]string
	// Checks are the health checks of the images, by service: they count where the model has none.
	Checks map[string]*container.HealthConfig
	// Platforms are those that the images are for, by service, where they are known.
	Platforms map[string][]swarm.Platform
	// Contents are those of the secrets and configs that are not external, by their keys in the model.
	Secrets, Configs map[string][]byte
	// Seccomp are the profiles that security_opt names, by that name.
	Seccomp map[string][]byte
	// VolumeNodes are the IDs of the nodes on which volumes have their data, by the volume's name on the engine.
	VolumeNodes map[string]string
	// API is the version of the engine API that the Swarm's manager has; empty is the newest.
	API string
	// GPU is the kind under which nodes offer their GPUs as a generic resource ("NVIDIA-GPU"); where it is empty a
	// service that asks for one is bound to nodes with the label gpu=true.
	GPU string
	// NoVIP says that a node's kernel has no IPVS: services are found by DNS, and ports are published by their node.
	NoVIP bool
}

// Stack is what the Swarm is to have. Maps are by the keys of the model.
type Stack struct {
	Name     string
	Services map[string]swarm.ServiceSpec
	Networks map[string]Network // external ones are not in it
	Secrets  map[string]swarm.SecretSpec
	Configs  map[string]swarm.ConfigSpec
	// External are the names of secrets, configs and networks that have to be there.
	External External
	Changes  []Change
}

// Network is one that is made.
type Network struct {
	Name    string
	Options client.NetworkCreateOptions
}

// External are names on the Swarm.
type External struct{ Networks, Secrets, Configs []string }

// Change is a key that does not carry over as it is, with what is done instead.
type Change struct {
	Service string `json:"service,omitempty"` // "" for a key of the project
	Path    string `json:"path"`              // below the service, or the project: "network_mode"
	Instead string `json:"instead"`           // a sentence
	Where   string `json:"where,omitempty"`   // file:line, where that is known
}

// Key is the path of the change's key in the model: services, web, network_mode.
func (c Change) Key() []string {
	var out []string
	if c.Service != "" {
		out = []string{"services", c.Service}
	}
	path, _, _ := strings.Cut(c.Path, "[") // ports[80/tcp].host_ip: which of a list is not known
	return append(out, strings.Split(path, ".")...)
}

// converter gathers a stack.
type converter struct {
	project *types.Project
	options Options
	stack   Stack
	refused []error
}

// Convert makes the stack of the project. What can't be on a Swarm at all is an error; all other differences are
// Changes.
func Convert(project *types.Project, o Options) (Stack, error) {
	c := &converter{project: project, options: o, stack: Stack{
		Name: project.Name, Services: map[string]swarm.ServiceSpec{}, Networks: map[string]Network{},
		Secrets: map[string]swarm.SecretSpec{}, Configs: map[string]swarm.ConfigSpec{},
	}}
	if err := c.contents(); err != nil {
		return Stack{}, err
	}
	c.networks()
	for _, name := range project.ServiceNames() {
		s := project.Services[name]
		if s.GetScale() == 0 && (s.Deploy == nil || s.Deploy.Mode == "") {
			s.Deploy = withoutCopies(s.Deploy)
		}
		spec, err := c.service(s)
		if err != nil {
			return Stack{}, fmt.Errorf("service %q: %w", name, err)
		}
		c.old(name, &spec)
		c.stack.Services[name] = spec
	}
	if err := errors.Join(c.refused...); err != nil {
		return Stack{}, err
	}
	for kind, used := range map[string]bool{"models": len(project.Models) > 0, "jobs": len(project.Jobs) > 0} {
		c.change("", used, kind, "left out: a Swarm has nothing of the kind")
	}
	slices.SortStableFunc(c.stack.Changes, compareChanges)
	return c.stack, nil
}

func withoutCopies(d *types.DeployConfig) *types.DeployConfig {
	out := types.DeployConfig{}
	if d != nil {
		out = *d
	}
	out.Replicas = new(int)
	return &out
}

// change takes a key down that does not carry over, where it is set.
func (c *converter) change(service string, set bool, path, instead string, args ...any) {
	if set {
		c.stack.Changes = append(c.stack.Changes,
			Change{Service: service, Path: path, Instead: fmt.Sprintf(instead, args...)})
	}
}

// refuse takes an error down that is one of several.
func (c *converter) refuse(service, format string, args ...any) {
	c.refused = append(c.refused, fmt.Errorf("service %q: "+format, append([]any{service}, args...)...))
}

// scoped is the name on the Swarm of something of this stack.
func (c *converter) scoped(name string) string { return c.project.Name + "_" + name }

// labels are the given ones with the stack's.
func (c *converter) labels(of types.Labels) map[string]string {
	out := map[string]string{}
	maps.Copy(out, of)
	out[StackLabel] = c.project.Name
	return out
}

// service converts one.
func (c *converter) service(s types.ServiceConfig) (swarm.ServiceSpec, error) {
	if s.Provider != nil {
		return swarm.ServiceSpec{}, fmt.Errorf("provider %q gives it, on one machine", s.Provider.Type)
	}
	image := s.Image
	if pinned := c.options.Images[s.Name]; pinned != "" {
		image = pinned
	}
	spec := swarm.ServiceSpec{
		Annotations: swarm.Annotations{Name: c.scoped(s.Name), Labels: c.labels(deploy(s).Labels)},
	}
	spec.Labels[ImageLabel] = s.Image
	containerSpec, err := c.container(s, image)
	if err != nil {
		return spec, err
	}
	mode, err := c.mode(s)
	if err != nil {
		return spec, err
	}
	spec.Mode = mode
	resources, constraints := c.resources(s)
	spec.TaskTemplate = swarm.TaskSpec{
		ContainerSpec: containerSpec,
		Resources:     resources,
		RestartPolicy: c.restartPolicy(s, mode),
		Placement:     c.placement(s, constraints),
		Networks:      c.attachments(s),
		LogDriver:     logDriver(s.Logging),
	}
	spec.EndpointSpec = c.endpoint(s)
	if mode.Replicated != nil || mode.Global != nil { // jobs are not updated, but run anew
		spec.UpdateConfig = c.update(s, containerSpec, spec.EndpointSpec)
		spec.RollbackConfig = c.rollback(s, spec.UpdateConfig)
	}
	c.unsupported(s)
	return spec, nil
}

// deploy is the service's section, never nil.
func deploy(s types.ServiceConfig) types.DeployConfig {
	if s.Deploy == nil {
		return types.DeployConfig{}
	}
	return *s.Deploy
}

func logDriver(l *types.LoggingConfig) *swarm.Driver {
	if l == nil || l.Driver == "" && len(l.Options) == 0 {
		return nil
	}
	return &swarm.Driver{Name: l.Driver, Options: l.Options}
}
