package lifecycle

import (
	"testing"
	"time"

	"github.com/docker/compose/v5/pkg/api"

	"github.com/25eloquence/compose-mage/internal/trace"
)

// The pull of an image is one span from its first word to its last; what was not pulled is none.
func TestPullsAreTimed(t *testing.T) {
	c, _ := creating(t, several, fresh)
	_, c.run.spans = trace.Begin(t.Context(), "start", "shop")
	c.On(
		api.Resource{ID: "Image y", Status: api.Working}, api.Resource{ID: "Image y", Status: api.Working},
		api.Resource{ID: "Image z", Status: api.Working}, api.Resource{ID: "Image x", Status: api.Done},
		api.Resource{ID: "Image y", Status: api.Done}, api.Resource{ID: "Image y", Status: api.Done},
		api.Resource{ID: "Image z", Status: api.Error, Details: "denied"},
	)
	spans := c.run.spans.Timeline().Spans
	if len(spans) != 2 || spans[0].Name != "pull y" || spans[0].Failed || spans[1].Name != "pull z" ||
		!spans[1].Failed ||
		spans[0].Kind != trace.Pull || spans[0].Ended.Before(spans[0].Began) {
		t.Errorf("%+v", spans)
	}
}

// A probe has its exit code, and nothing that the check printed.
func TestProbesAreTimed(t *testing.T) {
	_, spans := trace.Begin(t.Context(), "start", "shop")
	probed := (&run{spans: spans}).probed("db")
	began := time.Now().Add(-time.Second)
	probed(began, 1)
	probed(began, -1)
	all := spans.Timeline().Spans
	if len(all) != 2 || all[0].Lane != "db" || !all[0].Began.Equal(began) || !all[0].Within || all[0].Failed ||
		all[0].Facts[0] != (trace.Fact{Name: "exit_code", Value: 1}) ||
		all[1].Facts[0] != (trace.Fact{Name: "answered", Value: false}) {
		t.Errorf("%+v", all)
	}
	(&run{}).probed("db")(began, 0) // nobody listens
}
