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
	i.notes = append(i.notes, fmt.Sprintf(format, args...))
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
	s.Image, s.Build, s.PullPolicy, s.Platform = i.images[name], nil, types.PullPolicyNever, ""
	s.ContainerName, s.Ports, s.Labels, s.Logging, s.Develop = "", nil, i.labels(), nil, nil
	s.Restart, s.Scale, s.CgroupParent, s.ExternalLinks = types.RestartPolicyNo, nil, "", nil
	if s.Deploy != nil {
		deploy := *s.Deploy
		deploy.Replicas, deploy.RestartPolicy, deploy.Labels = nil, nil, nil
		s.Deploy = &deploy
	}
	if s.Privileged || len(s.Devices) > 0 {
		i.note("%s has no devices and is not privileged in the drill", name)
	}
	s.Privileged, s.Devices, s.DeviceCgroupRules = false, nil, nil
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

// connect has the service reach those of its networks alone.
func (i *isolation) connect(name string, s *types.ServiceConfig) {
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
	if _, err := os.Stat(m.Source); err == nil {
		return m
	}
	live := filepath.Join(i.root, rel)
	if _, err := os.Stat(live); err != nil {
		i.note("%s is not in the snapshot, and %s sees an empty directory in its place", rel, service)
		return m
	}
	i.note("%s is not in the snapshot: %s sees that of this machine, and can't write there", rel, service)
	m.Source, m.ReadOnly = live, true
	return m
}
