package swarmspec

import (
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client/pkg/versions"
)

// old leaves out, by name, what the Swarm's API is too old for: a manager would drop it without a word.
func (c *converter) old(service string, spec *swarm.ServiceSpec) {
	if c.options.API == "" {
		return
	}
	task := &spec.TaskTemplate
	container, resources := task.ContainerSpec, task.Resources
	// drop says whether a key that is set needs a newer API.
	drop := func(api string, set bool, path string) bool {
		set = set && versions.LessThan(c.options.API, api)
		c.change(service, set, path, "left out: the Swarm's API is %s, and %s has it first", c.options.API, api)
		return set
	}
	if h := container.Healthcheck; h != nil && drop("1.44", h.StartInterval != 0, "healthcheck.start_interval") {
		h.StartInterval = 0
	}
	if p := container.Privileges; p != nil {
		set := p.NoNewPrivileges || p.Seccomp != nil || p.AppArmor != nil
		if drop("1.44", set, "security_opt") {
			p.NoNewPrivileges, p.Seccomp, p.AppArmor = false, nil, nil
		}
	}
	if drop("1.46", container.OomScoreAdj != 0, "oom_score_adj") {
		container.OomScoreAdj = 0
	}
	if resources != nil && drop("1.52", resources.SwapBytes != nil, "memswap_limit") {
		resources.SwapBytes = nil
	}
	if resources != nil && drop("1.52", resources.MemorySwappiness != nil, "mem_swappiness") {
		resources.MemorySwappiness = nil
	}
	kept := container.Mounts[:0:0]
	for _, m := range container.Mounts {
		if o := m.TmpfsOptions; o != nil && drop("1.46", len(o.Options) > 0, "tmpfs") {
			m.TmpfsOptions = &mount.TmpfsOptions{SizeBytes: o.SizeBytes, Mode: o.Mode}
		}
		// A volume's root in place of a folder of it, or no image, is another file system than the file asks for.
		if o := m.VolumeOptions; o != nil && o.Subpath != "" && versions.LessThan(c.options.API, "1.45") {
			c.refuse(service, "volumes.volume.subpath needs API 1.45, and the Swarm has %s", c.options.API)
		}
		if m.Type == mount.TypeImage && versions.LessThan(c.options.API, "1.48") {
			c.refuse(service, "volumes: a mount of an image needs API 1.48, and the Swarm has %s", c.options.API)
		}
		kept = append(kept, m)
	}
	container.Mounts = kept
}
