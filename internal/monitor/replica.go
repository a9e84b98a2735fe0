package monitor

import (
	"cmp"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	moby "github.com/moby/moby/api/types/container"

	"github.com/25eloquence/compose-mage/internal/bounded"
	"github.com/25eloquence/compose-mage/internal/container"
)

// fail takes down why the container could not be looked at.
func (r *Replica) fail(err error) {
	if errdefs.IsNotFound(err) {
		r.State, r.Health, r.seen = StateGone, "", nil
		return
	}
	r.Error, r.lost = err.Error(), err
}

// describe reads what inspect tells without sampling; it may be called again and again.
func (r *Replica) describe(c moby.InspectResponse) {
	var last *container.End
	if r.seen != nil {
		last = r.seen.Last
	}
	r.seen, r.Container, r.ID, r.Restarts = &container.Replica{
		InspectResponse: c,
	}, strings.TrimPrefix(c.Name, "/"), c.ID, c.RestartCount
	r.Error, r.lost = "", nil
	if c.State != nil && last != nil && last.At.Equal(instant(c.State.FinishedAt)) {
		r.seen.Last = last
	}
	if st := c.State; st != nil {
		r.State, r.ExitCode = string(st.Status), st.ExitCode
		r.Started, r.Finished = instant(st.StartedAt), instant(st.FinishedAt)
		r.readHealth(st.Health)
	}
	if c.Config != nil {
		r.Image = c.Config.Image
	}
	if h := c.HostConfig; h != nil {
		r.MemoryLimit, r.CPULimit = h.Memory, 0
		if h.NanoCPUs > 0 {
			r.CPULimit = float64(h.NanoCPUs) / 1e9
		} else if h.CPUQuota > 0 {
			// 100 ms is the kernel's default period
			r.CPULimit = float64(h.CPUQuota) / float64(cmp.Or(h.CPUPeriod, 100_000))
		}
	}
}

func (r *Replica) readHealth(h *moby.Health) {
	r.Health, r.HealthOutput = "", ""
	if h == nil || h.Status == moby.NoHealthcheck {
		return
	}
	r.Health = string(h.Status)
	if len(h.Log) == 0 {
		return
	}
	last := h.Log[len(h.Log)-1]
	r.ResponseMS, r.Checked = float64(last.End.Sub(last.Start).Microseconds())/1000, last.End
	if last.ExitCode != 0 {
		line, _, _ := strings.Cut(strings.TrimSpace(last.Output), "\n")
		line = bounded.Line(line)
		r.HealthOutput = line
	}
}

// instant parses the engine's time; its zero, year 1, becomes Go's.
func instant(text string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil || t.Year() <= 1 {
		return time.Time{}
	}
	return t
}
