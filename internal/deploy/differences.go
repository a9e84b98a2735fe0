package deploy

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/swarm"

	"github.com/25eloquence/compose-mage/internal/secret"
	"github.com/25eloquence/compose-mage/internal/swarmspec"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// Difference is one key of a service that is not on the Swarm as it should be.
type Difference struct {
	Key string `json:"key"` // as a Compose file has it, where one does: "environment.LEVEL", "deploy.replicas"
	// Old and New are the values; "" for none. Those of labels, commands and health checks, which may hold a secret,
	// are left out, and so are those of variables that look like one.
	Old string `json:"old,omitempty"`
	New string `json:"new,omitempty"`
	// Replaces says that tasks are replaced for it; else the service changes under those that run.
	Replaces bool `json:"replaces"`
}

// String is "image a:1 -> a:2", or the key alone where its values are not told.
func (d Difference) String() string {
	switch {
	case d.Old == "" && d.New == "":
		return d.Key
	case d.Old == "":
		return d.Key + " " + d.New + " (new)"
	case d.New == "":
		return d.Key + " " + d.Old + " (gone)"
	}
	return fmt.Sprintf("%s %s -> %s", d.Key, d.Old, d.New)
}

// endpoint says whether the key is of how the service is reached, not of its tasks.
func (d Difference) endpoint() bool {
	return d.Key == "deploy.endpoint_mode" || strings.HasPrefix(d.Key, "ports.")
}

// differences compares what a service is with what it should be, by key. networks are the names of networks, by ID:
// the Swarm's own specs have IDs.
func differences(old, now swarm.ServiceSpec, networks map[string]string) []Difference {
	was, is := flat(old, networks), flat(now, networks)
	if was[image] != is[image] {
		delete(was, imageLabel) // which follows from the image
		delete(is, imageLabel)
	}
	var out []Difference
	all := maps.Clone(was)
	maps.Copy(all, is)
	for _, key := range slices.Sorted(maps.Keys(all)) {
		if was[key] == is[key] {
			continue
		}
		d := Difference{Key: composeKey(key), Replaces: replaces(key)}
		if told(key, was[key]) && told(key, is[key]) {
			d.Old, d.New = readable(key, plainValue(key, was[key])), readable(key, plainValue(key, is[key]))
		}
		out = append(out, d)
	}
	return out
}

const (
	image      = "TaskTemplate.ContainerSpec.Image"
	imageLabel = "Labels." + swarmspec.ImageLabel
)

// replaces says whether tasks that have the key as it was are replaced.
func replaces(key string) bool {
	return strings.HasPrefix(key, "TaskTemplate.") || strings.HasPrefix(key, "EndpointSpec.")
}

// flat gives a spec as a list of keys with their values. What is empty, and what an engine fills in, is left out;
// lists whose entries have names are keys of their own.
func flat(spec swarm.ServiceSpec, networks map[string]string) map[string]string {
	out := map[string]string{}
	task := spec.TaskTemplate
	if c := task.ContainerSpec; c != nil {
		lists(*c, out)
		shorn := *c
		shorn.Env, shorn.Secrets, shorn.Configs, shorn.Mounts = nil, nil, nil, nil
		task.ContainerSpec = &shorn
	}
	for _, n := range task.Networks {
		name := n.Target
		if known := networks[n.Target]; known != "" {
			name = known
		}
		n.Target, n.Aliases = "", slices.Sorted(slices.Values(n.Aliases))
		out["TaskTemplate.Networks."+name] = text(n)
	}
	task.Networks, task.ForceUpdate = nil, 0
	if e := spec.EndpointSpec; e != nil {
		for _, p := range e.Ports {
			out[fmt.Sprintf("EndpointSpec.Ports.%d/%s", p.TargetPort, p.Protocol)+
				fmt.Sprintf(":%d", p.PublishedPort)] = string(p.PublishMode) + " "
		}
		spec.EndpointSpec = &swarm.EndpointSpec{Mode: e.Mode}
	}
	spec.TaskTemplate = task
	var tree map[string]any
	_ = json.Unmarshal([]byte(text(spec)), &tree) // what was marshalled a line above
	add(out, "", tree)
	for key, value := range filledIn {
		if out[key] == value {
			delete(out, key)
		}
	}
	return out
}

// filledIn are the values that an engine gives back where it was sent none.
var filledIn = map[string]string{
	"EndpointSpec.Mode":                    string(swarm.ResolutionModeVIP),
	"TaskTemplate.ContainerSpec.Isolation": "default",
	"TaskTemplate.Runtime":                 string(swarm.RuntimeContainer),
	"RollbackConfig.FailureAction":         string(swarm.UpdateFailureActionPause),
	"TaskTemplate.RestartPolicy.Condition": string(swarm.RestartPolicyConditionAny),
	"UpdateConfig.Order":                   string(swarm.UpdateOrderStopFirst),
	"RollbackConfig.Order":                 string(swarm.UpdateOrderStopFirst),
}

// lists adds the entries of a container's lists.
func lists(c swarm.ContainerSpec, out map[string]string) {
	const below = "TaskTemplate.ContainerSpec."
	for _, e := range c.Env {
		name, value, has := strings.Cut(e, "=")
		if has {
			value = "=" + value
		}
		out[below+"Env."+name] = " " + value
	}
	for _, s := range c.Secrets {
		out[below+"Secrets."+target(s.File, s.SecretName)] = s.SecretName + " " + text(s.File)
	}
	for _, s := range c.Configs {
		name := s.ConfigName
		if s.File != nil {
			name = s.File.Name
		}
		out[below+"Configs."+name] = s.ConfigName + " " + text(s.File)
	}
	for _, m := range c.Mounts {
		if o := m.BindOptions; o != nil && o.Propagation == mount.PropagationRPrivate {
			shorn := *o
			shorn.Propagation = ""
			if m.BindOptions = &shorn; shorn == (mount.BindOptions{}) {
				m.BindOptions = nil
			}
		}
		out[below+"Mounts."+m.Target] = text(m)
	}
}

func target(file *swarm.SecretReferenceFileTarget, name string) string {
	if file == nil {
		return name
	}
	return file.Name
}

func text(v any) string {
	data, _ := json.Marshal(v) // the types of the API can be marshalled
	return string(data)
}

// add adds what is below a key.
func add(out map[string]string, key string, value any) {
	switch v := value.(type) {
	case map[string]any:
		for name, below := range v {
			add(out, strings.TrimPrefix(key+"."+name, "."), below)
		}
	case nil:
	case []any:
		if len(v) > 0 {
			out[key] = text(v)
		}
	case bool:
		if v {
			out[key] = "true"
		}
	case float64:
		if v != 0 || key == "Mode.Replicated.Replicas" {
			out[key] = strings.TrimSuffix(fmt.Sprintf("%.3f", v), ".000")
		}
	case string:
		if v != "" {
			out[key] = v
		}
	}
}

// composeKeys are the beginnings of keys, the longer before the shorter, and what a Compose file has for them.
var composeKeys = []struct{ spec, compose string }{
	{"TaskTemplate.ContainerSpec.Image", "image"},
	{"TaskTemplate.ContainerSpec.Env.", "environment."},
	{"TaskTemplate.ContainerSpec.Labels.", "labels."},
	{"TaskTemplate.ContainerSpec.Secrets.", "secrets."},
	{"TaskTemplate.ContainerSpec.Configs.", "configs."},
	{"TaskTemplate.ContainerSpec.Mounts.", "volumes."},
	{"TaskTemplate.ContainerSpec.Command", "entrypoint"},
	{"TaskTemplate.ContainerSpec.Args", "command"},
	{"TaskTemplate.ContainerSpec.Dir", "working_dir"},
	{"TaskTemplate.ContainerSpec.Groups", "group_add"},
	{"TaskTemplate.ContainerSpec.StopSignal", "stop_signal"},
	{"TaskTemplate.ContainerSpec.StopGracePeriod", "stop_grace_period"},
	{"TaskTemplate.ContainerSpec.Hosts", "extra_hosts"},
	{"TaskTemplate.ContainerSpec.DNSConfig.Nameservers", "dns"},
	{"TaskTemplate.ContainerSpec.DNSConfig.Search", "dns_search"},
	{"TaskTemplate.ContainerSpec.DNSConfig.Options", "dns_opt"},
	{"TaskTemplate.ContainerSpec.Privileges", "security_opt"},
	{"TaskTemplate.ContainerSpec.CapabilityAdd", "cap_add"},
	{"TaskTemplate.ContainerSpec.CapabilityDrop", "cap_drop"},
	{"TaskTemplate.ContainerSpec.ReadOnly", "read_only"},
	{"TaskTemplate.ContainerSpec.OpenStdin", "stdin_open"},
	{"TaskTemplate.ContainerSpec.Healthcheck.StartPeriod", "healthcheck.start_period"},
	{"TaskTemplate.ContainerSpec.Healthcheck.StartInterval", "healthcheck.start_interval"},
	{"TaskTemplate.ContainerSpec.", ""},
	{"TaskTemplate.Resources.Limits.MemoryBytes", "deploy.resources.limits.memory"},
	{"TaskTemplate.Resources.Limits.NanoCPUs", "deploy.resources.limits.cpus"},
	{"TaskTemplate.Resources.Reservations.MemoryBytes", "deploy.resources.reservations.memory"},
	{"TaskTemplate.Resources.Reservations.NanoCPUs", "deploy.resources.reservations.cpus"},
	{"TaskTemplate.Resources.", "deploy.resources."},
	{"TaskTemplate.RestartPolicy.", "deploy.restart_policy."},
	{"TaskTemplate.Placement.", "deploy.placement."},
	{"TaskTemplate.LogDriver.Name", "logging.driver"},
	{"TaskTemplate.LogDriver.", "logging."},
	{"TaskTemplate.Networks.", "networks."},
	{"TaskTemplate.", ""},
	{"Mode.Replicated.Replicas", "deploy.replicas"},
	{"Mode.", "deploy.mode."},
	{"UpdateConfig.", "deploy.update_config."},
	{"RollbackConfig.", "deploy.rollback_config."},
	{"EndpointSpec.Ports.", "ports."},
	{"EndpointSpec.Mode", "deploy.endpoint_mode"},
	{"Labels.", "deploy.labels."},
}

// composeKey is the key as a Compose file has it. The names that people chose keep their letters.
func composeKey(key string) string {
	for _, k := range composeKeys {
		if rest, found := strings.CutPrefix(key, k.spec); found {
			if strings.HasSuffix(k.compose, ".") && named(k.compose) {
				return k.compose + rest
			}
			return k.compose + strings.ToLower(rest)
		}
	}
	return strings.ToLower(key)
}

func named(prefix string) bool {
	return slices.Contains([]string{
		"environment.", "labels.", "secrets.", "configs.", "volumes.", "networks.", "ports.", "deploy.labels.",
	}, prefix)
}

// told says whether a value may be told, by the rule that holds for containers too. Mounts, networks and ports are many
// values in one.
func told(key, value string) bool {
	for _, several := range []string{".Mounts.", ".Networks.", ".Ports."} {
		if strings.Contains(key, several) {
			return false
		}
	}
	return secret.Told(composeKey(key), plainValue(key, value))
}

// plainValue is a variable's value without what stands between its name and it; any other value as it is.
func plainValue(key, value string) string {
	if strings.Contains(key, ".Env.") {
		return strings.TrimPrefix(strings.TrimPrefix(value, " "), "=")
	}
	return value
}

// readable is a value for a line: sizes and CPUs in units, a digest cut, a secret's name alone.
func readable(key, value string) string {
	if value == "" {
		return ""
	}
	var n float64
	if _, err := fmt.Sscanf(value, "%g", &n); err == nil {
		switch {
		case strings.HasSuffix(key, "MemoryBytes"):
			return ui.Bytes(int64(n))
		case strings.HasSuffix(key, "NanoCPUs"):
			return fmt.Sprintf("%g", n/1e9)
		case strings.HasSuffix(key, "Interval"), strings.HasSuffix(key, "Period"), strings.HasSuffix(key, "Timeout"),
			strings.HasSuffix(key, "Delay"), strings.HasSuffix(key, "Monitor"), strings.HasSuffix(key, "Window"):
			return time.Duration(n).String()
		}
	}
	switch {
	case strings.HasSuffix(key, ".Image"):
		return shortImage(value)
	case strings.Contains(key, ".Secrets."), strings.Contains(key, ".Configs."):
		name, _, _ := strings.Cut(value, " ")
		return name
	}
	const width = 60
	if runes := []rune(value); len(runes) > width {
		return string(runes[:width-1]) + "…"
	}
	return value
}

// shortImage is a reference with as much of its digest as tells it from others.
func shortImage(reference string) string {
	const digits = 12
	before, hash, found := strings.Cut(reference, "sha256:")
	if !found || len(hash) <= digits {
		return reference
	}
	return before + "sha256:" + hash[:digits]
}
