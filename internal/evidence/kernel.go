package evidence

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/25eloquence/compose-mage/internal/container"
)

// The kernel's words: the one line tells the control group of what is killed, as of kernel 5.0, and is left out where
// the kernel kills many at once; the other tells of each kill.
var (
	oomLine = regexp.MustCompile(`^oom-kill:constraint=(\w+),.*?(?:oom_memcg=([^,]*)|global_oom),` +
		`task_memcg=([^,]*),task=(.*),pid=(\d+),uid=\d+$`)
	killedLine = regexp.MustCompile(`^(?:Memory cgroup out of memory|Out of memory.*): Killed process (\d+) `)
	// a container's group is called by its ID, or by systemd as docker-<ID>.scope
	containerID = regexp.MustCompile(`[0-9a-f]{64}`)
)

// killsOf reads the records of /dev/kmsg: "6,1234,5678,-;text", with microseconds since the boot.
func killsOf(records []string, boot time.Time) *container.KernelLog {
	log := &container.KernelLog{}
	told := map[string]bool{} // by process number
	for _, record := range records {
		head, text, _ := strings.Cut(record, ";")
		text, _, _ = strings.Cut(text, "\n")
		fields := strings.Split(head, ",")
		if len(fields) < 3 {
			continue
		}
		micros, err := strconv.ParseInt(fields[2], 10, 64)
		if err != nil {
			continue
		}
		at := boot.Add(time.Duration(micros) * time.Microsecond)
		if log.From.IsZero() {
			log.From = at
		}
		if m := oomLine.FindStringSubmatch(text); m != nil {
			told[m[5]] = true
			id := containerID.FindString(m[3])
			log.Kills = append(log.Kills, container.KernelKill{
				At: at, Container: id, Process: m[4], Own: id != "" && containerID.FindString(m[2]) == id,
			})
		} else if m := killedLine.FindStringSubmatch(text); m != nil {
			if !told[m[1]] {
				log.Kills = append(log.Kills, container.KernelKill{At: at})
			}
			delete(told, m[1])
		}
	}
	return log
}
