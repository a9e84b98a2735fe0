package swarmspec

import (
	"cmp"
	"time"

	moby "github.com/moby/moby/api/types/container"
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
	if versions.LessThan(c.options.API, "1.44") {
		c.early(service, container)
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

// early is how soon a health check comes first where the Compose file does not say it.
const early = 4 * time.Second

// early has checks come early where an engine has no start_interval: there the first one comes after a whole interval,
// and until then a Swarm takes a task for one that starts, which nobody finds and for which its dependants wait. As
// many more retries keep the time until a check has failed for good.
func (c *converter) early(service string, container *swarm.ContainerSpec) {
	check := effective(container.Healthcheck, c.options.Checks[service])
	if check == nil {
		return
	}
	interval, first := cmp.Or(check.Interval, 30*time.Second), cmp.Or(check.StartInterval, early)
	given := container.Healthcheck
	if given == nil {
		given = &moby.HealthConfig{}
	}
	quick := *given
	quick.StartInterval = 0
	if retries := cmp.Or(check.Retries, 3); first < interval {
		quick.Interval = first
		quick.Retries = int((time.Duration(retries)*interval + first - 1) / first)
		c.change(service, true, "healthcheck.interval",
			"%s with %d retries, not %s with %d: the Swarm's API is %s, without start_interval, where the first check "+
				"comes after a whole interval and nobody finds a task before",
			quick.Interval, quick.Retries, interval, retries, c.options.API)
	}
	if container.Healthcheck != nil || quick.Interval != 0 {
		container.Healthcheck = &quick
	}
}

// effective is the service's check with what it leaves to its image's; nil for none.
func effective(given, image *moby.HealthConfig) *moby.HealthConfig {
	out := moby.HealthConfig{}
	for _, h := range []*moby.HealthConfig{given, image} {
		if h == nil {
			continue
		}
		if len(out.Test) == 0 {
			out.Test = h.Test
		}
		out.Interval, out.Timeout = cmp.Or(out.Interval, h.Interval), cmp.Or(out.Timeout, h.Timeout)
		out.StartPeriod = cmp.Or(out.StartPeriod, h.StartPeriod)
		out.StartInterval, out.Retries = cmp.Or(out.StartInterval, h.StartInterval), cmp.Or(out.Retries, h.Retries)
	}
	if len(out.Test) == 0 || out.Test[0] == "NONE" {
		return nil
	}
	return &out
}
