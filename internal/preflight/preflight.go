// Package preflight owns what the engine, or docker compose, would refuse about a project before anything of it is
// made: files that are not there, images that are nowhere, networks, volumes, devices and limits that the engine
// can't give. A start refuses these early, and check says them. It changes nothing, and it does not look at what is
// built: package image does.
package preflight

import (
	"context"
	"slices"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/moby/api/types/system"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/finding"
)

// API is what is asked of the engine; *engine.Engine has it.
type API interface {
	ContainerList(context.Context, client.ContainerListOptions) (client.ContainerListResult, error)
	DistributionInspect(context.Context, string, client.DistributionInspectOptions) (client.DistributionInspectResult,
		error)
	ImageInspect(context.Context, string, ...client.ImageInspectOption) (client.ImageInspectResult, error)
	NetworkInspect(context.Context, string, client.NetworkInspectOptions) (client.NetworkInspectResult, error)
	NetworkList(context.Context, client.NetworkListOptions) (client.NetworkListResult, error)
	PluginList(context.Context, client.PluginListOptions) (client.PluginListResult, error)
	VolumeInspect(context.Context, string, client.VolumeInspectOptions) (client.VolumeInspectResult, error)
}

// Input is what the checks look at.
type Input struct {
	API     API
	Info    system.Info
	Local   bool // the engine runs on this machine: its files and devices can be seen
	Project *types.Project
	// Auth gives the credentials for an image's registry as the engine takes them; nil for none.
	Auth func(image string) string
}

// Refusals gives what a start is refused for. Services in running have containers already, so that what only their
// creation needs is not asked for. An error means that the engine could not be asked.
func Refusals(ctx context.Context, in Input, running map[string]bool) ([]finding.Finding, error) {
	out := files(in.Project)
	images, err := findImages(ctx, in)
	if err != nil {
		return nil, err
	}
	out = append(out, images.absent(in.Project)...)
	for _, ask := range []func(context.Context, Input) ([]finding.Finding, error){externalNetworks, externalVolumes} {
		found, err := ask(ctx, in)
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
	}
	for _, name := range in.Project.ServiceNames() {
		if s := in.Project.Services[name]; !running[name] && s.GetScale() > 0 && s.Provider == nil {
			out = append(out, creation(in, s)...)
		}
	}
	return slices.DeleteFunc(out, func(f finding.Finding) bool { return f.Severity != finding.Failure }), nil
}

// creation gives what the engine would refuse when it makes a service's containers.
func creation(in Input, s types.ServiceConfig) []finding.Finding {
	out := limits(in.Info, s)
	out = append(out, runtime(in.Info, s)...)
	out = append(out, mountTargets(in.Info, s)...)
	if in.Local {
		out = append(out, append(binds(s), devices(in.Info, s)...)...)
	}
	return out
}

// All gives everything that is found, and asks registries for the images that the engine lacks. What could not be
// asked is a finding too.
func All(ctx context.Context, in Input) []finding.Finding {
	out := files(in.Project)
	images, err := findImages(ctx, in)
	if err != nil {
		return append(out, finding.Warn("image.missing", "", "the engine could not be asked for its images: %v", err))
	}
	out = append(out, unbuiltIsNoFault(images.absent(in.Project))...)
	out = append(out, images.askRegistries(ctx, in)...)
	out = append(out, unchecked(in.Project, images)...)
	out = append(out, secretModes(in.Project, images)...)
	for _, ask := range []struct {
		id string
		do func(context.Context, Input) ([]finding.Finding, error)
	}{
		{"network.external", externalNetworks},
		{"volume.external", externalVolumes},
		{"network.overlap", ownNetworks},
		{"volume.driver", ownVolumes},
		{"container.name", names},
	} {
		found, err := ask.do(ctx, in)
		if err != nil {
			found = []finding.Finding{finding.Warn(ask.id, "", "the engine could not be asked: %v", err)}
		}
		out = append(out, found...)
	}
	for _, name := range in.Project.ServiceNames() {
		s := in.Project.Services[name]
		if s.Provider != nil {
			continue
		}
		out = append(out, creation(in, s)...)
		out = append(out, gpus(in, s)...)
		out = append(out, platform(in, s)...)
		out = append(out, buildSources(in.Project, s)...)
	}
	return out
}

// unbuiltIsNoFault lowers what a build puts right: it comes before a start.
func unbuiltIsNoFault(findings []finding.Finding) []finding.Finding {
	for i, f := range findings {
		if f.ID == idUnbuilt {
			findings[i].Severity, findings[i].Code = finding.Info, 0
		}
	}
	return findings
}
