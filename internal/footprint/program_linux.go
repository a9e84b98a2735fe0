package footprint

import (
	"bufio"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// mapping is a part of this process's memory.
type mapping struct{ from, to uintptr }

// dropProgram unmaps the pages of the program's file that this process has read so far. The kernel keeps them in its
// cache as long as nobody needs the room, and maps those again that are read next: of the 32 MiB that a start reads
// some 17.
func dropProgram() {
	path, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	smaps, err := os.Open("/proc/self/smaps")
	if err != nil {
		return
	}
	defer smaps.Close()
	for _, m := range unmodified(bufio.NewScanner(smaps), path) {
		_, _, _ = unix.Syscall(unix.SYS_MADVISE, m.from, m.to-m.from, unix.MADV_DONTNEED) // an advice
	}
}

// unmodified finds the mappings of a file in /proc/PID/smaps (proc_pid_smaps(5)) whose pages are the file's: nobody
// may write there, and the loader, which relocates addresses before that is forbidden, has changed none.
func unmodified(smaps *bufio.Scanner, path string) (all []mapping) {
	var at *mapping
	for smaps.Scan() {
		line := smaps.Text()
		fields := strings.Fields(line)
		switch {
		case len(fields) > 1 && strings.HasSuffix(fields[0], ":"):
			if at != nil && fields[0] == "Anonymous:" && fields[1] == "0" {
				all = append(all, *at)
			}
		case len(fields) > 5:
			at = nil
			low, high, ok := strings.Cut(fields[0], "-")
			from, errFrom := strconv.ParseUint(low, 16, 64)
			to, errTo := strconv.ParseUint(high, 16, 64)
			if ok && errFrom == nil && errTo == nil && strings.HasPrefix(fields[1], "r-") &&
				strings.HasSuffix(line, " "+path) {
				at = &mapping{uintptr(from), uintptr(to)}
			}
		default:
			at = nil
		}
	}
	return all
}

// cpuTime is what this process has used of the CPUs.
func cpuTime() time.Duration {
	var used unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &used) != nil {
		return 0
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
