package swarmspec

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/swarm"
)

// container converts what is inside of each task.
func (c *converter) container(s types.ServiceConfig, image string) (*swarm.ContainerSpec, error) {
	privileges, err := c.privileges(s)
	if err != nil {
		return nil, err
	}
	check, err := healthCheck(s.HealthCheck)
	if err != nil {
		return nil, err
	}
	spec := &swarm.ContainerSpec{
		Image:           image,
		Labels:          c.labels(s.Labels),
		Command:         c.words(s.Name, "entrypoint", s.Entrypoint),
		Args:            c.words(s.Name, "command", s.Command),
		Hostname:        c.literal(s.Name, "hostname", s.Hostname),
		Env:             c.environment(s),
		Dir:             s.WorkingDir,
		User:            s.User,
		Groups:          s.GroupAdd,
		Privileges:      privileges,
		Init:            s.Init,
		StopSignal:      s.StopSignal,
		TTY:             s.Tty,
		OpenStdin:       s.StdinOpen,
		ReadOnly:        s.ReadOnly,
		StopGracePeriod: duration(s.StopGracePeriod),
		Healthcheck:     check,
		Hosts:           hosts(s.ExtraHosts),
		DNSConfig:       c.dns(s),
		Isolation:       container.Isolation(s.Isolation),
		Sysctls:         s.Sysctls,
		CapabilityAdd:   capabilities(s.CapAdd),
		CapabilityDrop:  capabilities(s.CapDrop),
		Ulimits:         ulimits(s.Ulimits),
		OomScoreAdj:     s.OomScoreAdj,
	}
	if spec.Mounts, err = c.mounts(s); err != nil {
		return nil, err
	}
	if spec.Secrets, err = c.secretReferences(s); err != nil {
		return nil, err
	}
	spec.Configs, err = c.configReferences(s)
	return spec, err
}

// words are a command's. Compose's empty list empties the image's command; a Swarm has no word for that.
func (c *converter) words(service, path string, words types.ShellCommand) []string {
	c.change(service, words != nil && len(words) == 0, path,
		"the image's own is run: a Swarm can't empty it; say it in full, or in the image")
	return words
}

// environment is sorted, so that its order is no difference. A name without value takes the image's away.
func (c *converter) environment(s types.ServiceConfig) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(s.Environment)) {
		if value := s.Environment[name]; value != nil {
			name += "=" + c.literal(s.Name, "environment."+name, *value)
		}
		out = append(out, name)
	}
	return out
}

// swarmTemplates are what a Swarm fills into hostnames, environment and mounts.
var swarmTemplates = []string{"{{.Node.", "{{.Service.", "{{.Task.", "{{ .Node.", "{{ .Service.", "{{ .Task."}

// literal keeps a text as docker compose has it: a Swarm would take {{…}} in it for a template, and refuse what it
// does not know. What is a template of a Swarm stays one.
func (c *converter) literal(service, path, text string) string {
	if !strings.Contains(text, "{{") {
		return text
	}
	if slices.ContainsFunc(swarmTemplates, func(t string) bool { return strings.Contains(text, t) }) {
		c.change(service, true, path, "the Swarm fills in the template for each task; docker compose does not")
		return text
	}
	return strings.ReplaceAll(text, "{{", `{{"{{"}}`)
}

func duration(d *types.Duration) *time.Duration {
	if d == nil {
		return nil
	}
	return new(time.Duration(*d))
}

// hosts are in the notation of /etc/hosts: address, then name.
func hosts(of types.HostsList) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(of)) {
		for _, address := range of[name] {
			out = append(out, strings.Trim(address, "[]")+" "+name)
		}
	}
	return out
}

func (c *converter) dns(s types.ServiceConfig) *swarm.DNSConfig {
	if len(s.DNS)+len(s.DNSSearch)+len(s.DNSOpts) == 0 {
		return nil
	}
	out := &swarm.DNSConfig{Search: s.DNSSearch, Options: s.DNSOpts}
	for _, server := range s.DNS {
		address, err := netip.ParseAddr(server)
		c.change(s.Name, err != nil, "dns", "%q is left out: it is no address", server)
		if err == nil {
			out.Nameservers = append(out.Nameservers, address)
		}
	}
	return out
}

// capabilities are as the engine's API has them: upper case, with the prefix, without order.
func capabilities(names []string) []string {
	var out []string
	for _, name := range names {
		name = strings.ToUpper(name)
		if name != "ALL" && !strings.HasPrefix(name, "CAP_") {
			name = "CAP_" + name
		}
		out = append(out, name)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func ulimits(of map[string]*types.UlimitsConfig) []*container.Ulimit {
	var out []*container.Ulimit
	for _, name := range slices.Sorted(maps.Keys(of)) {
		u := of[name]
		out = append(out, &container.Ulimit{
			Name: name, Soft: int64(cmp.Or(u.Single, u.Soft)), Hard: int64(cmp.Or(u.Single, u.Hard)),
		})
	}
	return out
}

func healthCheck(h *types.HealthCheckConfig) (*container.HealthConfig, error) {
	if h == nil {
		return nil, nil //nolint:nilnil // the image's own counts
	}
	if h.Disable {
		return &container.HealthConfig{Test: []string{"NONE"}}, nil
	}
	out := &container.HealthConfig{Test: h.Test}
	for _, d := range []struct {
		from *types.Duration
		to   *time.Duration
	}{
		{h.Interval, &out.Interval},
		{h.Timeout, &out.Timeout},
		{h.StartPeriod, &out.StartPeriod},
		{h.StartInterval, &out.StartInterval},
	} {
		if d.from != nil {
			*d.to = time.Duration(*d.from)
		}
	}
	if h.Retries != nil {
		if *h.Retries > 1<<31-1 {
			return nil, fmt.Errorf("healthcheck.retries: %d is more than an engine counts", *h.Retries)
		}
		out.Retries = int(*h.Retries)
	}
	return out, nil
}

// privileges reads security_opt and credential_spec.
func (c *converter) privileges(s types.ServiceConfig) (*swarm.Privileges, error) {
	p := &swarm.Privileges{}
	for _, option := range s.SecurityOpt {
		key, value, _ := strings.Cut(option, "=")
		if label, ok := strings.CutPrefix(option, "label:"); ok {
			key, value = "label", label
		}
		switch {
		case key == "no-new-privileges" || strings.HasPrefix(option, "no-new-privileges:"):
			p.NoNewPrivileges = value != "false" && option != "no-new-privileges:false"
		case key == "seccomp":
			seccomp, err := c.seccomp(value)
			if err != nil {
				return nil, err
			}
			p.Seccomp = seccomp
		case option == "apparmor=unconfined":
			p.AppArmor = &swarm.AppArmorOpts{Mode: swarm.AppArmorModeDisabled}
		case key == "label":
			p.SELinuxContext = seLinux(p.SELinuxContext, value)
		default:
			c.change(s.Name, true, "security_opt", "%q is left out: a Swarm's task has no such option", option)
		}
	}
	if spec := s.CredentialSpec; spec != nil {
		p.CredentialSpec = &swarm.CredentialSpec{Config: spec.Config, File: spec.File, Registry: spec.Registry}
	}
	return p, nil
}

// seccomp reads a profile: unconfined, builtin, or a file, which is sent along.
func (c *converter) seccomp(value string) (*swarm.SeccompOpts, error) {
	switch value {
	case "unconfined":
		return &swarm.SeccompOpts{Mode: swarm.SeccompModeUnconfined}, nil
	case "", "builtin", "default":
		return &swarm.SeccompOpts{Mode: swarm.SeccompModeDefault}, nil
	}
	profile := []byte(value)
	if !json.Valid(profile) {
		profile = c.options.Seccomp[value]
	}
	if !json.Valid(profile) {
		return nil, fmt.Errorf("security_opt: the seccomp profile %q is no JSON, or was not read", value)
	}
	return &swarm.SeccompOpts{Mode: swarm.SeccompModeCustom, Profile: profile}, nil
}

func seLinux(have *swarm.SELinuxContext, label string) *swarm.SELinuxContext {
	if have == nil {
		have = &swarm.SELinuxContext{}
	}
	key, value, _ := strings.Cut(label, ":")
	switch key {
	case "disable":
		have.Disable = true
	case "user":
		have.User = value
	case "role":
		have.Role = value
	case "type":
		have.Type = value
	case "level":
		have.Level = value
	}
	return have
}

// fileMode is that of a secret or config: readable by all in its container where the file says nothing, as on one
// machine.
func fileMode(mode *types.FileMode) os.FileMode {
	if mode == nil {
		return 0o444
	}
	return os.FileMode(*mode)
}
