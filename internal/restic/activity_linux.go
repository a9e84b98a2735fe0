package restic

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/25eloquence/compose-mage/internal/bounded"
)

// activityOf reads what a process has done so far from the kernel: proc(5), io, and the process's CPU clock
// (clock_getcpuclockid(3)).
func activityOf(pid int) (a activity, ok bool) {
	text, err := bounded.ReadFile(fmt.Sprintf("/proc/%d/io", pid))
	if err != nil {
		return a, false
	}
	for line := range strings.Lines(string(text)) {
		if number, found := strings.CutPrefix(line, "rchar: "); found {
			if a.read, err = strconv.ParseUint(strings.TrimSpace(number), 10, 64); err != nil {
				return a, false
			}
		}
	}
	var used unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|2), &used); err != nil {
		return a, false
	}
	a.worked = time.Duration(used.Nano())
	return a, true
}
