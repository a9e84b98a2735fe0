package monitor

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"path"
	"strconv"
	"strings"
	"time"

	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/container"
)

// eventsTimeout bounds the reading of past events: they come from the engine's memory at once, or not at all.
const eventsTimeout = 3 * time.Second

// oomEvents counts the engine's oom events by container ID since the oldest container was made. The engine keeps only
// its last 256 events, and health checks fill those in minutes: this is one of three sources, and the largest count
// wins.
func oomEvents(ctx context.Context, e API, project string, containers []moby.Summary) map[string]int {
	kills := map[string]int{}
	if len(containers) == 0 {
		return kills
	}
	oldest := containers[0].Created
	for _, c := range containers {
		oldest = min(oldest, c.Created)
	}
	ctx, cancel := context.WithTimeout(ctx, eventsTimeout)
	defer cancel()
	got := e.Events(ctx, client.EventsListOptions{
		Since: strconv.FormatInt(oldest, 10),
		Until: strconv.FormatInt(time.Now().Unix()+1, 10), // whole seconds: + 1 to include this one
		Filters: client.Filters{}.Add("type", "container").Add("event", "oom").Add("label", container.ProjectLabel+"="+
			project),
	})
	for {
		select {
		case m := <-got.Messages:
			kills[m.Actor.ID]++
		// io.EOF is the end of the past; after any other error the count so far stands.
		case <-got.Err: //nolint:errcheck // neither is reported
			return kills
		}
	}
}

// cgroupKills reads the kernel's own count of OOM kills in the cgroup of a container's first process: of cgroup v2's
// memory.events or v1's memory.oom_control, 0 where neither can be read. It starts anew with each start of the
// container.
func cgroupKills(pid int, id string) int {
	f, err := os.Open(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		return 0
	}
	defer f.Close()
	file := oomFile(f, id)
	if file == "" {
		return 0
	}
	counts, err := os.Open(file)
	if err != nil {
		return 0
	}
	defer counts.Close()
	return oomCount(counts)
}

// oomFile finds the file with the count from /proc/PID/cgroup. A cgroup that does not carry the container's ID is
// another machine's process of the same number (Docker Desktop), and gives "".
func oomFile(cgroup io.Reader, id string) string {
	unified := ""
	for lines := bufio.NewScanner(cgroup); lines.Scan(); {
		parts := strings.SplitN(lines.Text(), ":", 3)
		if len(parts) != 3 || !strings.Contains(parts[2], id) {
			continue
		}
		switch {
		case strings.Contains(","+parts[1]+",", ",memory,"):
			return path.Join("/sys/fs/cgroup/memory", parts[2], "memory.oom_control")
		case parts[0] == "0":
			unified = path.Join("/sys/fs/cgroup", parts[2], "memory.events")
		}
	}
	return unified
}

// oomCount reads the line "oom_kill N", which both versions share.
func oomCount(r io.Reader) int {
	for lines := bufio.NewScanner(r); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), "oom_kill "); ok {
			n, _ := strconv.Atoi(value)
			return n
		}
	}
	return 0
}
