package monitor

import (
	"context"
	"fmt"
	"strings"

	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/diskspace"
	"github.com/25eloquence/compose-mage/internal/engine"
)

func takeDisk(ctx context.Context, api API) (Disk, error) {
	use, err := diskspace.Stored(ctx, api,
		client.DiskUsageOptions{Containers: true, Images: true, BuildCache: true, Volumes: true, Verbose: true})
	if err != nil {
		return Disk{}, fmt.Errorf("asking the engine for its disk usage: %w", err)
	}
	d := Disk{
		Images: DiskUse{
			use.Images.TotalCount, use.Images.ActiveCount, use.Images.TotalSize, use.Images.Reclaimable,
		},
		Containers: DiskUse{
			use.Containers.TotalCount, use.Containers.ActiveCount, use.Containers.TotalSize, use.Containers.Reclaimable,
		},
		Volumes: DiskUse{
			use.Volumes.TotalCount, use.Volumes.ActiveCount, use.Volumes.TotalSize, use.Volumes.Reclaimable,
		},
		BuildCache: DiskUse{
			use.BuildCache.TotalCount, use.BuildCache.ActiveCount, use.BuildCache.TotalSize, use.BuildCache.Reclaimable,
		},
	}
	d.layers = make(map[string]int64, len(use.Containers.Items))
	for _, c := range use.Containers.Items {
		d.layers[c.ID] = c.SizeRw
	}
	e, ok := api.(*engine.Engine) // which keeps what the engine said of itself when it was connected
	if !ok {
		return d, nil
	}
	d.Root = e.Info.DockerRootDir
	if local(api) {
		// Docker Desktop keeps its data root in its virtual machine: what can't be read is left unsaid.
		if space, err := diskspace.Of(d.Root); err == nil {
			d.Space = &space
		}
	}
	return d, nil
}

// local says whether the engine's files and processes are this machine's.
func local(api interface{ DaemonHost() string }) bool {
	return strings.HasPrefix(api.DaemonHost(), "unix://")
}
