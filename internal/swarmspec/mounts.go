package swarmspec

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/go-units"
	"github.com/moby/moby/api/types/mount"
)

// mounts are volumes, tmpfs and shm_size, sorted by their targets.
func (c *converter) mounts(s types.ServiceConfig) ([]mount.Mount, error) {
	var out []mount.Mount
	for _, v := range s.Volumes {
		m, err := c.mount(s.Name, v)
		if err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	for _, text := range s.Tmpfs {
		m, err := c.tmpfs(s.Name, text)
		if err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	const shm = "/dev/shm"
	taken := slices.ContainsFunc(out, func(m mount.Mount) bool { return m.Target == shm })
	if s.ShmSize > 0 && !taken {
		out = append(out, mount.Mount{
			Type: mount.TypeTmpfs, Target: shm,
			TmpfsOptions: &mount.TmpfsOptions{SizeBytes: int64(s.ShmSize), Mode: os.ModeSticky | 0o777},
		})
	}
	slices.SortStableFunc(out, func(a, b mount.Mount) int { return strings.Compare(a.Target, b.Target) })
	return out, nil
}

func (c *converter) mount(service string, v types.ServiceVolumeConfig) (mount.Mount, error) {
	m := mount.Mount{
		Type: mount.Type(v.Type), Source: c.literal(service, "volumes", v.Source), Target: v.Target,
		ReadOnly: v.ReadOnly,
	}
	c.change(service, v.Consistency != "", "volumes.consistency", "left out: nodes have one file system")
	switch v.Type {
	case types.VolumeTypeBind:
		c.bind(service, v, &m)
	case types.VolumeTypeVolume:
		c.volume(service, v, &m)
	case types.VolumeTypeTmpfs:
		m.Source = ""
		if o := v.Tmpfs; o != nil {
			m.TmpfsOptions = &mount.TmpfsOptions{SizeBytes: int64(o.Size), Mode: os.FileMode(o.Mode)}
		}
	case types.VolumeTypeImage:
		if o := v.Image; o != nil {
			m.ImageOptions = &mount.ImageOptions{Subpath: o.SubPath}
		}
	case types.VolumeTypeCluster, types.VolumeTypeNamedPipe:
	default:
		return m, fmt.Errorf("volumes: %q is no type of mount that a Swarm has", v.Type)
	}
	return m, nil
}

// bind mounts a path of the node on which the task happens to run.
func (c *converter) bind(service string, v types.ServiceVolumeConfig, m *mount.Mount) {
	c.change(service, true, "volumes",
		"%s is the path of whichever node runs the task: it must be there, and be the same, on each", v.Source)
	o := v.Bind
	if o == nil {
		return
	}
	m.BindOptions = &mount.BindOptions{
		Propagation: mount.Propagation(o.Propagation), NonRecursive: o.Recursive == "disabled",
		ReadOnlyForceRecursive: o.Recursive == "readonly",
	}
	c.change(service, o.SELinux != "", "volumes.bind.selinux", "left out: label the path on each node")
	if *m.BindOptions == (mount.BindOptions{}) {
		m.BindOptions = nil
	}
}

// volume mounts a named volume, or one without a name, which ends with its task.
func (c *converter) volume(service string, v types.ServiceVolumeConfig, m *mount.Mount) {
	o := &mount.VolumeOptions{}
	if v.Volume != nil {
		o.NoCopy, o.Subpath, o.Labels = v.Volume.NoCopy, v.Volume.Subpath, v.Volume.Labels
	}
	if config, named := c.project.Volumes[v.Source]; named {
		m.Source = config.Name
		if !bool(config.External) {
			labels := c.labels(config.Labels)
			maps.Copy(labels, o.Labels)
			o.Labels = labels
			if config.Driver != "" || len(config.DriverOpts) > 0 {
				o.DriverConfig = &mount.Driver{Name: config.Driver, Options: config.DriverOpts}
			}
		}
	}
	if o.NoCopy || o.Subpath != "" || len(o.Labels) > 0 || o.DriverConfig != nil {
		m.VolumeOptions = o
	}
}

// tmpfs reads an entry such as /run:size=64m,mode=1777,uid=999.
func (c *converter) tmpfs(service, text string) (mount.Mount, error) {
	target, options, _ := strings.Cut(text, ":")
	m := mount.Mount{Type: mount.TypeTmpfs, Target: target}
	o := mount.TmpfsOptions{}
	for _, option := range strings.FieldsFunc(options, func(r rune) bool { return r == ',' }) {
		key, value, has := strings.Cut(option, "=")
		var err error
		switch {
		case key == "size" && !strings.HasSuffix(value, "%"):
			o.SizeBytes, err = units.RAMInBytes(value)
		case key == "mode":
			var mode uint64
			mode, err = strconv.ParseUint(value, 8, 32)
			o.Mode = unixMode(mode)
		case key == "ro":
			m.ReadOnly = true
		case key == "rw":
		case slices.Contains([]string{"uid", "gid", "nr_inodes", "nr_blocks", "exec", "noexec"}, key):
			o.Options = append(o.Options, option2(key, value, has))
		default:
			c.change(service, !slices.Contains([]string{"nosuid", "nodev"}, key), "tmpfs",
				"%q of %s is left out: a Swarm has no such option", option, target)
		}
		if err != nil {
			return m, fmt.Errorf("tmpfs: reading %q: %w", option, err)
		}
	}
	if o.SizeBytes != 0 || o.Mode != 0 || len(o.Options) > 0 {
		m.TmpfsOptions = &o
	}
	return m, nil
}

func option2(key, value string, has bool) []string {
	if has {
		return []string{key, value}
	}
	return []string{key}
}

// unixMode is a mode of chmod as Go has it.
func unixMode(mode uint64) os.FileMode {
	out := os.FileMode(mode & 0o777)
	for bit, flag := range map[uint64]os.FileMode{
		0o1000: os.ModeSticky, 0o2000: os.ModeSetgid, 0o4000: os.ModeSetuid,
	} {
		if mode&bit != 0 {
			out |= flag
		}
	}
	return out
}
