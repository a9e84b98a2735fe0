package rig

import (
	"context"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	restWithin = 60 * time.Second
	// restLeast is how long it waits in any case: BuildKit begins to write a build's traces into its history 3 s
	// after its end (solver/llbsolver, recordBuildHistory).
	restLeast = 4 * time.Second
	restStep  = 500 * time.Millisecond
	// restShare is the part of the CPUs that an idle machine may use.
	restShare = 0.1
)

// Rest waits until what the run before has left to do is done, which would be counted as the next one's: the
// kernel's unwritten pages, and what builder and engine do later (BuildKit writes the history of a bake of 80
// images with 11 s of CPU, after its end). It ends when the machine has been idle for half a second, or after a
// minute: the machine is another's then.
func Rest(ctx context.Context) {
	syscall.Sync()
	select {
	case <-ctx.Done():
		return
	case <-time.After(restLeast):
	}
	for end := time.Now().Add(restWithin); time.Now().Before(end); {
		busy, all := ticks()
		select {
		case <-ctx.Done():
			return
		case <-time.After(restStep):
		}
		busyNow, allNow := ticks()
		if float64(busyNow-busy) <= restShare*float64(allNow-all) {
			return
		}
	}
}

// ticks are the clock ticks that all CPUs together have spent working, and that have gone by, since boot
// (proc_stat(5)).
func ticks() (busy, all int64) {
	data, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, 0
	}
	line, _, _ := strings.Cut(string(data), "\n")
	for i, field := range strings.Fields(line) {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil || i > 8 { // "cpu"; and guests, which are counted as user already
			continue
		}
		all += n
		if i != 4 && i != 5 { // idle, and waiting for the disk
			busy += n
		}
	}
	return busy, all
}
