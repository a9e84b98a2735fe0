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

// started is how long a start lasts: a quick one, one with many services, and one on a machine that is busy.
var started = []time.Duration{3 * time.Second, 12 * time.Second, time.Minute}

// Lasting says that this process goes on until it is ended.
func Lasting() {
	for _, after := range started {
		time.AfterFunc(after, func() {
			if os.Getenv("GOGC") == "" {
				debug.SetGCPercent(gcPercent)
			}
			debug.FreeOSMemory()
			dropProgram()
		})
	}
}
