package deploy

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/swarm"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/operation"
	"github.com/25eloquence/compose-mage/internal/swarmspec"
)

// The kinds of resources, as plans name them.
const (
	networkKind = "network "
	secretKind  = "secret "
	configKind  = "config "
)

// resources adds the operations that make what services use, and is not there.
func (p *Plan) resources() error {
	if err := p.missing(); err != nil {
		return err
	}
	for _, key := range slices.Sorted(maps.Keys(p.stack.Networks)) {
		n := p.stack.Networks[key]
		i := slices.IndexFunc(p.cluster.Networks, func(has network.Summary) bool { return has.Name == n.Name })
		if i < 0 {
			p.make(networkKind+n.Name, "it is not there")
			continue
		}
		if err := p.sameNetwork(n, p.cluster.Networks[i]); err != nil {
			return err
		}
	}
	for _, key := range slices.Sorted(maps.Keys(p.stack.Secrets)) {
		name := p.stack.Secrets[key].Name
		if !slices.ContainsFunc(p.cluster.Secrets, func(s swarm.Secret) bool { return s.Spec.Name == name }) {
			p.make(secretKind+name, newContent(key, len(p.secretsOf(key)) > 0))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(p.stack.Configs)) {
		name := p.stack.Configs[key].Name
		if !slices.ContainsFunc(p.cluster.Configs, func(s swarm.Config) bool { return s.Spec.Name == name }) {
			p.make(configKind+name, newContent(key, len(p.configsOf(key)) > 0))
		}
	}
	return nil
}

func newContent(key string, before bool) string {
	if before {
		return "the content of " + key + " changed"
	}
	return "it is not there"
}

func (p *Plan) make(resource, cause string) {
	p.made[resource] = p.add(operation.Operation{Kind: operation.Create, Resource: resource, Cause: cause}, nil)
}

// secretsOf are the secrets of the stack that were made of the model's key.
func (p *Plan) secretsOf(key string) (out []string) {
	for _, s := range p.cluster.Secrets {
		if p.cluster.Ours(s.Spec.Labels) && s.Spec.Labels[swarmspec.ContentLabel] == key {
			out = append(out, s.Spec.Name)
		}
	}
	return out
}

func (p *Plan) configsOf(key string) (out []string) {
	for _, s := range p.cluster.Configs {
		if p.cluster.Ours(s.Spec.Labels) && s.Spec.Labels[swarmspec.ContentLabel] == key {
			out = append(out, s.Spec.Name)
		}
	}
	return out
}

// uses gives the operations that make what the service's tasks need.
func (p *Plan) uses(spec swarm.ServiceSpec) []int {
	var out []int
	add := func(resource string) {
		if i, known := p.made[resource]; known && !slices.Contains(out, i) {
			out = append(out, i)
		}
	}
	for _, n := range spec.TaskTemplate.Networks {
		add(networkKind + n.Target)
	}
	for _, s := range spec.TaskTemplate.ContainerSpec.Secrets {
		add(secretKind + s.SecretName)
	}
	for _, s := range spec.TaskTemplate.ContainerSpec.Configs {
		add(configKind + s.ConfigName)
	}
	slices.Sort(out)
	return out
}

// outdated removes, when all is done, the stack's secrets and configs that no service has any more.
func (p *Plan) outdated(needs []operation.Need) {
	used := map[string]bool{}
	for _, spec := range p.stack.Services {
		for _, s := range spec.TaskTemplate.ContainerSpec.Secrets {
			used[s.SecretName] = true
		}
		for _, s := range spec.TaskTemplate.ContainerSpec.Configs {
			used[s.ConfigName] = true
		}
	}
	for _, name := range p.Orphans {
		c := p.cluster.Services[name].Spec.TaskTemplate.ContainerSpec
		if c == nil {
			continue
		}
		for _, s := range c.Secrets {
			used[s.SecretName] = true
		}
		for _, s := range c.Configs {
			used[s.ConfigName] = true
		}
	}
	const cause = "no service has it any more"
	for _, s := range p.cluster.Secrets {
		if p.cluster.Ours(s.Spec.Labels) && s.Spec.Labels[swarmspec.ContentLabel] != "" && !used[s.Spec.Name] {
			p.add(operation.Operation{Kind: operation.Remove, Resource: secretKind + s.Spec.Name, Cause: cause}, needs)
		}
	}
	for _, s := range p.cluster.Configs {
		if p.cluster.Ours(s.Spec.Labels) && s.Spec.Labels[swarmspec.ContentLabel] != "" && !used[s.Spec.Name] {
			p.add(operation.Operation{Kind: operation.Remove, Resource: configKind + s.Spec.Name, Cause: cause}, needs)
		}
	}
}

// sameNetwork says what of a network is not as it should be: one that services are in can't be changed.
func (p *Plan) sameNetwork(want swarmspec.Network, has network.Summary) error {
	o := want.Options
	var differ []string
	say := func(differs bool, what string) {
		if differs {
			differ = append(differ, what)
		}
	}
	whose := cmp.Or(has.Labels[swarmspec.StackLabel], "no stack")
	say(!p.cluster.Ours(has.Labels), "it is of "+whose)
	say(has.Driver != o.Driver, fmt.Sprintf("driver %s -> %s", has.Driver, o.Driver))
	say(has.Internal != o.Internal, fmt.Sprintf("internal %t -> %t", has.Internal, o.Internal))
	say(has.Attachable != o.Attachable, fmt.Sprintf("attachable %t -> %t", has.Attachable, o.Attachable))
	for key, value := range o.Options {
		say(has.Options[key] != value, "driver_opts."+key)
	}
	if o.IPAM != nil {
		for _, pool := range o.IPAM.Config {
			same := slices.ContainsFunc(has.IPAM.Config,
				func(c network.IPAMConfig) bool { return c.Subnet == pool.Subnet })
			say(!same && pool.Subnet.IsValid(), fmt.Sprintf("subnet %s", pool.Subnet))
		}
	}
	if len(differ) == 0 {
		return nil
	}
	return fault.New(fault.Config, "another name for it in the Compose file (networks.NAME.name), or docker stack rm "+
		fault.Quote(p.Stack)+" and the deploy again: volumes stay",
		"network %q is on the Swarm, and differs: %s; a Swarm's network can't be changed", want.Name,
		strings.Join(differ, ", "))
}

// networkNames are the names of the Swarm's networks, by ID.
func networkNames(all []network.Summary) map[string]string {
	out := map[string]string{}
	for _, n := range all {
		out[n.ID] = n.Name
	}
	return out
}

// missing are the external networks, secrets and configs that the Swarm lacks.
func (p *Plan) missing() error {
	var lacks []string
	for _, name := range p.stack.External.Networks {
		if !slices.ContainsFunc(p.cluster.Networks, func(n network.Summary) bool { return n.Name == name }) {
			lacks = append(lacks, "docker network create -d overlay "+fault.Quote(name))
		}
	}
	for _, name := range p.stack.External.Secrets {
		if !slices.ContainsFunc(p.cluster.Secrets, func(s swarm.Secret) bool { return s.Spec.Name == name }) {
			lacks = append(lacks, "docker secret create "+fault.Quote(name)+" FILE")
		}
	}
	for _, name := range p.stack.External.Configs {
		if !slices.ContainsFunc(p.cluster.Configs, func(s swarm.Config) bool { return s.Spec.Name == name }) {
			lacks = append(lacks, "docker config create "+fault.Quote(name)+" FILE")
		}
	}
	if len(lacks) == 0 {
		return nil
	}
	return fault.New(fault.Config, strings.Join(lacks, "; "),
		"the Swarm lacks what the Compose files call external: nothing was touched")
}
