//go:build integration

package monitor

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/enginetest"
	"github.com/25eloquence/compose-mage/internal/extension"
)

const asked = "watchclean-answers"

// listening runs the probe as a service that publishes port 80, on a network of its own.
func listening(t *testing.T, e *engine.Engine, service, ip string, cmd ...string) {
	t.Helper()
	cfg := &container.Config{
		Image: asked + ":test", Cmd: cmd, Labels: enginetest.Labels(asked, service, "False"),
		ExposedPorts: network.PortSet{network.MustParsePort("80/tcp"): {}},
	}
	enginetest.Container(t, e, asked+"-"+service+"-1", cfg, &container.HostConfig{
		NetworkMode: container.NetworkMode(asked),
		PortBindings: network.PortMap{network.MustParsePort("80/tcp"): []network.PortBinding{
			{HostIP: netip.MustParseAddr(ip)},
		}},
	}, true)
}

// TestServicesAnswer has the times and the failures of real containers.
func TestServicesAnswer(t *testing.T) {
	e := enginetest.Connect(t)
	enginetest.Image(t, e, asked+":test", nil)
	enginetest.Network(t, e, asked, nil)
	project := &types.Project{Name: asked, Services: types.Services{}}
	serve := func(service, ip, address string, cmd ...string) {
		listening(t, e, service, ip, cmd...)
		project.Services[service] = types.ServiceConfig{Name: service}
		if address != "" {
			project.Services[service] = types.ServiceConfig{Name: service, Extensions: types.Extensions{
				extension.Key: map[string]any{"answers": address},
			}}
		}
	}
	serve("quick", "127.0.0.1", "http://:80/health", "serve", "80", "200", "0")
	serve("slow", "0.0.0.0", "http://:80/", "serve", "80", "204", "120")
	serve("stuck", "::", "http://:80/", "serve", "80", "200", "1400")
	serve("broken", "127.0.0.1", "http://:80/", "serve", "80", "503", "0")
	serve("port", "0.0.0.0", "", "serve", "80", "200", "0")
	serve("silent", "127.0.0.1", "", "sleep")

	begun := time.Now()
	s, err := Take(t.Context(), e, project, e.Machine())
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("a look took %s", took)
	}
	byName := map[string]Replica{}
	for _, r := range s.Services {
		byName[r.Service] = r
	}
	for service, c := range map[string]struct {
		least, most float64 // milliseconds
		pending     bool
	}{
		"quick": {0.01, 400, false}, "slow": {120, 450, false}, "stuck": {300, 4000, true},
		"port":   {0.001, 400, false},
		"broken": {}, "silent": {}, // they may refuse: they have just started
	} {
		a := byName[service].Answer
		if a.MS < c.least || a.MS > c.most || a.Pending != c.pending || a.Error != "" {
			t.Errorf("%s: got %+v", service, a)
		}
	}
	t.Run("over time", func(t *testing.T) { observed(t, e, project) })
}

// observed has what an observer knows after the patience for services without a health check.
func observed(t *testing.T, e *engine.Engine, project *types.Project) {
	subject := subjectOf(e, project, e.Machine())
	enginetest.Until(t, 60*time.Second, "the findings of what does not answer", func() bool {
		s, err := subject.look(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		var bad []string
		for _, f := range s.Findings {
			if f.ID == "answer.failed" {
				bad = append(bad, f.Evidence)
			}
		}
		for _, r := range s.Services {
			if r.Service == "stuck" && (r.Answer.Pending || r.Answer.MS < 1400) {
				return false
			}
		}
		return len(bad) == 2 && strings.Contains(bad[0], "broken does not answer as it should: http://") &&
			strings.HasSuffix(bad[0], "HTTP 503 Service Unavailable") &&
			strings.Contains(bad[1], "silent does not answer as it should: tcp://")
	})
	if _, err := e.ContainerPause(t.Context(), asked+"-quick-1", client.ContainerPauseOptions{}); err != nil {
		t.Fatal(err)
	}
	s, err := subject.look(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range s.Services {
		if r.Service == "quick" && r.Answer != (Answer{}) {
			t.Errorf("a paused service is asked: %+v", r.Answer)
		}
	}
}
