package monitor

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/docker/compose/v5/pkg/api"
	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/image"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/volume"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/ui"
)

// storage is an engine that stores a little.
type storage struct{}

func (storage) DiskUsage(context.Context, client.DiskUsageOptions) (client.DiskUsageResult, error) {
	var use client.DiskUsageResult
	use.Images.Items = []image.Summary{
		{
			ID: "sha256:a", RepoTags: []string{"shop/web:1"}, Size: 10 << 20, SharedSize: 4 << 20,
			Labels: map[string]string{api.ProjectLabel: "shop"},
		},
		{ID: "sha256:b", RepoTags: []string{"redis:8"}, Size: 50 << 20, SharedSize: -1},
		{ID: "sha256:" + strings.Repeat("c", 64), Size: 1 << 20},
	}
	use.Containers.Items = []moby.Summary{{
		ID: "1", Names: []string{"/shop-redis-1"}, ImageID: "sha256:b", SizeRw: 2 << 10,
		Labels: map[string]string{api.ProjectLabel: "shop"},
		Mounts: []moby.MountPoint{{Name: "shop_data"}},
		NetworkSettings: &moby.NetworkSettingsSummary{
			Networks: map[string]*network.EndpointSettings{"shop_default": {NetworkID: "n1"}},
		},
	}}
	use.Volumes.Items = []volume.Volume{
		{Name: "shop_data", UsageData: &volume.UsageData{Size: 3 << 20}},
		{Name: "other", Labels: map[string]string{api.ProjectLabel: "gone"}},
	}
	use.BuildCache.TotalSize = 7 << 20
	return use, nil
}

func (storage) NetworkList(context.Context, client.NetworkListOptions) (client.NetworkListResult, error) {
	return client.NetworkListResult{
		Items: []network.Summary{
			{Network: network.Network{ID: "n1", Name: "shop_default"}},
			{Network: network.Network{ID: "n2", Name: "bridge"}},
		},
	}, nil
}

type cacheOf int64

func (c cacheOf) Usage(context.Context) (int64, error) { return int64(c), nil }

func TestDiskListsEverythingWithItsOwner(t *testing.T) {
	report, err := TakeDisk(context.Background(), storage{}, cacheOf(9<<20))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	report.Print(ui.New(&b))
	var got []string
	for line := range strings.SplitSeq(strings.TrimSpace(b.String()), "\n") {
		got = append(got, strings.Join(strings.Fields(line), " "))
	}
	want := `KIND NAME SIZE PROJECT USED BY
image redis:8 50MiB shop shop-redis-1
image shop/web:1 10MiB shop -
image cccccccccccc 1MiB - -
container shop-redis-1 2KiB shop -
volume shop_data 3MiB shop shop-redis-1
volume other not known gone -
network bridge - - -
network shop_default - shop shop-redis-1
cache builder's cache 9MiB - -
cache engine's build cache 7MiB - -`
	if text := strings.Join(got, "\n"); text != want {
		t.Errorf("got:\n%s\nwant:\n%s", text, want)
	}
}
