package sampler

import (
	"os"
	"path"
	"regexp"
	"strconv"
	"sync"
	"time"
)

// byContainer is which process each container has on this machine, as the processes' own cgroups tell.
type byContainer struct {
	mutex sync.Mutex
	read  time.Time
	pids  map[string]int // by container ID
}

// scanAgain is how old the list of processes may be: all containers of a project are looked for at the same moment.
const scanAgain = 100 * time.Millisecond

// containerID is how a container's ID stands in the paths of its cgroups, whatever is before and behind it.
var containerID = regexp.MustCompile(`[0-9a-f]{64}`)

// processOf gives the container's process of the lowest number, 0 where it has none on this machine.
func (h *Host) processOf(id string) int {
	h.by.mutex.Lock()
	defer h.by.mutex.Unlock()
	if time.Since(h.by.read) > scanAgain {
		h.by.pids, h.by.read = h.scan(), time.Now()
	}
	return h.by.pids[id]
}

// scan reads the cgroups of all processes.
func (h *Host) scan() map[string]int {
	found := map[string]int{}
	entries, err := os.ReadDir(path.Join(h.root, "/proc"))
	if err != nil {
		return found
	}
	var buf []byte
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		text, err := readFile(path.Join(h.root, "/proc", e.Name(), "cgroup"), buf)
		if err != nil {
			continue // it has ended
		}
		buf = text
		for _, id := range containerID.FindAll(text, -1) {
			if was, ok := found[string(id)]; !ok || pid < was {
				found[string(id)] = pid
			}
		}
	}
	return found
}
