package engine

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
)

// capSysResource is the capability that lets a process raise hard limits (capabilities(7)).
const capSysResource = 1 << 24

var (
	effective = regexp.MustCompile(`(?m)^CapEff:\s*([0-9a-f]+)$`)
	hardFiles = regexp.MustCompile(`(?m)^Max open files\s+\d+\s+(\d+)`)
)

// openFiles is the most that a container's nofile limit can be: what the kernel allows where the engine may raise
// limits, else the engine's own hard limit. It is 0 where the engine runs elsewhere or can't be looked at.
func openFiles(host string) int64 {
	pid := Listener(host)
	if pid <= 0 {
		return 0
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	m := effective.FindSubmatch(status)
	if m == nil {
		return 0
	}
	if caps, err := strconv.ParseUint(string(m[1]), 16, 64); err != nil || caps&capSysResource != 0 {
		return number(os.ReadFile("/proc/sys/fs/nr_open"))
	}
	limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", pid))
	if m = hardFiles.FindSubmatch(limits); err != nil || m == nil {
		return 0
	}
	return number(m[1], nil)
}

func number(text []byte, err error) int64 {
	n, parseErr := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil || parseErr != nil {
		return 0
	}
	return n
}
