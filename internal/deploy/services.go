package deploy

import (
	"context"
	"errors"
	"fmt"
	"strings"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
)

// makeResource makes a network, a secret or a config.
func (r *run) makeResource(ctx context.Context, resource string) error {
	id, err := r.makeOne(ctx, resource)
	if err != nil {
		return fmt.Errorf("making %s: %w", resource, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ids[resource] = id
	return nil
}

func (r *run) makeOne(ctx context.Context, resource string) (string, error) {
	if name, is := strings.CutPrefix(resource, networkKind); is {
		for _, n := range r.plan.stack.Networks {
			if n.Name == name {
				made, err := r.engine.NetworkCreate(ctx, name, n.Options)
				return made.ID, err
			}
		}
	}
	if name, is := strings.CutPrefix(resource, secretKind); is {
		for _, s := range r.plan.stack.Secrets {
			if s.Name == name {
				made, err := r.engine.SecretCreate(ctx, client.SecretCreateOptions{Spec: s})
				return made.ID, err
			}
		}
	}
	name := strings.TrimPrefix(resource, configKind)
	for _, s := range r.plan.stack.Configs {
		if s.Name == name {
			made, err := r.engine.ConfigCreate(ctx, client.ConfigCreateOptions{Spec: s})
			return made.ID, err
		}
	}
	return "", errors.New("it is not in the plan")
}

// removeResource removes a secret or a config. One that a service has meanwhile stays.
func (r *run) removeResource(ctx context.Context, resource string) error {
	var err error
	if strings.HasPrefix(resource, secretKind) {
		_, err = r.engine.SecretRemove(ctx, r.ids[resource], client.SecretRemoveOptions{})
	} else {
		_, err = r.engine.ConfigRemove(ctx, r.ids[resource], client.ConfigRemoveOptions{})
	}
	if err != nil && !cerrdefs.IsNotFound(err) && !cerrdefs.IsInvalidArgument(err) {
		return fmt.Errorf("removing %s: %w", resource, err)
	}
	return nil
}

// spec is the service's with the IDs of what it uses.
func (r *run) spec(service string) swarm.ServiceSpec {
	r.mu.Lock()
	defer r.mu.Unlock()
	return withIDs(r.plan.stack.Services[service], r.ids)
}

// withIDs is a copy of the spec that names what it uses by ID too.
func withIDs(spec swarm.ServiceSpec, ids map[string]string) swarm.ServiceSpec {
	task := *spec.TaskTemplate.ContainerSpec
	task.Secrets, task.Configs = nil, nil
	for _, s := range spec.TaskTemplate.ContainerSpec.Secrets {
		reference := *s
		reference.SecretID = ids[secretKind+s.SecretName]
		task.Secrets = append(task.Secrets, &reference)
	}
	for _, s := range spec.TaskTemplate.ContainerSpec.Configs {
		reference := *s
		reference.ConfigID = ids[configKind+s.ConfigName]
		task.Configs = append(task.Configs, &reference)
	}
	spec.TaskTemplate.ContainerSpec = &task
	networks := spec.TaskTemplate.Networks
	spec.TaskTemplate.Networks = nil
	for _, n := range networks {
		if id := ids[networkKind+n.Target]; id != "" {
			n.Target = id
		}
		spec.TaskTemplate.Networks = append(spec.TaskTemplate.Networks, n)
	}
	return spec
}

func (r *run) create(ctx context.Context, service string) error {
	r.touch(service)
	made, err := r.engine.ServiceCreate(ctx, client.ServiceCreateOptions{
		Spec: r.spec(service), EncodedRegistryAuth: r.Auth[service],
	})
	if err != nil {
		return fmt.Errorf("creating %q: %w", service, err)
	}
	r.warn(service, made.Warnings)
	return nil
}

func (r *run) update(ctx context.Context, service string) error {
	r.touch(service)
	return r.put(ctx, service, r.plan.cluster.Services[service], r.spec(service), swarm.RegistryAuthFromSpec)
}

// put gives a service that is there another spec. One of another mode is removed, and made anew.
func (r *run) put(
	ctx context.Context, service string, have swarm.Service, spec swarm.ServiceSpec, auth swarm.RegistryAuthSource,
) error {
	if modeOf(have.Spec) != modeOf(spec) {
		_, err := r.engine.ServiceRemove(ctx, have.ID, client.ServiceRemoveOptions{})
		if err := wrap("removing", service, err); err != nil {
			return err
		}
		_, err = r.engine.ServiceCreate(ctx, client.ServiceCreateOptions{
			Spec: spec, EncodedRegistryAuth: r.Auth[service],
		})
		return wrap("creating", service, err)
	}
	spec.TaskTemplate.ForceUpdate = have.Spec.TaskTemplate.ForceUpdate
	for attempt := 1; ; attempt++ {
		done, err := r.engine.ServiceUpdate(ctx, have.ID, client.ServiceUpdateOptions{
			Version: have.Version, Spec: spec, EncodedRegistryAuth: r.Auth[service], RegistryAuthFrom: auth,
		})
		if err == nil {
			r.warn(service, done.Warnings)
			return nil
		}
		// The Swarm itself notes at a service how far its update is, which makes what was read out of date. The error
		// has no type of its own.
		now, _, lookErr := r.observe(ctx, service)
		names := networkNames(r.plan.cluster.Networks)
		if lookErr != nil || attempt == puts || now.Version == have.Version ||
			auth == swarm.RegistryAuthFromSpec && len(differences(now.Spec, have.Spec, names)) > 0 {
			return fmt.Errorf("updating %q: %w", service, err)
		}
		have = now
	}
}

// puts is how often a service is given a spec before it counts as one that somebody else goes on changing.
const puts = 5

func (r *run) warn(service string, warnings []string) {
	for _, w := range warnings {
		r.Out.Warn("%s: %s", service, w)
	}
}
