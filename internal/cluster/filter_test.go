package cluster

import (
	"slices"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/swarm"

	"github.com/25eloquence/compose-mage/internal/swarmspec"
)

func TestPluginsAndPlatforms(t *testing.T) {
	arm := func(n *swarm.Node) { n.Description.Platform.Architecture = "aarch64" }
	more := func(plugins ...swarm.PluginDescription) func(*swarm.Node) {
		return func(n *swarm.Node) {
			n.Description.Engine.Plugins = append(slices.Clone(n.Description.Engine.Plugins), plugins...)
		}
	}
	c := nodes(node("amd"), node("arm", arm), node("more", more(
		swarm.PluginDescription{Type: "Volume", Name: "nfs:latest"}, swarm.PluginDescription{Type: "Log", Name: "loki"},
		swarm.PluginDescription{Type: "Network", Name: "weave"},
	)))
	c.Networks = []network.Summary{{Network: network.Network{Name: "w", ID: "w-id", Driver: "weave"}}}
	volume := func(driver string) func(*swarm.ServiceSpec) {
		return func(s *swarm.ServiceSpec) {
			s.TaskTemplate.ContainerSpec.Mounts = []mount.Mount{{
				Type: mount.TypeVolume, Source: "v",
				VolumeOptions: &mount.VolumeOptions{DriverConfig: &mount.Driver{Name: driver}},
			}}
		}
	}
	log := func(driver string) func(*swarm.ServiceSpec) {
		return func(s *swarm.ServiceSpec) { s.TaskTemplate.LogDriver = &swarm.Driver{Name: driver} }
	}
	joins := func(network string) func(*swarm.ServiceSpec) {
		return func(s *swarm.ServiceSpec) {
			s.TaskTemplate.Networks = []swarm.NetworkAttachmentConfig{{Target: network}}
		}
	}
	for on := range map[string]bool{"linux/amd64": true, "linux/x86_64": true} {
		system, architecture, _ := strings.Cut(on, "/")
		f := c.Fit("a", service("a", 1, func(s *swarm.ServiceSpec) {
			s.TaskTemplate.Placement.Platforms = []swarm.Platform{{OS: system, Architecture: architecture}}
		}))
		const want = "fits amd more | arm: it is for linux/amd64, and the node is linux/arm64 | 1 on amd"
		if got := verdict(f); got != want {
			t.Errorf("%s: %s", on, got)
		}
	}
	for name, x := range map[string]struct {
		edit func(*swarm.ServiceSpec)
		want string
	}{
		"volume":         {volume("nfs"), "volume driver nfs"},
		"volume tag":     {volume("nfs:latest"), "volume driver nfs:latest"},
		"local":          {volume("local"), ""},
		"no driver":      {volume(""), ""},
		"log":            {log("loki"), "log driver loki"},
		"no log":         {log("none"), ""},
		"log options":    {log(""), ""},
		"network":        {joins("w"), "network driver weave"},
		"network by ID":  {joins("w-id"), "network driver weave"},
		"network of p":   {joins("new"), "network driver weave"},
		"unknown":        {joins("other"), ""},
		"overlay of p":   {joins("usual"), ""},
		"nobody has one": {volume("x"), "volume driver x"},
	} {
		stack := swarmspec.Stack{
			Services: map[string]swarm.ServiceSpec{"a": service("a", 1, x.edit)},
			Networks: map[string]swarmspec.Network{"new": {Name: "new"}, "usual": {Name: "usual"}},
		}
		for key, driver := range map[string]string{"new": "weave", "usual": "overlay"} {
			n := stack.Networks[key]
			n.Options.Driver = driver
			stack.Networks[key] = n
		}
		f := c.Place(stack, []string{"a"}, nil)[0]
		var got []string
		for _, n := range f.Nodes {
			got = append(got, Name(n))
		}
		want := "amd arm more"
		switch {
		case name == "nobody has one":
			want = ""
		case x.want != "":
			want = "more"
		}
		said := x.want == "" || strings.Contains(verdict(f), "the engine has no "+x.want)
		if strings.Join(got, " ") != want || !said {
			t.Errorf("%s: %s", name, verdict(f))
		}
	}
	old := nodes(node("old", func(n *swarm.Node) { n.Description.Engine.Plugins = nil }))
	if err := old.Fit("a", service("a", 1, log("loki"))).Err(); err != nil {
		t.Errorf("an engine that names no driver for logs: %v", err)
	}
}
