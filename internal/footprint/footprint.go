// Package footprint gives back the memory that a program took for its start and does not need while it goes on:
// garbage of the Compose file's loading, and the pages of the program itself that only the start has read.
package footprint

import (
	"os"
	"runtime/debug"
	"time"
)

// gcPercent keeps the heap of a program that goes on for hours at one and a half times of what is in use. Such a
// program makes some 100 KiB of garbage a second: that costs it a collection every few seconds, of some 2 ms.
const gcPercent = 50

const (
	// look is how often it is looked whether the start is over, and calm the CPU time in between that says so.
	look = 3 * time.Second
	calm = look / 10
	// longest is how many looks a start lasts at most.
	longest = 20
)

// Lasting says that this process goes on until it is ended.
func Lasting() {
	go func() {
		for range longest {
			before := cpuTime()
			time.Sleep(look)
			if cpuTime()-before < calm {
				break
			}
		}
		if os.Getenv("GOGC") == "" {
			debug.SetGCPercent(gcPercent)
		}
		debug.FreeOSMemory()
		dropProgram()
	}()
}
