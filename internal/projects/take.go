package projects

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/loader"
	cerrdefs "github.com/containerd/errdefs"
	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/volume"
	"github.com/moby/moby/client"
	"golang.org/x/sync/errgroup"

	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/diskspace"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/evidence"
)

// API is what is asked of the engine; *engine.Engine has it. None of it waits for sizes to be counted.
type API interface {
	ContainerList(context.Context, client.ContainerListOptions) (client.ContainerListResult, error)
	ContainerInspect(context.Context, string, client.ContainerInspectOptions) (client.ContainerInspectResult, error)
	ImageList(context.Context, client.ImageListOptions) (client.ImageListResult, error)
	VolumeList(context.Context, client.VolumeListOptions) (client.VolumeListResult, error)
	Events(context.Context, client.EventsListOptions) client.EventsResult
	NetworkList(context.Context, client.NetworkListOptions) (client.NetworkListResult, error)
}

// inspections is how many containers are inspected at a time.
const inspections = 8

// Load is what a container's processes use.
type Load struct {
	Memory     int64 // as docker stats counts, in bytes
	CPUPercent float64
	OOMKills   int
}

// Sizes are those that the engine counts for long, and where somebody has them already.
type Sizes struct {
	Age        time.Duration
	Volumes    map[string]int64 // by name, in bytes
	Containers map[string]int64 // their own layers, by ID
}

// Options say how a report is made.
type Options struct {
	Machine engine.Machine
	Now     time.Time // by the engine's clock
	Local   bool      // the engine's files and folders are this machine's
	Root    string    // the engine's data root
	// Loads gives what the running ones among the containers use, by ID; those that it can't tell of are missing.
	Loads     func(ctx context.Context, running []moby.InspectResponse) map[string]Load
	Sizes     func(ctx context.Context) Sizes // nil where nobody has them
	Resources bool                            // printed are the resources, not the services
}

// observed is what was seen of the engine.
type observed struct {
	containers []container.Replica
	loads      map[string]Load
	images     map[string]int64 // bytes by ID
	volumes    []volume.Volume
	networks   []network.Summary
	sizes      Sizes
}

// Take looks at all projects of the engine.
func Take(ctx context.Context, api API, o Options) (Report, error) {
	seen, err := observe(ctx, api, o)
	if err != nil {
		return Report{}, err
	}
	look := local{gone: func(string) bool { return false }, logs: func(string) int64 { return Unknown }}
	if o.Local {
		look = local{gone: gone, logs: logBytes}
	}
	r := Report{
		Time: o.Now, CPUs: o.Machine.CPUs, Memory: o.Machine.Memory, Root: o.Root, resources: o.Resources,
		Projects: assemble(seen, o.Now, look), Fine: true,
	}
	for _, p := range r.Projects {
		r.Fine = r.Fine && p.Fine
	}
	if o.Local { // what can't be read is left unsaid
		if space, err := diskspace.Of(o.Root); err == nil {
			r.Space = &space
		}
	}
	return r, nil
}

// observe asks the engine for all kinds at once.
func observe(ctx context.Context, api API, o Options) (observed, error) {
	seen := observed{images: map[string]int64{}}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		if seen.containers, err = inspectAll(ctx, api, o); err == nil && o.Loads != nil {
			seen.loads = o.Loads(ctx, running(seen.containers))
		}
		return err
	})
	g.Go(func() error {
		list, err := api.ImageList(ctx, client.ImageListOptions{All: true})
		for _, i := range list.Items {
			seen.images[i.ID] = i.Size
		}
		return wrapped("images", err)
	})
	g.Go(func() error {
		list, err := api.VolumeList(ctx, client.VolumeListOptions{})
		seen.volumes = list.Items
		return wrapped("volumes", err)
	})
	g.Go(func() error {
		list, err := api.NetworkList(ctx, client.NetworkListOptions{})
		seen.networks = list.Items
		return wrapped("networks", err)
	})
	if o.Sizes != nil {
		g.Go(func() error { seen.sizes = o.Sizes(ctx); return nil })
	}
	return seen, g.Wait()
}

func wrapped(what string, err error) error {
	if err != nil {
		return fmt.Errorf("listing the engine's %s: %w", what, err)
	}
	return nil
}

// inspectAll looks into every container of the engine; one that goes meanwhile is left out.
func inspectAll(ctx context.Context, api API, o Options) ([]container.Replica, error) {
	list, err := api.ContainerList(ctx, client.ContainerListOptions{All: true})
	if err != nil {
		return nil, wrapped("containers", err)
	}
	found := make([]container.Replica, len(list.Items))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(inspections)
	for i, c := range list.Items {
		g.Go(func() error {
			got, err := api.ContainerInspect(ctx, c.ID, client.ContainerInspectOptions{})
			if err != nil && !cerrdefs.IsNotFound(err) {
				return fmt.Errorf("inspecting a container: %w", err)
			}
			found[i].InspectResponse = got.Container
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	stopped := map[string]func(moby.InspectResponse) bool{}
	out := found[:0]
	for _, c := range found {
		if c.ID == "" || c.State == nil || c.Config == nil {
			continue
		}
		// The name is part of a path where what we stopped is recorded: only one that Compose would take is asked for.
		if name := c.Config.Labels[container.ProjectLabel]; name != "" && loader.NormalizeProjectName(name) == name {
			if stopped[name] == nil {
				stopped[name] = container.EndedByStop(name)
			}
			c.Stopped = stopped[name](c.InspectResponse)
		}
		out = append(out, c)
	}
	evidence.Explain(ctx, api, evidence.Place{Now: func() time.Time { return o.Now }, Local: o.Local}, labelled(out))
	return out, nil
}

// labelled gives the containers of projects: of others the end that their state tells will do.
func labelled(all []container.Replica) []*container.Replica {
	var out []*container.Replica
	for i, c := range all {
		if c.Config.Labels[container.ProjectLabel] != "" {
			out = append(out, &all[i])
		}
	}
	return out
}

func running(all []container.Replica) []moby.InspectResponse {
	var out []moby.InspectResponse
	for _, c := range all {
		if c.State.Running {
			out = append(out, c.InspectResponse)
		}
	}
	return out
}

// local is what is looked at where the engine is this machine's.
type local struct {
	gone func(folder string) bool
	logs func(path string) int64 // bytes of a container's log; Unknown where it can't be seen
}

// gone says whether a folder is known to be no longer there.
func gone(folder string) bool {
	info, err := os.Stat(folder)
	return errors.Is(err, fs.ErrNotExist) || err == nil && !info.IsDir()
}

// logBytes adds up a log and the parts of it that the engine has rotated: x-json.log, x-json.log.1, x-json.log.2.gz.
func logBytes(path string) int64 {
	if path == "" { // a log driver whose logs are elsewhere, or a container that never ran
		return Unknown
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return Unknown
	}
	var bytes int64
	for _, e := range entries {
		if info, err := e.Info(); err == nil && strings.HasPrefix(e.Name(), filepath.Base(path)) {
			bytes += info.Size()
		}
	}
	return bytes
}
