package monitor

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/image"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/diskspace"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// DiskReport is everything that the engine stores and every build cache, for all projects, as docker system df -v,
// network ls and volume ls list it.
type DiskReport struct {
	Items []DiskItem `json:"items"` // by kind, the largest first
}

// DiskItem is one thing that is stored.
type DiskItem struct {
	Kind string `json:"kind"` // image, container, volume, network or cache
	Name string `json:"name"` // an image's tags, or where it has none the beginning of its ID
	ID   string `json:"id,omitempty"`
	// its own and those it shares with other images; 0 for a network; -1 where it is not known
	Bytes  int64 `json:"bytes"`
	Shared int64 `json:"shared_bytes"` // of an image's bytes, those in layers of other images too
	// the Compose projects that it belongs to or whose containers use it; empty for none
	Owner []string `json:"owner"`
	Users []string `json:"users"` // names of the containers that use it, whatever their state
}

// DiskAPI is what a disk report asks of the engine.
type DiskAPI interface {
	DiskUsage(context.Context, client.DiskUsageOptions) (client.DiskUsageResult, error)
	NetworkList(context.Context, client.NetworkListOptions) (client.NetworkListResult, error)
}

// BuildCache is a builder's cache beside the engine's own.
type BuildCache interface {
	// Usage is the size of the cache, in bytes.
	Usage(ctx context.Context) (int64, error)
}

// TakeDisk lists what the engine stores. builder is nil where there is no builder beside the engine's own.
func TakeDisk(ctx context.Context, api DiskAPI, builder BuildCache) (DiskReport, error) {
	use, err := diskspace.Stored(ctx, api,
		client.DiskUsageOptions{Containers: true, Images: true, Volumes: true, BuildCache: true, Verbose: true})
	if err != nil {
		return DiskReport{}, fmt.Errorf("asking the engine what it stores: %w", err)
	}
	networks, err := api.NetworkList(ctx, client.NetworkListOptions{})
	if err != nil {
		return DiskReport{}, fmt.Errorf("listing networks: %w", err)
	}
	d := diskLister{containers: use.Containers.Items}
	d.addImages(use.Images.Items)
	d.addContainers()
	for _, v := range use.Volumes.Items {
		size := int64(-1)
		if v.UsageData != nil {
			size = v.UsageData.Size
		}
		d.add(DiskItem{Kind: "volume", Name: v.Name, Bytes: size}, v.Labels, func(c moby.Summary) bool {
			return slices.ContainsFunc(c.Mounts, func(m moby.MountPoint) bool { return m.Name == v.Name })
		})
	}
	for _, n := range networks.Items {
		d.add(DiskItem{Kind: "network", Name: n.Name, ID: n.ID}, n.Labels,
			func(c moby.Summary) bool { return attached(c, n.ID) })
	}
	d.add(DiskItem{Kind: "cache", Name: "engine's build cache", Bytes: use.BuildCache.TotalSize}, nil, nil)
	if builder != nil {
		size, err := builder.Usage(ctx)
		if err != nil {
			return DiskReport{}, err
		}
		d.add(DiskItem{Kind: "cache", Name: "builder's cache", Bytes: size}, nil, nil)
	}
	return DiskReport{Items: d.sorted()}, nil
}

// diskLister gathers a report.
type diskLister struct {
	containers []moby.Summary
	items      []DiskItem
}

// add completes the item with who owns and uses it.
func (d *diskLister) add(item DiskItem, labels map[string]string, uses func(moby.Summary) bool) {
	owners, users := map[string]bool{}, map[string]bool{}
	if project := labels[container.ProjectLabel]; project != "" {
		owners[project] = true
	}
	for _, c := range d.containers {
		if uses == nil || !uses(c) {
			continue
		}
		users[containerName(c)] = true
		if project := c.Labels[container.ProjectLabel]; project != "" {
			owners[project] = true
		}
	}
	item.Owner, item.Users = append([]string{}, slices.Sorted(maps.Keys(owners))...),
		append([]string{}, slices.Sorted(maps.Keys(users))...)
	d.items = append(d.items, item)
}

func (d *diskLister) addImages(images []image.Summary) {
	for _, i := range images {
		name := strings.Join(i.RepoTags, " ")
		if name == "" || name == "<none>:<none>" { // an untagged one
			id := strings.TrimPrefix(i.ID, "sha256:")
			name = id[:min(12, len(id))]
		}
		d.add(DiskItem{Kind: "image", Name: name, ID: i.ID, Bytes: i.Size, Shared: max(0, i.SharedSize)}, i.Labels,
			func(c moby.Summary) bool { return c.ImageID == i.ID })
	}
}

// addContainers lists what containers wrote into their own layers.
func (d *diskLister) addContainers() {
	for _, c := range d.containers {
		d.add(DiskItem{Kind: "container", Name: containerName(c), ID: c.ID, Bytes: c.SizeRw}, c.Labels, nil)
	}
}

func containerName(c moby.Summary) string {
	if len(c.Names) == 0 {
		return c.ID
	}
	return strings.TrimPrefix(c.Names[0], "/")
}

func attached(c moby.Summary, network string) bool {
	if c.NetworkSettings == nil {
		return false
	}
	for _, endpoint := range c.NetworkSettings.Networks {
		if endpoint.NetworkID == network {
			return true
		}
	}
	return false
}

var diskKinds = []string{"image", "container", "volume", "network", "cache"}

func (d *diskLister) sorted() []DiskItem {
	slices.SortStableFunc(d.items, func(a, b DiskItem) int {
		return cmp.Or(cmp.Compare(slices.Index(diskKinds, a.Kind), slices.Index(diskKinds, b.Kind)),
			cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.Name, b.Name))
	})
	return d.items
}

// Print writes the report for a person to read.
func (r DiskReport) Print(out *ui.Out) {
	rows := make([][]string, 0, len(r.Items))
	for _, i := range r.Items {
		size := ui.Bytes(i.Bytes)
		switch {
		case i.Kind == "network":
			size = "-"
		case i.Bytes < 0:
			size = "not known"
		}
		rows = append(rows,
			[]string{
				i.Kind, i.Name, size, cmp.Or(strings.Join(i.Owner, " "), "-"), cmp.Or(strings.Join(i.Users, " "), "-"),
			})
	}
	ui.Table(out.Writer(), []string{"KIND", "NAME", "SIZE", "PROJECT", "USED BY"}, rows)
}
