package preflight

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	goruntime "runtime"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/containerd/platforms"
	"github.com/docker/compose/v5/pkg/api"
	"github.com/moby/moby/api/types/system"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/finding"
)

// names says which of the project's containers can't have their names: somebody else's has it.
func names(ctx context.Context, in Input) ([]finding.Finding, error) {
	list, err := in.API.ContainerList(ctx, client.ContainerListOptions{All: true})
	if err != nil {
		return nil, fmt.Errorf("listing containers: %w", err)
	}
	others := map[string]string{} // by name: the project, "" for none
	for _, c := range list.Items {
		for _, name := range c.Names {
			if c.Labels[container.ProjectLabel] != in.Project.Name {
				others[strings.TrimPrefix(name, "/")] = c.Labels[container.ProjectLabel]
			}
		}
	}
	var out []finding.Finding
	for _, service := range in.Project.ServiceNames() {
		s := in.Project.Services[service]
		if s.Provider != nil {
			continue
		}
		for n := 1; n <= s.GetScale(); n++ {
			name, remedy := s.ContainerName, "another container_name, or docker rename of the other one"
			if name == "" {
				name, remedy = strings.Join([]string{in.Project.Name, service, fmt.Sprint(n)},
					api.Separator), "docker rename of the other one, or another project name"
			}
			project, taken := others[name]
			if !taken {
				continue
			}
			whose := "no Compose project"
			if project != "" {
				whose = "project " + project
			}
			out = append(out,
				finding.Fail(fault.Config, "container.name", remedy, "container name %q is taken by a container of %s",
					name, whose).Of(service))
		}
	}
	return out, nil
}

// runtime says where the engine does not know the OCI runtime that the service names. A dotted name or a path is a
// containerd shim, which the engine looks for when it is needed.
func runtime(info system.Info, s types.ServiceConfig) []finding.Finding {
	if s.Runtime == "" || strings.ContainsAny(s.Runtime, "./") {
		return nil
	}
	if _, known := info.Runtimes[s.Runtime]; known {
		return nil
	}
	return []finding.Finding{finding.Fail(fault.Config, "runtime.missing",
		"register it in the engine's daemon.json, or leave runtime: out",
		"the engine has no runtime %q", s.Runtime).Of(s.Name)}
}

// qualified says whether a device's name is one of CDI's, such as nvidia.com/gpu=0.
func qualified(name string) bool {
	vendor, device, ok := strings.Cut(name, "=")
	return ok && device != "" && strings.Contains(vendor, "/") && !strings.HasPrefix(vendor, "/")
}

// mountTargets names the mounts that the engine refuses, for their place in the container is not absolute. The loader
// takes a volume's name of one letter for a Windows drive, and all of "v:/data" for the place.
func mountTargets(info system.Info, s types.ServiceConfig) []finding.Finding {
	if info.OSType != "linux" {
		return nil
	}
	var out []finding.Finding
	for _, v := range s.Volumes {
		if strings.HasPrefix(v.Target, "/") {
			continue
		}
		why, remedy := "is not absolute", "a target that begins with /"
		if drive, rest, ok := strings.Cut(v.Target, ":"); ok && len(drive) == 1 && strings.HasPrefix(rest, "/") {
			why = fmt.Sprintf("is not absolute: docker compose reads %s: as a Windows drive, so volume %q is not "+
				"mounted", drive, drive)
			remedy = fmt.Sprintf("{type: volume, source: %s, target: %s}, or a longer name for the volume",
				fault.Quote(drive), fault.Quote(rest))
		}
		out = append(out,
			finding.Fail(fault.Config, "mount.target", remedy, "mount target %q %s", v.Target, why).Of(s.Name))
	}
	return out
}

// inVM are words by which engines in a virtual machine name their system: such an engine's devices are not this
// machine's.
const inVM = "Docker Desktop"

// devices names the devices of a local engine that are not there.
func devices(info system.Info, s types.ServiceConfig) []finding.Finding {
	if goruntime.GOOS != "linux" || info.OperatingSystem == inVM {
		return nil
	}
	var out []finding.Finding
	for _, d := range s.Devices {
		if d.Source == "" || qualified(d.Source) {
			continue
		}
		if _, err := os.Stat(d.Source); errors.Is(err, fs.ErrNotExist) {
			out = append(out,
				finding.Fail(fault.Config, "device.missing", "attach it, or leave it out of devices:",
					"device %q is not there", d.Source).Of(s.Name))
		}
	}
	return out
}

// gpus names the device drivers that a service needs and the engine does not have. NVIDIA's is found by its runtime,
// by CDI, or by its hook on the engine's PATH, which is in nothing that the engine tells.
func gpus(in Input, s types.ServiceConfig) []finding.Finding {
	wanted := requests(s)
	if len(wanted) == 0 {
		return nil
	}
	var out []finding.Finding
	for _, driver := range wanted {
		switch {
		case driver == "cdi" && len(in.Info.CDISpecDirs)+len(in.Info.DiscoveredDevices) > 0:
		case driver == "nvidia" && hasNVIDIA(in):
		case driver == "nvidia" && !in.Local:
			out = append(out,
				finding.Warn("gpu.missing", "docker info",
					"it needs a GPU, and the engine tells of no NVIDIA runtime; whether it has the hook can't be "+
						"seen from here").Of(s.Name))
		case driver == "nvidia":
			out = append(out,
				finding.Fail(fault.Config, "gpu.missing",
					"install the NVIDIA Container Toolkit: "+
						"https://docs.nvidia.com/datacenter/cloud-native/container-toolkit",
					"it needs a GPU, and the engine has no NVIDIA runtime, hook or CDI device").Of(s.Name))
		default:
			out = append(out,
				finding.Fail(fault.Config, "gpu.missing", "docker info names the engine's CDI devices",
					"it needs a device of driver %q, which the engine does not have", driver).Of(s.Name))
		}
	}
	return out
}

// requests gives the device drivers that the service asks for, each once: nvidia, cdi, or what the file names.
func requests(s types.ServiceConfig) []string {
	all := slices.Clone(s.Gpus)
	if s.Deploy != nil && s.Deploy.Resources.Reservations != nil {
		all = append(all, s.Deploy.Resources.Reservations.Devices...)
	}
	var out []string
	for _, r := range all {
		driver := r.Driver
		if driver == "" { // the engine chooses by capability, and nvidia's driver is the only one that it has of itself
			driver = "nvidia"
		}
		out = append(out, driver)
	}
	for _, d := range s.Devices {
		if d.Source == d.Target && qualified(d.Source) {
			out = append(out, "cdi")
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func hasNVIDIA(in Input) bool {
	if _, ok := in.Info.Runtimes["nvidia"]; ok {
		return true
	}
	if slices.ContainsFunc(in.Info.DiscoveredDevices,
		func(d system.DeviceInfo) bool { return strings.HasPrefix(d.ID, "nvidia.com/gpu") }) {
		return true
	}
	if !in.Local {
		return false
	}
	for _, hook := range []string{"nvidia-container-runtime-hook", "nvidia-container-toolkit"} {
		if _, err := exec.LookPath(hook); err == nil {
			return true
		}
	}
	return false
}

// emulators is where Linux keeps which foreign programs it can run.
const emulators = "/proc/sys/fs/binfmt_misc"

// platform gives a finding where the engine can't run the platform that the service asks for.
func platform(in Input, s types.ServiceConfig) []finding.Finding {
	if s.Platform == "" || in.Info.Architecture == "" {
		return nil
	}
	wanted, err := platforms.Parse(s.Platform)
	if err != nil {
		return []finding.Finding{
			finding.Fail(fault.Config, "platform.unsupported", "os/architecture, as in linux/amd64", "platform %q: %v",
				s.Platform, err).Of(s.Name),
		}
	}
	own := platforms.Normalize(platforms.Platform{OS: in.Info.OSType, Architecture: in.Info.Architecture})
	if platforms.Only(own).Match(wanted) || emulated(in, wanted.Architecture) {
		return nil
	}
	const remedy = "docker run --privileged --rm tonistiigi/binfmt --install all, or another platform"
	if !in.Local {
		return []finding.Finding{
			finding.Warn("platform.unsupported", remedy,
				"platform %s on an engine of %s needs an emulator, which can't be seen from here", s.Platform,
				platforms.Format(own)).Of(s.Name),
		}
	}
	return []finding.Finding{
		finding.Fail(fault.Config, "platform.unsupported", remedy, "the engine is %s and has no emulator for %s",
			platforms.Format(own), s.Platform).Of(s.Name),
	}
}

// emulated says whether the kernel of a local engine hands programs of the architecture to an emulator.
func emulated(in Input, architecture string) bool {
	if !in.Local {
		return false
	}
	kernel := map[string]string{"arm64": "aarch64", "amd64": "x86_64", "386": "i386"}[architecture]
	if kernel == "" {
		kernel = architecture
	}
	found, _ := filepath.Glob(filepath.Join(emulators, "*"+kernel+"*"))
	return len(found) > 0
}
