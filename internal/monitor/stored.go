package monitor

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/diskspace"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/sampler"
	"github.com/25eloquence/compose-mage/internal/state"
	"github.com/25eloquence/compose-mage/internal/wait"
)

// How often an observer asks the engine what it stores: an engine with much in store answers after minutes, and is
// kept busy by the question.
const (
	diskEvery = 5 * time.Minute
	diskShare = 100 // times as long as the answer took, at least
)

// askDisk asks the engine what it stores, and keeps the answer for the next run.
func askDisk(ctx context.Context, api API) (Disk, error) {
	at := time.Now()
	use, err := diskspace.Stored(ctx, api,
		client.DiskUsageOptions{Containers: true, Images: true, BuildCache: true, Volumes: true, Verbose: true})
	if err != nil {
		return Disk{}, fmt.Errorf("asking the engine for its disk usage: %w", err)
	}
	d := Disk{
		At: at,
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
	d.volumes = make(map[string]int64, len(use.Volumes.Items))
	for _, v := range use.Volumes.Items {
		if v.UsageData != nil && v.UsageData.Size >= 0 {
			d.volumes[v.Name] = v.UsageData.Size
		}
	}
	keepDisk(api, d)
	return d, nil
}

// diskFile is where the engine's last answer is kept.
func diskFile(api API) (string, error) {
	name := api.DaemonHost()
	if e, ok := api.(*engine.Engine); ok {
		name += " " + e.Info.ID
	}
	sum := sha256.Sum256([]byte(name))
	dir, err := state.Dir()
	return filepath.Join(dir, "disk", hex.EncodeToString(sum[:8])+".json"), err
}

// keepDisk is a memory aid: a state directory that can't be written to is said by the targets that need it.
func keepDisk(api API, d Disk) {
	if file, err := diskFile(api); err == nil {
		if text, err := json.Marshal(storedFile{d, d.layers, d.volumes}); err == nil {
			_ = state.Keep(file, text)
		}
	}
}

// keptDisk is the engine's last answer; a zero one where there is none that can be read.
func keptDisk(api API) Disk {
	var kept storedFile
	if file, err := diskFile(api); err != nil || state.ReadJSON(file, &kept) != nil {
		return Disk{}
	}
	kept.Disk.layers, kept.Disk.volumes = kept.Layers, kept.Volumes
	return kept.Disk
}

// storedFile is what is kept of an answer.
type storedFile struct {
	Disk    Disk             `json:"disk"`
	Layers  map[string]int64 `json:"layers"`
	Volumes map[string]int64 `json:"volumes"`
}

// Sizes are what the engine last said of each thing that it stores, in bytes. At is zero where it never did.
type Sizes struct {
	At      time.Time
	Layers  map[string]int64 // of containers, what they wrote themselves, by ID
	Volumes map[string]int64 // by name
}

// StoredSizes gives the engine's sizes of now where it has them within the time that a look takes anyway, else those
// that were kept the last time.
func StoredSizes(ctx context.Context, api API) Sizes {
	answer := diskAnswer(ctx, api)
	d := keptDisk(api)
	select {
	case d = <-answer:
	case <-time.After(sampler.Window):
	case <-ctx.Done():
	}
	return Sizes{At: d.At, Layers: d.layers, Volumes: d.volumes}
}

// now adds what is known without the engine's answer: where its files are, and the space that is left there.
func (d Disk) now(api API) Disk {
	e, ok := api.(*engine.Engine) // which keeps what the engine said of itself when it was connected
	if !ok {
		return d
	}
	d.Root, d.Space = e.Info.DockerRootDir, nil
	if local(api) {
		// Docker Desktop keeps its data root in its virtual machine: what can't be read is left unsaid.
		if space, err := diskspace.Of(d.Root); err == nil {
			d.Space = &space
		}
	}
	return d
}

// local says whether the engine's files are this machine's.
func local(api interface{ DaemonHost() string }) bool {
	return strings.HasPrefix(api.DaemonHost(), "unix://")
}

// diskAnswer asks while other things are done; the channel holds one answer, or none where the engine refuses.
func diskAnswer(ctx context.Context, api API) <-chan Disk {
	answer := make(chan Disk, 1)
	go func() {
		if d, err := askDisk(ctx, api); err == nil {
			answer <- d
		}
	}()
	return answer
}

// newer gives the answer where it is there by now, else d.
func (d Disk) newer(answer <-chan Disk) Disk {
	select {
	case d = <-answer:
	default:
	}
	return d
}

// followDisk gives what is kept at once, and then every answer of the engine, until ctx ends.
func followDisk(ctx context.Context, api API) <-chan Disk {
	disks := make(chan Disk, 1)
	kept := keptDisk(api)
	disks <- kept
	go func() {
		pause := diskEvery - time.Since(kept.At)
		for wait.For(ctx, max(0, pause)) == nil {
			began := time.Now()
			d, err := askDisk(ctx, api)
			pause = max(diskEvery, diskShare*time.Since(began))
			if err != nil {
				continue
			}
			select {
			case disks <- d:
			case <-ctx.Done():
			}
		}
	}()
	return disks
}
