package lifecycle

import (
	"time"

	"github.com/docker/compose/v5/pkg/api"

	"github.com/25eloquence/compose-mage/internal/trace"
)

// probed takes the runs of a service's health check. What the check printed is not taken: it may be secret.
func (r *run) probed(service string) func(began time.Time, code int) {
	return func(began time.Time, code int) {
		fact := trace.Fact{Name: "exit_code", Value: code}
		if code < 0 {
			fact = trace.Fact{Name: "answered", Value: false}
		}
		r.spans.Add(trace.Span{
			Lane: service, Name: "probe", Kind: trace.Probe, Began: began, Ended: time.Now(), Within: true,
			Facts: []trace.Fact{fact},
		})
	}
}

// timePull adds the span of an image's pull when that has ended; the caller holds the lock.
func (c *creation) timePull(image string, status api.EventStatus) {
	began, runs := c.pulls[image]
	switch {
	case status == api.Working && !runs:
		c.pulls[image] = time.Now()
	case status != api.Working && runs:
		delete(c.pulls, image)
		c.run.spans.Add(trace.Span{
			Lane: pullLane, Name: "pull " + image, Kind: trace.Pull, Began: began, Ended: time.Now(),
			Failed: status == api.Error, Facts: []trace.Fact{{Name: "image", Value: image}},
		})
	}
}

// pullLane is the lane of the pulls of images, of which several services may have the same. No service has such a name.
const pullLane = "images, pulled"
