package admission

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

const (
	mostMemory  = 1 << 30
	leastMemory = 64 << 20
)

// Memory is what a service may spend on requests at once, in bytes: a quarter of its container's memory limit, so
// that they stay below half of it with what is not yet collected, and at most 1 GiB.
func Memory() int64 { return memory("/sys/fs/cgroup") }

func memory(cgroup string) int64 {
	// Version 2 says "max" where there is no limit, version 1 a number near 2^63.
	for _, name := range []string{"memory.max", "memory/memory.limit_in_bytes"} {
		text, err := os.ReadFile(filepath.Join(cgroup, name)) // #nosec G304 -- a constant in the services
		if err != nil {
			continue
		}
		limit, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
		if err != nil {
			return mostMemory
		}
		return max(leastMemory, min(limit/4, mostMemory))
	}
	return mostMemory
}
