package doctor

import (
	"context"
	"fmt"
	"slices"

	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/diskspace"
	"github.com/25eloquence/compose-mage/internal/extension"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/finding"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// Free space, in bytes or percent, under which a disk is worth a warning or no build would end well.
const (
	lowBytes   = 10 << 30
	lowPercent = 10
	noBytes    = 2 << 30
	sameDisk   = 64 << 20 // two looks at one disk differ by what others wrote meanwhile
)

func checkDisk(ctx context.Context, in Input) []finding.Finding {
	var reclaim []reclaimable
	if use, err := diskspace.Stored(ctx, in.API,
		client.DiskUsageOptions{Images: true, Containers: true, BuildCache: true}); err == nil {
		reclaim = []reclaimable{
			{"images", use.Images.Reclaimable},
			{"build cache", use.BuildCache.Reclaimable},
			{"containers", use.Containers.Reclaimable},
		}
	}
	var results []finding.Finding
	var seen []diskspace.Space
	places := []struct{ what, path string }{{"state", in.StateDir}}
	if in.Local {
		places = slices.Insert(places, 0, struct{ what, path string }{"engine", in.Info.DockerRootDir})
	}
	for _, p := range places {
		if p.path == "" {
			continue
		}
		space, err := diskspace.Of(p.path)
		same := func(s diskspace.Space) bool {
			return s.Total == space.Total && max(s.Free-space.Free, space.Free-s.Free) < sameDisk
		}
		if err != nil || slices.ContainsFunc(seen, same) { // not to be seen from here, or the same disk again
			continue
		}
		seen = append(seen, space)
		needed := int64(0)
		if p.what == "engine" {
			needed = diskNeeded(in)
		}
		results = append(results, disk(p.what, p.path, space, reclaim, needed))
	}
	return results
}

// diskNeeded is what the Compose file says that has to be free, in bytes; 0 where it says nothing.
func diskNeeded(in Input) int64 {
	if in.Project == nil {
		return 0
	}
	return extension.NeedsOf(in.Project).Disk
}

// reclaimable is how many bytes a kind of thing could give back.
type reclaimable struct {
	kind  string
	bytes int64
}

// disk judges a disk; needed is what has to be free beside the limits that hold for all, in bytes.
func disk(what, path string, s diskspace.Space, reclaim []reclaimable, needed int64) finding.Finding {
	text := fmt.Sprintf("%s disk (%s): %s of %s free (%.0f %%)", what, path, ui.Bytes(s.Free), ui.Bytes(s.Total),
		s.FreePercent())
	id := "disk." + what
	if s.Free < needed {
		text += fmt.Sprintf("; the Compose file needs %s free", ui.Bytes(needed))
	} else if s.Free >= lowBytes && s.FreePercent() >= lowPercent {
		return finding.Good(id, "%s", text)
	}
	slices.SortStableFunc(reclaim, func(a, b reclaimable) int { return int(min(max(b.bytes-a.bytes, -1), 1)) })
	if len(reclaim) > 0 && reclaim[0].bytes > 0 {
		text += fmt.Sprintf("; %s of %s could go", ui.Bytes(reclaim[0].bytes), reclaim[0].kind)
	}
	const remedy = "go tool mage cleanup; go tool mage cleanup -scope=host, for what nobody on this machine uses"
	if s.Free < noBytes {
		return finding.Fail(fault.Resources, id, remedy, "%s", text)
	}
	return finding.Warn(id, remedy, "%s", text)
}
