package record

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/diskspace"
	"github.com/25eloquence/compose-mage/internal/finding"
	"github.com/25eloquence/compose-mage/internal/history"
	"github.com/25eloquence/compose-mage/internal/monitor"
	"github.com/25eloquence/compose-mage/internal/sampler"
)

var noon = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

// running is a container that was sampled.
func running(service string, cpu float64, memory int64) monitor.Replica {
	return monitor.Replica{
		Service: service, ID: service, State: "running", Expected: true, Verdict: container.Opinion{Fine: true},
		CPUPercent: cpu, MemoryUsed: memory, Counters: sampler.Counters{Read: noon, MemoryUnreclaimable: memory / 2},
		Rates: sampler.Rates{Seconds: 1},
	}
}

func TestValues(t *testing.T) {
	full := running("web", 40, 1000)
	full.ThrottledPercent, full.ResponseMS, full.Answer.MS, full.Restarts, full.OOMKills = 7, 30, 4, 2, 1
	full.Log.Total, full.Log.PerMinute = 9, 3
	full.Started = noon.Add(-time.Hour)
	full.Rates = sampler.Rates{Seconds: 1, Received: 10, Sent: 20, BlockRead: 30, BlockWritten: 40}
	full.Counters.Pressure = &sampler.Pressures{CPU: sampler.Pressure{Waiting10: 5}}
	second := running("web", 60, 500)
	second.Started = noon.Add(-time.Minute)
	second.Verdict.Fine, second.Rates.Received, second.Restarts = false, 5, 1
	first := running("web", 0, 1000) // of an observer's first look
	first.Rates = sampler.Rates{}
	for name, c := range map[string]struct {
		snapshot monitor.Snapshot
		want     string
	}{
		"everything": {
			monitor.Snapshot{
				Time: noon, Services: []monitor.Replica{full}, Disk: monitor.Disk{Space: &diskspace.Space{Free: 99}},
			},
			"web healthy 1, web restarts 2, web oom_kills 1, web memory_working_set_bytes 1000, " +
				"web memory_unreclaimable_bytes 500, web pressure_cpu_percent 5, web pressure_memory_percent 0, " +
				"web pressure_io_percent 0, web cpu_percent 40, web cpu_throttled_percent 7, " +
				"web network_received_bytes_per_second 10, web network_sent_bytes_per_second 20, " +
				"web block_read_bytes_per_second 30, web block_written_bytes_per_second 40, web up_seconds 3600, " +
				"web health_check_ms 30, web response_ms 4, web log_errors_per_minute 3,  disk_free_bytes 99",
		},
		"two containers": {
			monitor.Snapshot{Time: noon, Services: []monitor.Replica{full, second}},
			"web healthy 0, web restarts 3, web oom_kills 1, web memory_working_set_bytes 1000, " +
				"web memory_unreclaimable_bytes 500, web pressure_cpu_percent 5, web pressure_memory_percent 0, " +
				"web pressure_io_percent 0, web cpu_percent 60, web cpu_throttled_percent 7, " +
				"web network_received_bytes_per_second 15, web network_sent_bytes_per_second 20, " +
				"web block_read_bytes_per_second 30, web block_written_bytes_per_second 40, web up_seconds 60, " +
				"web health_check_ms 30, web response_ms 4, web log_errors_per_minute 3",
		},
		"no rates yet": {
			monitor.Snapshot{Services: []monitor.Replica{first}},
			"web healthy 1, web restarts 0, web oom_kills 0, web memory_working_set_bytes 1000, " +
				"web memory_unreclaimable_bytes 500",
		},
		"missing": {
			monitor.Snapshot{Services: []monitor.Replica{{Service: "db", State: monitor.StateMissing, Expected: true}}},
			"db healthy 0",
		},
		"a job that is done, and what could not be looked at": {
			monitor.Snapshot{Services: []monitor.Replica{
				{Service: "job", ID: "1", State: "exited"},
				{Service: "x", ID: "2", State: "running", Error: "timeout"},
				{Service: "y", ID: "3", State: monitor.StateGone},
			}},
			"job restarts 0, job oom_kills 0",
		},
		"an engine that is away": {
			monitor.Snapshot{
				Services: []monitor.Replica{full}, Findings: []finding.Finding{{ID: engineLost}},
			}, "",
		},
	} {
		var got []string
		for _, v := range Values(c.snapshot) {
			got = append(got, fmt.Sprintf("%s %s %g", v.Service, v.Metric, v.V))
		}
		if text := strings.Join(got, ", "); text != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", name, text, c.want)
		}
	}
}

// TestEveryMetricIsRecorded holds the metrics that a history shows against those that come out of a snapshot.
func TestEveryMetricIsRecorded(t *testing.T) {
	r := running("web", 1, 1)
	r.Counters.MemoryUnreclaimable, r.Counters.Pressure = 1, &sampler.Pressures{}
	r.ResponseMS, r.Answer.MS, r.Log.Total, r.Started = 1, 1, 1, noon
	recorded := map[string]bool{}
	for _, v := range Values(monitor.Snapshot{
		Services: []monitor.Replica{r}, Disk: monitor.Disk{Space: &diskspace.Space{}},
	}) {
		recorded[v.Metric] = true
	}
	for _, metric := range history.Metrics() {
		if !recorded[metric] {
			t.Errorf("%s is not recorded", metric)
		}
	}
	if len(recorded) != len(history.Metrics()) {
		t.Errorf("recorded are %v", recorded)
	}
}
