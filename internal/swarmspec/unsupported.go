package swarmspec

import (
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
)

// unsupported names the keys of a service that a Swarm's tasks do not have.
func (c *converter) unsupported(s types.ServiceConfig) {
	say := func(set bool, path, instead string) { c.change(s.Name, set, path, "%s", instead) }
	const noKey = "left out: a Swarm's task has no such setting"
	say(len(s.Annotations) > 0, "annotations", noKey)
	say(s.BlkioConfig != nil, "blkio_config", noKey)
	say(s.CgroupParent != "", "cgroup_parent", "left out: set it for the engine of the node")
	say(s.Cgroup != "", "cgroup", noKey)
	say(s.CPUCount != 0, "cpu_count", "left out: say deploy.resources.limits.cpus")
	say(s.CPUPercent != 0, "cpu_percent", "left out: say deploy.resources.limits.cpus")
	say(s.CPURTPeriod != 0, "cpu_rt_period", noKey)
	say(s.CPURTRuntime != 0, "cpu_rt_runtime", noKey)
	say(s.CPUSet != "", "cpuset", "left out: nodes differ; reserve some by deploy.resources.reservations.cpus")
	say(s.CPUShares != 0, "cpu_shares", "left out: reserve CPUs by deploy.resources.reservations.cpus")
	say(s.ContainerName != "", "container_name", "left out: the Swarm names the containers of its tasks")
	say(len(s.DeviceCgroupRules) > 0, "device_cgroup_rules", noKey)
	say(len(s.Devices) > 0, "devices", "left out: a task gets no devices of its node; GPUs go by reservations.devices")
	say(s.DomainName != "", "domainname", "left out: say it in hostname")
	say(len(s.ExternalLinks) > 0, "external_links", "left out: share an external network")
	say(len(s.Links) > 0, "links", "left out: services of a network find each other by name")
	say(s.Ipc != "", "ipc", noKey)
	say(s.MacAddress != "", "mac_address", noKey)
	say(len(s.Models) > 0, "models", "left out: a model runs on one machine")
	say(s.OomKillDisable, "oom_kill_disable", noKey)
	say(s.Pid != "", "pid", noKey)
	say(s.PidsLimit < 0, "pids_limit", "left out: none is a Swarm's default")
	say(s.Privileged, "privileged", "left out: a task never is; name what it needs in cap_add")
	say(s.PullPolicy != "", "pull_policy", "left out: each node pulls the digest that it lacks")
	say(s.Runtime != "", "runtime", "left out: it is the node's default runtime")
	say(len(s.StorageOpt) > 0, "storage_opt", noKey)
	say(s.UseAPISocket, "use_api_socket", "left out: no task gets the socket of its node")
	say(s.UserNSMode != "", "userns_mode", noKey)
	say(s.Uts != "", "uts", noKey)
	say(len(s.VolumesFrom) > 0, "volumes_from", "left out: mount the same volumes")
	say(len(s.PreStart) > 0, "pre_start", "left out: a Swarm has no hooks; make it a service that others wait for")
	say(len(s.PostStart) > 0, "post_start", "left out: a Swarm has no hooks")
	say(len(s.PreStop) > 0, "pre_stop", "left out: a Swarm has no hooks; stop_signal and stop_grace_period count")
	say(s.Develop != nil, "develop", "left out: it is for docker compose watch")
	for name, d := range s.DependsOn {
		say(d.Restart, "depends_on."+name+".restart", "left out: a Swarm restarts tasks one by one")
	}
}

// compareChanges orders by service, then path.
func compareChanges(a, b Change) int {
	return strings.Compare(a.Service+"\x00"+a.Path+"\x00"+a.Instead, b.Service+"\x00"+b.Path+"\x00"+b.Instead)
}
