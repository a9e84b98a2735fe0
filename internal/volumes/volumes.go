// Package volumes owns who uses the engine's volumes and whether this process can read them, and stops their users
// for a while: who was stopped is written down first, so that a run that was killed leaves nobody stopped for good.
package volumes

import (
	"context"
	"fmt"
	"os"
	"path"
	"runtime"
	"slices"
	"strings"

	cerrdefs "github.com/containerd/errdefs"
	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/volume"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/engine"
)

// Container is one that mounts a volume.
type Container struct {
	moby.InspectResponse
	Processes []string // the names of its programs, where it runs
}

// Users gives the containers that mount one of the volumes, of whichever project and in whatever state.
func Users(ctx context.Context, e *engine.Engine, volumes []volume.Volume) ([]Container, error) {
	if len(volumes) == 0 {
		return nil, nil
	}
	f := client.Filters{}
	for _, v := range volumes {
		f = f.Add("volume", v.Name)
	}
	list, err := e.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: f})
	if err != nil {
		return nil, fmt.Errorf("listing the containers that use the volumes: %w", err)
	}
	var out []Container
	for _, c := range list.Items {
		found, err := e.ContainerInspect(ctx, c.ID, client.ContainerInspectOptions{})
		switch {
		case cerrdefs.IsNotFound(err):
			continue
		case err != nil:
			return nil, fmt.Errorf("inspecting %.12s: %w", c.ID, err)
		}
		one := Container{InspectResponse: found.Container}
		if one.State != nil && one.State.Running && !one.State.Paused {
			one.Processes = programs(ctx, e, c.ID)
		}
		out = append(out, one)
	}
	return out, nil
}

// programs are the names of the programs that a container runs, as far as the engine tells.
func programs(ctx context.Context, e *engine.Engine, id string) []string {
	top, err := e.ContainerTop(ctx, id, client.ContainerTopOptions{})
	if err != nil {
		return nil
	}
	at := slices.IndexFunc(top.Titles, func(title string) bool { return title == "CMD" || title == "COMMAND" })
	if at < 0 {
		return nil
	}
	var out []string
	for _, p := range top.Processes {
		if at < len(p) {
			if words := strings.Fields(p[at]); len(words) > 0 {
				out = append(out, path.Base(strings.TrimSuffix(words[0], ":")))
			}
		}
	}
	return out
}

// Unreadable says why a volume's files can't be read and written by this process, so that a container has to do it; ""
// where they can.
func Unreadable(e *engine.Engine, v volume.Volume) string {
	switch {
	case runtime.GOOS != "linux" || !e.Local():
		return "the engine's files are on another machine, or a virtual one: it is at " + e.Host
	case v.Driver != "local":
		return fmt.Sprintf("the driver of %q is %q", v.Name, v.Driver)
	case os.Geteuid() != 0:
		return "the engine's files are root's"
	case v.Mountpoint == "":
		return fmt.Sprintf("the engine does not say where the files of %q are", v.Name)
	}
	if _, err := os.Stat(v.Mountpoint); err != nil {
		return fmt.Sprintf("the engine's files can't be looked at: %v", err)
	}
	if len(v.Options) > 0 && v.Options["type"] != "" && !isMount(v.Mountpoint) {
		return fmt.Sprintf("what the options of %q name is mounted only while a container uses it", v.Name)
	}
	return ""
}

// MountsDevice says whether a volume's files are where its options say, and not in its own directory.
func MountsDevice(options map[string]string) bool {
	return options["type"] != "" || options["device"] != ""
}

// Running are those of the containers that run.
func Running(all []Container) []Container {
	return slices.DeleteFunc(slices.Clone(all), func(c Container) bool { return c.State == nil || !c.State.Running })
}
