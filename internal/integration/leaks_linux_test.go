//go:build integration

package integration

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/enginetest"
)

// leakRoom is what the six services have together, and leakSizes are what they need: 183 MiB, with one that is larger
// than the others together, as a recogniser or a database is. leakTarget is what the leaking one wants.
const (
	leakRoom   = 256 << 20
	leakTarget = "400"
)

var leakSizes = []int{120, 12, 12, 12, 12, 12} // MiB

// TestLeaks: six services in one control group with a limit, as on a machine whose memory is all taken. Each in turn
// leaks. With limits as fit gives them from what was measured (1.3 times, at least 32 MiB) it alone is killed; without
// them the kernel kills whoever is largest, which is another. LEAKS=6 lets each of the six leak; else the first two do.
func TestLeaks(t *testing.T) {
	e := enginetest.Connect(t)
	group := leakGroup(t, e)
	image := fmt.Sprintf("it-leaks-%d", time.Now().UnixNano())
	enginetest.Image(t, e, image, nil)
	leakers := 2
	if n, err := strconv.Atoi(os.Getenv("LEAKS")); err == nil {
		leakers = min(n, len(leakSizes))
	}
	alone, others := 0, 0
	for leaker := range leakers {
		limited, unlimited := leak(t, e, group, image, leaker, true), leak(t, e, group, image, leaker, false)
		t.Logf("service %d leaks: with limits %v ended, without %v", leaker, limited, unlimited)
		if len(limited) == 1 && limited[0] == leaker {
			alone++
		}
		for _, ended := range unlimited {
			if ended != leaker {
				others++
				break
			}
		}
	}
	t.Logf("with limits %d of %d leaks killed only their service; without, %d of %d killed another",
		alone, leakers, others, leakers)
	if alone != leakers {
		t.Errorf("with limits %d of %d leaks killed only their service", alone, leakers)
	}
	if others == 0 {
		t.Error("without limits no leak killed another service: this test shows nothing")
	}
}

// leak starts the six, one of which leaks once the others have what they need, and gives those that have ended when
// the leak is over.
func leak(t *testing.T, e *engine.Engine, group, image string, leaker int, limits bool) []int {
	t.Helper()
	ids := make([]string, len(leakSizes))
	start := func(i int, size string) {
		host := &container.HostConfig{Resources: container.Resources{CgroupParent: "/" + filepath.Base(group)}}
		if limits {
			host.Memory = max(32, int64(leakSizes[i])*13/10) << 20
			host.MemorySwap = host.Memory
		}
		ids[i] = enginetest.Container(t, e, fmt.Sprintf("%s-%d", image, i),
			&container.Config{Image: image, Cmd: []string{"eat", size}}, host, true)
	}
	for i, size := range leakSizes {
		if i != leaker {
			start(i, strconv.Itoa(size))
		}
	}
	for i, size := range leakSizes {
		if i != leaker {
			enginetest.Until(t, 20*time.Second, fmt.Sprintf("service %d has its memory", i), func() bool {
				return groupBytes(filepath.Join(group, ids[i])) >= int64(size)<<20
			})
		}
	}
	start(leaker, leakTarget)
	running := func(i int) bool {
		got, err := e.ContainerInspect(t.Context(), ids[i], client.ContainerInspectOptions{})
		if err != nil {
			t.Fatalf("inspecting service %d: %v", i, err)
		}
		return got.Container.State.Running
	}
	enginetest.Until(t, 30*time.Second, "the leaking service is killed", func() bool { return !running(leaker) })
	time.Sleep(300 * time.Millisecond) // for others that the kernel killed at the same moment
	var ended []int
	for i, id := range ids {
		if !running(i) {
			ended = append(ended, i)
		}
		if _, err := e.ContainerRemove(t.Context(), id, client.ContainerRemoveOptions{Force: true}); err != nil {
			t.Fatalf("removing service %d: %v", i, err)
		}
	}
	return ended
}

// leakGroup makes the control group that the services share, with its limit, and removes it when the test ends.
func leakGroup(t *testing.T, e *engine.Engine) string {
	t.Helper()
	if e.Info.CgroupDriver != "cgroupfs" || !e.Local() {
		t.Skipf("the parent of a container's control group is systemd's to make here, or another machine's")
	}
	root, limit := "/sys/fs/cgroup/memory", "memory.limit_in_bytes"
	if e.Info.CgroupVersion == "2" {
		root, limit = "/sys/fs/cgroup", "memory.max"
	}
	group := filepath.Join(root, fmt.Sprintf("it-leaks-%d", os.Getpid()))
	if err := os.Mkdir(group, 0o755); err != nil {
		t.Fatalf("making a control group: %v", err)
	}
	t.Cleanup(func() {
		made, _ := filepath.Glob(filepath.Join("/sys/fs/cgroup", "*", filepath.Base(group)))
		for _, folder := range append(made, group) {
			if err := os.Remove(folder); err != nil && !errors.Is(err, os.ErrNotExist) {
				t.Errorf("removing a control group: %v", err)
			}
		}
	})
	if err := os.WriteFile(filepath.Join(group, limit), []byte(strconv.Itoa(leakRoom)), 0o600); err != nil {
		t.Fatalf("limiting a control group: %v", err)
	}
	return group
}

// groupBytes is what the group has now; 0 where there is none.
func groupBytes(group string) int64 {
	for _, name := range []string{"memory.current", "memory.usage_in_bytes"} {
		if text, err := os.ReadFile(filepath.Join(group, name)); err == nil {
			n, _ := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
			return n
		}
	}
	return 0
}
