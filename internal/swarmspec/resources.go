package swarmspec

import (
	"cmp"
	"math"
	"slices"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/moby/api/types/swarm"
)

// gpuLabel is on the nodes that have a GPU and do not offer it as a generic resource.
const gpuLabel = "node.labels.gpu==true"

// resources are limits and reservations, in whichever of its spellings the service has them. Devices become generic
// resources, or constraints.
func (c *converter) resources(s types.ServiceConfig) (out *swarm.ResourceRequirements, constraints []string) {
	given := deploy(s).Resources
	limit := swarm.Limit{NanoCPUs: nano(s.CPUS), MemoryBytes: int64(s.MemLimit), Pids: max(0, s.PidsLimit)}
	if s.CPUQuota > 0 && limit.NanoCPUs == 0 {
		period := s.CPUPeriod
		if period == 0 {
			period = 100_000 // microseconds, the kernel's default
		}
		limit.NanoCPUs = s.CPUQuota * 1e9 / period
	}
	if l := given.Limits; l != nil {
		limit = swarm.Limit{
			NanoCPUs:    cmp.Or(nano(l.NanoCPUs.Value()), limit.NanoCPUs),
			MemoryBytes: cmp.Or(int64(l.MemoryBytes), limit.MemoryBytes), Pids: cmp.Or(max(0, l.Pids), limit.Pids),
		}
	}
	reserved := swarm.Resources{MemoryBytes: int64(s.MemReservation)}
	devices := make([]types.DeviceRequest, 0, len(s.Gpus))
	for _, d := range s.Gpus { // whose capability need not be said
		d.Capabilities = append(slices.Clone(d.Capabilities), "gpu")
		devices = append(devices, d)
	}
	if r := given.Reservations; r != nil {
		reserved.NanoCPUs = nano(r.NanoCPUs.Value())
		reserved.MemoryBytes = cmp.Or(int64(r.MemoryBytes), reserved.MemoryBytes)
		for _, g := range r.GenericResources {
			if d := g.DiscreteResourceSpec; d != nil {
				reserved.GenericResources = append(reserved.GenericResources, generic(d.Kind, d.Value))
			}
		}
		devices = append(devices, r.Devices...)
	}
	for _, d := range devices {
		resource, constraint := c.device(s.Name, d)
		if resource != nil {
			reserved.GenericResources = append(reserved.GenericResources, *resource)
		}
		if constraint != "" && !slices.Contains(constraints, constraint) {
			constraints = append(constraints, constraint)
		}
	}
	out = &swarm.ResourceRequirements{}
	if limit != (swarm.Limit{}) {
		out.Limits = &limit
	}
	if reserved.NanoCPUs != 0 || reserved.MemoryBytes != 0 || len(reserved.GenericResources) > 0 {
		out.Reservations = &reserved
	}
	c.swap(s, out)
	return out, constraints
}

// swap is what the service may swap out beside its memory limit; Compose counts both together.
func (c *converter) swap(s types.ServiceConfig, out *swarm.ResourceRequirements) {
	switch {
	case s.MemSwapLimit < 0:
		out.SwapBytes = new(int64(-1))
	case s.MemSwapLimit > 0 && out.Limits != nil && out.Limits.MemoryBytes > 0:
		out.SwapBytes = new(max(0, int64(s.MemSwapLimit)-out.Limits.MemoryBytes))
	default:
		c.change(s.Name, s.MemSwapLimit > 0, "memswap_limit", "left out: it counts beside a memory limit alone")
	}
	if s.MemSwappiness > 0 {
		out.MemorySwappiness = new(int64(s.MemSwappiness))
	}
}

// device is a request for devices as a Swarm can express it.
func (c *converter) device(service string, d types.DeviceRequest) (*swarm.GenericResource, string) {
	gpu := slices.ContainsFunc(d.Capabilities, func(capability string) bool { return capability == "gpu" })
	if !gpu && d.Driver != "nvidia" {
		c.change(service, true, "deploy.resources.reservations.devices",
			"left out: a Swarm has GPUs and generic resources, and no devices of driver %q", d.Driver)
		return nil, ""
	}
	c.change(service, len(d.Options) > 0, "deploy.resources.reservations.devices.options",
		"left out: they are for the driver of one machine")
	if c.options.GPU == "" {
		c.change(service, true, "deploy.resources.reservations.devices",
			"runs on nodes with the label gpu=true alone; which GPUs it gets there is for the node's default runtime")
		return nil, gpuLabel
	}
	count := int64(d.Count)
	if n := len(d.IDs); n > 0 {
		count = int64(n)
		c.change(service, true, "deploy.resources.reservations.devices.device_ids",
			"%d of the kind %s are reserved, whichever they are", n, c.options.GPU)
	}
	if count < 1 { // all
		count = 1
		c.change(service, true, "deploy.resources.reservations.devices.count",
			"one %s is reserved: a Swarm can't reserve all that a node has", c.options.GPU)
	}
	return new(generic(c.options.GPU, count)), ""
}

func generic(kind string, count int64) swarm.GenericResource {
	return swarm.GenericResource{DiscreteResourceSpec: &swarm.DiscreteGenericResource{Kind: kind, Value: count}}
}

// nano is a number of CPUs in billionths.
func nano(cpus float32) int64 { return int64(math.Round(float64(cpus)*1e6)) * 1e3 }
