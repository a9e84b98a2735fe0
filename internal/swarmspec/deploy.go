package swarmspec

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/swarm"
)

// mode says how many tasks there are. A service for whose end another waits is a job.
func (c *converter) mode(s types.ServiceConfig) (swarm.ServiceMode, error) {
	copies := uint64(max(0, s.GetScale()))
	mode := deploy(s).Mode
	if mode == "" && c.awaited(s.Name) {
		mode = "replicated-job"
		c.change(s.Name, true, "depends_on", "%s runs as a job of the Swarm: others wait for its end", s.Name)
	}
	switch mode {
	case "", "replicated":
		return swarm.ServiceMode{Replicated: &swarm.ReplicatedService{Replicas: &copies}}, nil
	case "global":
		return swarm.ServiceMode{Global: &swarm.GlobalService{}}, nil
	case "replicated-job":
		job := &swarm.ReplicatedJob{MaxConcurrent: &copies, TotalCompletions: &copies}
		return swarm.ServiceMode{ReplicatedJob: job}, nil
	case "global-job":
		return swarm.ServiceMode{GlobalJob: &swarm.GlobalJob{}}, nil
	}
	return swarm.ServiceMode{}, fmt.Errorf("deploy.mode: %q is none of replicated, global, replicated-job, global-job",
		mode)
}

// awaited says whether another service waits for this one to complete.
func (c *converter) awaited(name string) bool {
	for _, other := range c.project.Services {
		if other.DependsOn[name].Condition == types.ServiceConditionCompletedSuccessfully {
			return true
		}
	}
	return false
}

// restartPolicy says when a task that ended is replaced.
func (c *converter) restartPolicy(s types.ServiceConfig, mode swarm.ServiceMode) *swarm.RestartPolicy {
	if p := deploy(s).RestartPolicy; p != nil {
		return &swarm.RestartPolicy{
			Condition: swarm.RestartPolicyCondition(p.Condition), Delay: duration(p.Delay),
			MaxAttempts: p.MaxAttempts, Window: duration(p.Window),
		}
	}
	job := mode.ReplicatedJob != nil || mode.GlobalJob != nil
	name, attempts, _ := strings.Cut(s.Restart, ":")
	switch {
	case name == "on-failure":
		out := &swarm.RestartPolicy{Condition: swarm.RestartPolicyConditionOnFailure}
		if n, err := strconv.ParseUint(attempts, 10, 64); err == nil && n > 0 {
			out.MaxAttempts = &n
		}
		return out
	case job || name == "no":
		return &swarm.RestartPolicy{Condition: swarm.RestartPolicyConditionNone}
	}
	c.change(s.Name, s.Restart == "", "restart",
		"a task that ends is started again, here or elsewhere: a Swarm's default; restart: \"no\" forbids it")
	return &swarm.RestartPolicy{Condition: swarm.RestartPolicyConditionAny}
}

// placement says on which nodes tasks may run. A volume that has its data on a node keeps its service there.
func (c *converter) placement(s types.ServiceConfig, constraints []string) *swarm.Placement {
	given := deploy(s).Placement
	out := &swarm.Placement{
		Constraints: slices.Concat(given.Constraints, constraints, c.pins(s)), MaxReplicas: given.MaxReplicas,
	}
	for _, p := range given.Preferences {
		out.Preferences = append(out.Preferences, swarm.PlacementPreference{
			Spread: &swarm.SpreadOver{SpreadDescriptor: p.Spread},
		})
	}
	out.Platforms = c.options.Platforms[s.Name]
	if s.Platform != "" {
		system, architecture, _ := strings.Cut(s.Platform, "/")
		architecture, _, _ = strings.Cut(architecture, "/") // a Swarm's nodes have no variant
		out.Platforms = []swarm.Platform{{OS: system, Architecture: architecture}}
	}
	return out
}

// pins binds a service to the nodes of its volumes. On each node of a global one is a volume of its own.
func (c *converter) pins(s types.ServiceConfig) []string {
	var out []string
	if strings.HasPrefix(deploy(s).Mode, "global") {
		return nil
	}
	for _, v := range s.Volumes {
		node := c.options.VolumeNodes[c.project.Volumes[v.Source].Name]
		pin := "node.id==" + node
		if v.Type == types.VolumeTypeVolume && node != "" && !slices.Contains(out, pin) {
			out = append(out, pin)
		}
	}
	return out
}

// endpoint publishes ports: on every node, or on the one that runs the task.
func (c *converter) endpoint(s types.ServiceConfig) *swarm.EndpointSpec {
	mode := swarm.ResolutionMode(strings.ToLower(deploy(s).EndpointMode))
	if c.options.NoVIP && mode != swarm.ResolutionModeDNSRR {
		c.change(s.Name, mode == swarm.ResolutionModeVIP, "deploy.endpoint_mode",
			"dnsrr: the kernel of a node has no IPVS, which virtual addresses need")
		mode = swarm.ResolutionModeDNSRR
	}
	out := &swarm.EndpointSpec{Mode: mode}
	for _, p := range s.Ports {
		if port, published := c.port(s.Name, p, mode); published {
			out.Ports = append(out.Ports, port)
		}
	}
	slices.SortFunc(out.Ports, swarm.PortConfig.Compare)
	return out
}

func (c *converter) port(
	service string, p types.ServicePortConfig, mode swarm.ResolutionMode,
) (swarm.PortConfig, bool) {
	path := fmt.Sprintf("ports[%d/%s]", p.Target, p.Protocol)
	if loopback(p.HostIP) {
		c.change(service, true, path+".host_ip",
			"not published: a Swarm publishes on every address of a node, and %s is this machine's own", p.HostIP)
		return swarm.PortConfig{}, false
	}
	c.change(service, p.HostIP != "" && p.HostIP != "0.0.0.0" && p.HostIP != "::", path+".host_ip",
		"left out: a Swarm publishes on every address of a node, not on %s alone", p.HostIP)
	published, err := strconv.ParseUint(p.Published, 10, 16)
	c.change(service, err != nil && p.Published != "", path+".published",
		"the Swarm chooses the port: it can't choose within %s", p.Published)
	out := swarm.PortConfig{
		Name: p.Name, Protocol: network.IPProtocol(p.Protocol), TargetPort: p.Target,
		PublishedPort: uint32(published), PublishMode: swarm.PortConfigPublishMode(p.Mode),
	}
	if out.PublishMode == "" {
		out.PublishMode = swarm.PortConfigPublishModeIngress
	}
	if mode == swarm.ResolutionModeDNSRR && out.PublishMode == swarm.PortConfigPublishModeIngress {
		c.change(service, true, path+".mode", "published by the node that runs the task: dnsrr has no routing mesh")
		out.PublishMode = swarm.PortConfigPublishModeHost
	}
	c.change(service, p.AppProtocol != "", path+".app_protocol", "left out: a Swarm does not look into what passes")
	return out, true
}

func loopback(address string) bool {
	return address == "::1" || strings.HasPrefix(address, "127.") || address == "localhost"
}

// update says how tasks are replaced: the file's word, and where it is silent one at a time, back on failure, and
// watched until a health check could have failed.
func (c *converter) update(
	s types.ServiceConfig, spec *swarm.ContainerSpec, endpoint *swarm.EndpointSpec,
) *swarm.UpdateConfig {
	out := updateConfig(deploy(s).UpdateConfig)
	if out == nil {
		out = &swarm.UpdateConfig{Parallelism: 1}
	}
	if out.FailureAction == "" {
		out.FailureAction = swarm.UpdateFailureActionRollback
	}
	if out.Monitor == 0 {
		out.Monitor = MonitorTime(effective(spec.Healthcheck, c.options.Checks[s.Name]))
	}
	if out.Order == "" {
		out.Order = swarm.UpdateOrderStartFirst
		if stopFirst(spec, endpoint) != "" {
			out.Order = swarm.UpdateOrderStopFirst
		}
	}
	return out
}

// StopFirst says why an old and a new task of a service can't run side by side; "" where they can.
func StopFirst(spec swarm.ServiceSpec) string {
	return stopFirst(spec.TaskTemplate.ContainerSpec, spec.EndpointSpec)
}

func stopFirst(spec *swarm.ContainerSpec, endpoint *swarm.EndpointSpec) string {
	if endpoint != nil {
		for _, p := range endpoint.Ports {
			if p.PublishMode == swarm.PortConfigPublishModeHost && p.PublishedPort != 0 {
				return fmt.Sprintf("both would have port %d of their node", p.PublishedPort)
			}
		}
	}
	for _, m := range spec.Mounts {
		if !m.ReadOnly && (m.Type == mount.TypeVolume && m.Source != "" || m.Type == mount.TypeCluster) {
			return fmt.Sprintf("both would write to volume %s", m.Source)
		}
	}
	return ""
}

// MonitorTime is how long a new task is watched once it runs, which with a health check means that it was healthy:
// until the check could have failed for good, and some more. The engine's own 5 s end before most checks have failed
// once.
func MonitorTime(check *container.HealthConfig) time.Duration {
	const least, margin = 15 * time.Second, 5 * time.Second
	if check == nil || len(check.Test) > 0 && check.Test[0] == "NONE" {
		return least
	}
	each := cmp.Or(check.Interval, 30*time.Second) + cmp.Or(check.Timeout, 30*time.Second)
	return max(least, time.Duration(cmp.Or(check.Retries, 3))*each+margin)
}

// rollback is how a service goes back: the file's word, else all at once in the update's order.
func (c *converter) rollback(s types.ServiceConfig, update *swarm.UpdateConfig) *swarm.UpdateConfig {
	out := updateConfig(deploy(s).RollbackConfig)
	if out == nil {
		out = &swarm.UpdateConfig{Parallelism: update.Parallelism}
	}
	if out.Order == "" {
		out.Order = update.Order
	}
	return out
}

func updateConfig(u *types.UpdateConfig) *swarm.UpdateConfig {
	if u == nil {
		return nil
	}
	out := &swarm.UpdateConfig{
		Parallelism: 1, Delay: time.Duration(u.Delay), FailureAction: swarm.FailureAction(u.FailureAction),
		Monitor: time.Duration(u.Monitor), MaxFailureRatio: u.MaxFailureRatio, Order: swarm.UpdateOrder(u.Order),
	}
	if u.Parallelism != nil {
		out.Parallelism = *u.Parallelism
	}
	return out
}
