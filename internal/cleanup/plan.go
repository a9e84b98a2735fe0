// Package cleanup owns what may be removed: the package looks at containers, images, networks, volumes and build
// caches, decides which can go and which must stay, says why and how many bytes that frees, and removes just those.
// The labels of Compose alone say whose a thing is. Volumes hold data: only those named by hand ever go.
package cleanup

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/image"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/volume"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/builds"
	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/diskspace"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/snapshots"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// Scope is how far a run reaches.
type Scope string

// The scopes: what is provably this project's, or also what nobody uses on the whole host.
const (
	Project Scope = "project"
	Host    Scope = "host"
)

// DefaultCacheBudget is how much build cache stays, in bytes.
const DefaultCacheBudget = 10 << 30

// Options widen or narrow a run; the zero value is the safe default.
type Options struct {
	Scope Scope // empty: Project
	// CacheBudget is how many bytes of each build cache stay; 0 means DefaultCacheBudget, less than 0 none.
	CacheBudget int64
	// Volumes are the volumes to remove, by their key in the Compose file or their full name.
	Volumes []string
	// Images are the images to remove whatever the record says of them, by a name or by (the beginning of) an ID.
	Images []string
	// TakeOver is whether what another checkout made under the project's name counts as this one's.
	TakeOver bool
	// Builds is the record of the project's built images; nil where there is none.
	Builds *builds.Store
	// Builder is the managed builder whose cache is pruned too; nil where there is none.
	Builder Builder
}

// Builder is a build cache beside the engine's own.
type Builder interface {
	// Usage is the size of the cache, in bytes.
	Usage(ctx context.Context) (int64, error)
	// Prune drops the records least worth keeping until keepBytes stay, and gives the bytes freed.
	Prune(ctx context.Context, keepBytes int64) (freed int64, err error)
}

// API is what is asked of the engine; *engine.Engine has it.
type API interface {
	ContainerList(context.Context, client.ContainerListOptions) (client.ContainerListResult, error)
	ContainerInspect(context.Context, string, client.ContainerInspectOptions) (client.ContainerInspectResult, error)
	ContainerRemove(context.Context, string, client.ContainerRemoveOptions) (client.ContainerRemoveResult, error)
	ImageList(context.Context, client.ImageListOptions) (client.ImageListResult, error)
	ImageInspect(context.Context, string, ...client.ImageInspectOption) (client.ImageInspectResult, error)
	ImageRemove(context.Context, string, client.ImageRemoveOptions) (client.ImageRemoveResult, error)
	NetworkList(context.Context, client.NetworkListOptions) (client.NetworkListResult, error)
	NetworkInspect(context.Context, string, client.NetworkInspectOptions) (client.NetworkInspectResult, error)
	NetworkRemove(context.Context, string, client.NetworkRemoveOptions) (client.NetworkRemoveResult, error)
	VolumeInspect(context.Context, string, client.VolumeInspectOptions) (client.VolumeInspectResult, error)
	VolumeRemove(context.Context, string, client.VolumeRemoveOptions) (client.VolumeRemoveResult, error)
	DiskUsage(context.Context, client.DiskUsageOptions) (client.DiskUsageResult, error)
	BuildCachePrune(context.Context, client.BuildCachePruneOptions) (client.BuildCachePruneResult, error)
}

// Kind is what an item is; the values are what a person reads.
type Kind string

// The kinds, in the order in which they are removed: users before what they use.
const (
	Container    Kind = "container"
	Image        Kind = "image"
	Network      Kind = "network"
	Volume       Kind = "volume"
	EngineCache  Kind = "engine cache"
	BuilderCache Kind = "builder cache"
)

var order = []Kind{Container, Image, Network, Volume, EngineCache, BuilderCache}

// Item is one thing that goes or stays.
type Item struct {
	Kind  Kind
	ID    string // as the engine knows it; empty for caches
	Name  string
	Bytes int64  // what removing it frees, at least: image layers that others share are not counted
	Owner string // the Compose project; empty where it is nobody's
	Why   string // why it goes, or why it stays
	Tags  []string
	// Unknown marks an image that no record of a build has, so that it goes only when named.
	Unknown bool

	untag            []string // the names that an image loses, where it keeps others and so stays
	createdAt        string   // when a volume was made, as the engine says: another volume may take the name
	anonymousVolumes bool     // a container has volumes that nobody named
}

// Plan is what a run would do. Nothing has been touched yet.
type Plan struct {
	Project string
	Scope   Scope
	Remove  []Item
	Keep    []Item

	budget  int64 // of each build cache, in bytes; 0: empty it
	builder Builder
	builds  *builds.Store
	gone    []string // images that the record has, and the engine has no longer
	// replan looks at the engine once more and plans anew, what was named by hand left out.
	replan func(context.Context) (Plan, error)
}

// Bytes is the total that the plan frees, at least.
func (p Plan) Bytes() (total int64) {
	for _, i := range p.Remove {
		total += i.Bytes
	}
	return total
}

// observed is everything on the engine that a plan is made from.
type observed struct {
	now          time.Time
	containers   []moby.Summary    // all of the host, with their sizes
	images       []image.Summary   // all of the host but untagged parents of others, with their shared sizes
	every        []image.Summary   // these too, without shared sizes
	records      []builds.Record   // of images that builds made, the last built first
	folder       string            // of the Compose files, as records name it
	others       map[string]string // by the ID of a container that another checkout made: its folder
	networks     []network.Summary // of the host, without those the engine makes itself
	volumes      []volume.Volume
	engineCache  int64
	builderCache int64 // -1: no builder
	// saved says when this machine last saved a volume, by its full name; nil where nothing is known.
	saved func(volume string) (time.Time, bool)
}

// MakePlan looks at the engine and decides; nothing is removed. A volume named in opts that is not the project's,
// does not exist or is in use is a *fault.Error of code Usage.
func MakePlan(ctx context.Context, api API, project *types.Project, opts Options) (Plan, error) {
	opts.Scope = cmp.Or(opts.Scope, Project)
	if opts.Scope != Project && opts.Scope != Host {
		return Plan{}, fault.New(fault.Usage, "go tool mage cleanup -scope=project",
			"unknown scope %q%s: it is project or host",
			opts.Scope,
			fault.DidYouMean(string(opts.Scope), []string{string(Project), string(Host)}))
	}
	seen, err := observe(ctx, api, project, opts)
	if err != nil {
		return Plan{}, err
	}
	plan, err := decide(seen, project, opts)
	plan.replan = func(ctx context.Context) (Plan, error) {
		opts.Volumes, opts.Images, opts.Builder = nil, nil, nil
		seen, err := observe(ctx, api, project, opts)
		if err != nil {
			return Plan{}, err
		}
		return decide(seen, project, opts)
	}
	return plan, err
}

func observe(ctx context.Context, engine API, project *types.Project, opts Options) (observed, error) {
	seen := observed{
		now: time.Now(), builderCache: -1, folder: opts.Builds.Folder(),
		saved: func(volume string) (time.Time, bool) { return snapshots.Saved(project.Name, volume) },
	}
	// The record is read before the images are listed: one that a build makes meanwhile has none yet.
	if seen.records = opts.Builds.Records(); opts.Scope == Host {
		seen.records = opts.Builds.All()
	}
	// system df alone gives sizes, sharing and reference counts, for all kinds and on every engine since 20.10.
	use, err := diskspace.Stored(ctx, engine,
		client.DiskUsageOptions{Containers: true, Images: true, Volumes: true, BuildCache: true, Verbose: true})
	if err != nil {
		return seen, fmt.Errorf("asking the engine what it stores: %w", err)
	}
	seen.containers, seen.images, seen.volumes = use.Containers.Items, use.Images.Items, use.Volumes.Items
	seen.engineCache = use.BuildCache.TotalSize
	every, err := engine.ImageList(ctx, client.ImageListOptions{All: true})
	if err != nil {
		return seen, fmt.Errorf("listing images: %w", err)
	}
	seen.every = every.Items
	seen.others = map[string]string{}
	for _, c := range seen.containers {
		if !opts.TakeOver && container.OfAnother(c.Labels, project) {
			seen.others[c.ID] = c.Labels[container.WorkingDirLabel]
		}
	}
	list, err := engine.NetworkList(ctx, client.NetworkListOptions{})
	if err != nil {
		return seen, fmt.Errorf("listing networks: %w", err)
	}
	for _, n := range list.Items {
		if !builtIn(n) {
			seen.networks = append(seen.networks, n)
		}
	}
	if opts.Builder != nil {
		seen.builderCache, err = opts.Builder.Usage(ctx)
		switch {
		case fault.BuilderLost(err) && ctx.Err() == nil: // one that is gone has no cache worth failing for
			seen.builderCache = -1
		case err != nil:
			return seen, err
		}
	}
	return seen, nil
}

func decide(seen observed, project *types.Project, opts Options) (Plan, error) {
	d := decision{
		seen: seen, names: readModel(project),
		plan: Plan{Project: project.Name, Scope: opts.Scope, builder: opts.Builder, builds: opts.Builds},
	}
	switch {
	case opts.CacheBudget == 0:
		d.plan.budget = DefaultCacheBudget
	case opts.CacheBudget > 0:
		d.plan.budget = opts.CacheBudget
	}
	d.decideContainers()
	if err := d.decideImages(opts.Images); err != nil {
		return Plan{}, err
	}
	d.decideNetworks()
	if err := d.decideVolumes(opts.Volumes); err != nil {
		return Plan{}, err
	}
	d.decideCaches()
	d.plan.gone = d.recordsWithoutImage()
	for _, items := range [][]Item{d.plan.Remove, d.plan.Keep} {
		slices.SortStableFunc(items, func(a, b Item) int {
			return cmp.Or(cmp.Compare(slices.Index(order, a.Kind), slices.Index(order, b.Kind)),
				cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.Name, b.Name))
		})
	}
	return d.plan, nil
}

// Print writes what goes, what stays, both with the reason, and the total.
func (p Plan) Print(out *ui.Out) {
	who := p.Project
	if p.Scope == Host {
		who = "the whole host"
	}
	out.Title("cleanup of %s", who)
	if len(p.Remove) == 0 {
		out.Done("nothing to remove")
	} else {
		ui.Fprintf(out.Writer(), "goes:\n")
		p.table(out, p.Remove)
	}
	if len(p.Keep) > 0 {
		ui.Fprintf(out.Writer(), "stays:\n")
		p.table(out, p.Keep)
	}
	out.Info("frees at least %s", ui.Bytes(p.Bytes()))
	p.printUnknown(out)
}

// printUnknown says how to remove the images that go only when named.
func (p Plan) printUnknown(out *ui.Out) {
	count, bytes := 0, int64(0)
	for _, i := range p.Keep {
		if i.Unknown {
			count, bytes = count+1, bytes+i.Bytes
		}
	}
	if count > 0 {
		out.Info("by name only: %s of images (%d)", ui.Bytes(bytes), count)
		out.Info("go tool mage cleanup -images=NAME")
	}
}

func (p Plan) table(out *ui.Out, items []Item) {
	header := []string{"  KIND", "NAME", "SIZE", "WHY"}
	if p.Scope == Host {
		header = []string{"  KIND", "NAME", "SIZE", "PROJECT", "WHY"}
	}
	rows := make([][]string, 0, len(items))
	for _, i := range items {
		row := []string{"  " + string(i.Kind), i.Name, ui.Bytes(i.Bytes), i.Why}
		if p.Scope == Host {
			row = slices.Insert(row, 3, cmp.Or(i.Owner, "-"))
		}
		rows = append(rows, row)
	}
	ui.Table(out.Writer(), header, rows)
}
