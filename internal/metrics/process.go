package metrics

import (
	"runtime"
	"runtime/debug"
	"time"
)

// module is ours, under which a program that imports it knows its version.
const module = "github.com/25eloquence/compose-mage"

var began = time.Now() // near enough to the start of the process

// own is what this process costs and is.
type own struct {
	version    string
	cpuSeconds float64 // 0 where it is not known
	memory     int64   // bytes; 0 where it is not known
}

func process() own {
	cpu, memory := usage()
	info, _ := debug.ReadBuildInfo()
	return own{version: version(info), cpuSeconds: cpu, memory: memory}
}

// version is that of this module in a program, "(devel)" in the module itself.
func version(info *debug.BuildInfo) string {
	if info == nil {
		return "unknown"
	}
	for _, m := range info.Deps {
		if m.Path == module {
			return m.Version
		}
	}
	return info.Main.Version
}

// ours adds what is told of this process.
func (f families) ours(o own) {
	f.gauge("compose_mage_build_info", "The version of compose-mage that answers; the value is 1.",
		labelled(map[string]string{"version": o.version, "goversion": runtime.Version()}), 1)
	f.gauge("process_start_time_seconds", "Start of the process that answers, in seconds since 1970.", nil,
		seconds(began))
	if o.cpuSeconds > 0 {
		f.counter("process_cpu_seconds_total", "CPU time of the process that answers.", nil, o.cpuSeconds)
	}
	if o.memory > 0 {
		f.gauge("process_resident_memory_bytes", "Memory of the process that answers.", nil, float64(o.memory))
	}
}
