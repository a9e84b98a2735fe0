package readiness

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
)

// portsOf is a running container that publishes ports, as the engine tells of it.
type portsOf struct {
	Prober
	started time.Time
	ports   []string // "9229/tcp"
}

func (p portsOf) ContainerInspect(context.Context, string, client.ContainerInspectOptions) (client.ContainerInspectResult, error) {
	published := network.PortMap{}
	for _, port := range p.ports {
		published[network.MustParsePort(port)] = []network.PortBinding{{HostIP: netip.MustParseAddr("127.0.0.1"), HostPort: "1"}}
	}
	return client.ContainerInspectResult{Container: moby.InspectResponse{
		Name: "/x-a-1", HostConfig: &moby.HostConfig{}, Config: &moby.Config{},
		State:           &moby.State{Running: true, Status: moby.StateRunning, StartedAt: p.started.Format(time.RFC3339Nano)},
		NetworkSettings: &moby.NetworkSettings{Ports: published},
	}}, nil
}

// TestPortsAreWaitedForOnce has the services whose ports say nothing, and how long each start waits for them.
func TestPortsAreWaitedForOnce(t *testing.T) {
	const never = 1000 * time.Hour
	for name, c := range map[string]struct {
		ports   []string
		listens map[uint16]time.Duration // after its start
		ranFor  time.Duration            // before we look
		silent  bool                     // an earlier start has waited in vain
		started bool                     // x-compose-mage: {ready: started}
		remote  bool

		atLeast, atMost time.Duration
		warnings        int
		silentAfter     bool
	}{
		"it listens soon":                          {ports: []string{"80/tcp"}, listens: map[uint16]time.Duration{80: time.Second}, atLeast: time.Second, atMost: 1200 * time.Millisecond},
		"one of two is enough":                     {ports: []string{"80/tcp", "9229/tcp"}, listens: map[uint16]time.Duration{80: time.Second, 9229: never}, atLeast: time.Second, atMost: 1200 * time.Millisecond},
		"whichever":                                {ports: []string{"80/tcp", "9229/tcp"}, listens: map[uint16]time.Duration{80: never, 9229: 0}, atMost: 0},
		"nobody listens":                           {ports: []string{"9229/tcp"}, listens: map[uint16]time.Duration{9229: never}, atLeast: 30 * time.Second, atMost: 33 * time.Second, warnings: 1, silentAfter: true},
		"nobody listened last time":                {ports: []string{"9229/tcp"}, listens: map[uint16]time.Duration{9229: never}, silent: true, atLeast: 2 * time.Second, atMost: 3 * time.Second, warnings: 1, silentAfter: true},
		"last time it was slow":                    {ports: []string{"80/tcp"}, listens: map[uint16]time.Duration{80: time.Second}, silent: true, atLeast: time.Second, atMost: 1200 * time.Millisecond},
		"it runs for an hour":                      {ports: []string{"9229/tcp"}, listens: map[uint16]time.Duration{9229: never}, ranFor: time.Hour, atMost: 0},
		"it runs for an hour, and listens":         {ports: []string{"80/tcp"}, listens: map[uint16]time.Duration{80: 0}, ranFor: time.Hour, silent: true, atMost: 0},
		"a start that was killed a moment ago":     {ports: []string{"80/tcp"}, listens: map[uint16]time.Duration{80: 3 * time.Second}, ranFor: time.Second, atLeast: 2 * time.Second, atMost: 2500 * time.Millisecond},
		"UDP is never asked":                       {ports: []string{"53/udp"}, listens: map[uint16]time.Duration{53: never}, atMost: 0},
		"a UDP port beside a TCP port":             {ports: []string{"53/udp", "80/tcp"}, listens: map[uint16]time.Duration{53: never, 80: time.Second}, atLeast: time.Second, atMost: 1200 * time.Millisecond},
		"the file says that running is enough":     {ports: []string{"9229/tcp"}, listens: map[uint16]time.Duration{9229: never}, started: true, atMost: 0},
		"no port":                                  {atMost: 0},
		"an engine elsewhere, which can't be seen": {ports: []string{"9229/tcp"}, listens: map[uint16]time.Duration{9229: never}, remote: true, atMost: 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				started := began.Add(-c.ranFor)
				learned := &Learned{Silent: c.silent}
				var warned []string
				r := &Waiter{
					API: portsOf{started: started, ports: c.ports}, Budget: NewBudget(1), Shells: NewShells(), Local: !c.remote, Ports: learned, Started: c.started,
					Warn: func(f string, a ...any) { warned = append(warned, fmt.Sprintf(f, a...)) },
					ask: func(p published, _ context.Context, _ bool) answer {
						if time.Since(started) >= c.listens[p.inside.Port()] {
							return accepted
						}
						return refused
					},
				}
				if err := r.Ready(t.Context()); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(began); took < c.atLeast || took > c.atMost {
					t.Errorf("it took %s, want %s to %s", took, c.atLeast, c.atMost)
				}
				if len(warned) != c.warnings || learned.Silent != c.silentAfter {
					t.Errorf("warnings %q, remembered as silent: %v", warned, learned.Silent)
				}
			})
		})
	}
}

// A silence that was seen is kept in the file, and forgotten there once something listens.
func TestSilenceIsRemembered(t *testing.T) {
	path := t.TempDir() + "/starts.json"
	for _, listens := range []bool{false, true} {
		m := Recall(path)
		m.Of("a").heard(listens)
		m.Keep()
		if got := Recall(path).Of("a").silent(); got == listens {
			t.Errorf("listens: %v, remembered as silent: %v", listens, got)
		}
	}
	var none *Learned // where there is no memory
	none.heard(false)
	if none.silent() || !slices.Equal(Recall("").NoShell, nil) {
		t.Error("nothing is remembered without a memory")
	}
}
