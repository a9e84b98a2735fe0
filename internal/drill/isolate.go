package drill

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
)

// isolation makes a project one that can run beside the one that it was saved from.
type isolation struct {
	project *types.Project
	of      string            // the project's own name
	files   string            // the directory that has the snapshot's files
	root    string            // the project's own, on this machine or the one that was saved
	images  map[string]string // service -> the image that it runs
	notes   []string
}

// isolate gives the project the name of a drill of the project of, and takes away all by which its services would
// meet others: ports, networks that lead anywhere, devices, directories and namespaces of the host, labels that other
// programs act upon. Its volumes are the drill's own. The notes say what may behave otherwise because of that.
func isolate(project *types.Project, of, files, root string, images map[string]string) (notes []string) {
	i := isolation{project: project, of: of, files: files, root: root, images: images}
	name := Name(of)
	project.Name = name
	i.dropProviders()
	i.dropModels()
	i.isolateNetworks()
	for key, v := range project.Volumes {
		project.Volumes[key] = types.VolumeConfig{
			Name: name + "_" + key, Labels: i.labels(), Extensions: v.Extensions,
		}
	}
	for _, service := range slices.Sorted(maps.Keys(project.Services)) {
		project.Services[service] = i.service(service, project.Services[service])
	}
	return i.notes
}

func (i *isolation) note(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(i.notes, text) {
		i.notes = append(i.notes, text)
	}
}

// dropProviders takes away the services that a program outside of the engine provides.
func (i *isolation) dropProviders() {
	for name, s := range i.project.Services {
		if s.Provider == nil {
			continue
		}
		delete(i.project.Services, name)
		for _, other := range i.project.Services {
			delete(other.DependsOn, name)
		}
		i.note("%s is left out: a provider outside of the engine gives it", name)
	}
}

// dropModels takes away language models: a program outside of the engine runs them.
func (i *isolation) dropModels() {
	for _, name := range slices.Sorted(maps.Keys(i.project.Models)) {
		i.note("the model %s is left out: a program outside of the engine runs it", name)
	}
	i.project.Models = nil
}

// isolateNetworks has no network lead out, nor take an address that another has.
func (i *isolation) isolateNetworks() {
	networks := types.Networks{}
	for key := range i.project.Networks {
		networks[key] = i.network(key)
	}
	i.project.Networks = networks
}

func (i *isolation) network(key string) types.NetworkConfig {
	return types.NetworkConfig{Name: i.project.Name + "_" + key, Internal: true, Labels: i.labels()}
}

// labels are on all that the drill makes.
func (i *isolation) labels() types.Labels { return types.Labels{label: i.of} }

const ownNetwork = "default"

// service is what is left of one.
func (i *isolation) service(name string, s types.ServiceConfig) types.ServiceConfig {
	saved := s.Image
	s.ContainerSpec = i.container(name, s.ContainerSpec)
	s.Image, s.Build, s.ContainerName, s.Ports, s.Develop = i.images[name], nil, "", nil, nil
	s.Restart, s.Scale, s.ExternalLinks = types.RestartPolicyNo, nil, nil
	if s.Deploy != nil {
		deploy := *s.Deploy
		deploy.Replicas, deploy.RestartPolicy, deploy.Labels = nil, nil, nil
		if r := deploy.Resources.Reservations; r != nil && len(r.Devices) > 0 {
			i.note("%s has no devices and is not privileged in the drill", name)
			plain := *r
			plain.Devices = nil
			deploy.Resources.Reservations = &plain
		}
		s.Deploy = &deploy
	}
	// A hook before the start is a container of its own, with its own words and else those of the service.
	s.PreStart = slices.Clone(s.PreStart)
	for n, hook := range s.PreStart {
		hook.ContainerSpec = i.container(name, hook.ContainerSpec)
		if hook.Image == saved {
			hook.Image = s.Image
		}
		s.PreStart[n] = hook
	}
	s.PostStart, s.PreStop = i.commands(name, s.PostStart), i.commands(name, s.PreStop)
	return s
}

// commands are hooks that are run in the service's container.
func (i *isolation) commands(name string, all []types.ServiceHook) []types.ServiceHook {
	all = slices.Clone(all)
	for n := range all {
		if all[n].Privileged {
			i.note("%s has no devices and is not privileged in the drill", name)
		}
		all[n].Privileged = false
	}
	return all
}

// container is what is left of a container of the service.
func (i *isolation) container(name string, s types.ContainerSpec) types.ContainerSpec {
	s.PullPolicy, s.Platform, s.CgroupParent = types.PullPolicyNever, "", ""
	s.Labels, s.Logging, s.LogDriver, s.LogOpt = i.labels(), nil, "", nil
	if s.Privileged || len(s.Devices)+len(s.Gpus) > 0 {
		i.note("%s has no devices and is not privileged in the drill", name)
	}
	s.Privileged, s.Devices, s.DeviceCgroupRules, s.Gpus = false, nil, nil, nil
	s.CapAdd = i.without(name, s.CapAdd, func(right string) bool { return !usualRights[plainRight(right)] })
	s.SecurityOpt = i.without(name, s.SecurityOpt, loosens)
	if s.UseAPISocket {
		i.note("%s does not see the engine's socket", name)
	}
	s.UseAPISocket, s.Models = false, nil
	for _, space := range []*string{&s.Pid, &s.Ipc, &s.Uts, &s.UserNSMode, &s.Cgroup} {
		if *space == "host" || strings.HasPrefix(*space, types.ContainerPrefix) {
			*space = ""
		}
	}
	s.VolumesFrom = slices.DeleteFunc(slices.Clone(s.VolumesFrom), func(from string) bool {
		return strings.HasPrefix(from, types.ContainerPrefix)
	})
	s.ExtraHosts = maps.Clone(s.ExtraHosts)
	maps.DeleteFunc(s.ExtraHosts, func(_ string, to []string) bool { return slices.Contains(to, "host-gateway") })
	s.Volumes = i.mounts(name, s.Volumes)
	i.connect(name, &s)
	return s
}

// connect has the container reach those of its networks alone.
func (i *isolation) connect(name string, s *types.ContainerSpec) {
	if s.NetworkMode == "none" || strings.HasPrefix(s.NetworkMode, types.ServicePrefix) {
		return
	}
	if s.NetworkMode != "" {
		i.note("%s is on a network of the drill's, not on the network %s", name, s.NetworkMode)
		s.NetworkMode, s.Networks = "", map[string]*types.ServiceNetworkConfig{ownNetwork: nil}
		i.project.Networks[ownNetwork] = i.network(ownNetwork)
	}
	networks := map[string]*types.ServiceNetworkConfig{}
	for key, config := range s.Networks {
		if config != nil {
			networks[key] = &types.ServiceNetworkConfig{Aliases: config.Aliases, Priority: config.Priority}
			continue
		}
		networks[key] = nil
	}
	s.Networks, s.MacAddress = networks, ""
}

// mounts are those that lead into volumes, into memory, and to the snapshot's own files.
func (i *isolation) mounts(service string, all []types.ServiceVolumeConfig) (out []types.ServiceVolumeConfig) {
	for _, m := range all {
		switch m.Type {
		case types.VolumeTypeVolume, types.VolumeTypeTmpfs, types.VolumeTypeImage:
			out = append(out, m)
		case types.VolumeTypeBind:
			rel, err := filepath.Rel(i.files, m.Source)
			if err == nil && filepath.IsLocal(rel) {
				out = append(out, i.own(service, m, rel))
				continue
			}
			i.note("%s does not see %s of the host", service, m.Source)
		default:
			i.note("%s does not see %s (%s)", service, m.Target, m.Type)
		}
	}
	return out
}

// own is a mount of the project's own file or directory. What the snapshot lacks is taken from where the project is, if
// that is this machine, and nobody may write there.
func (i *isolation) own(service string, m types.ServiceVolumeConfig, rel string) types.ServiceVolumeConfig {
	if exists(m.Source) {
		return m
	}
	live := filepath.Join(i.root, rel)
	leads, err := reaches(live)
	switch {
	case !exists(live):
		i.note("%s is not in the snapshot, and %s sees an empty directory in its place", rel, service)
		return m
	case err != nil:
		i.note("%s is not in the snapshot, and %s sees an empty directory in its place: %v", rel, service, err)
		return m
	case leads != "":
		i.note("%s is not in the snapshot, and %s sees an empty directory in its place: by %s it would reach what runs",
			rel, service, leads)
		return m
	}
	i.note("%s is not in the snapshot: %s sees that of this machine, and can't write there", rel, service)
	m.Source, m.ReadOnly = live, true
	return m
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
