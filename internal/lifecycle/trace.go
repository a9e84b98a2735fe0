package lifecycle

import (
	"time"

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
