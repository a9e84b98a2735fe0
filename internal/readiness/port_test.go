package readiness

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/answer"
	"github.com/25eloquence/compose-mage/internal/container"
)

// portsOf is a running container that publishes ports, as the engine tells of it.
type portsOf struct {
	Prober
	started time.Time
	ports   []string // "9229/tcp"
}

func (p portsOf) ContainerInspect(
	context.Context, string, client.ContainerInspectOptions,
) (client.ContainerInspectResult, error) {
	published := network.PortMap{}
	for _, port := range p.ports {
		published[network.MustParsePort(port)] = []network.PortBinding{
			{HostIP: netip.MustParseAddr("127.0.0.1"), HostPort: "1"},
		}
	}
	return client.ContainerInspectResult{Container: moby.InspectResponse{
		Name: "/x-a-1", HostConfig: &moby.HostConfig{}, Config: &moby.Config{},
		State: &moby.State{
			Running: true, Status: moby.StateRunning, StartedAt: p.started.Format(time.RFC3339Nano),
		},
		NetworkSettings: &moby.NetworkSettings{Ports: published},
	}}, nil
}

// portCase is a container without a check, and how long a start waits for its ports.
type portCase struct {
	ports   []string
	listens map[uint16]time.Duration // how long after its start
	ranFor  time.Duration            // before the start looks
	silent  bool                     // an earlier start has waited in vain
	started bool                     // x-compose-mage: {ready: started}
	remote  bool                     // the engine is elsewhere

	atLeast, atMost time.Duration
	warnings        int
	silentAfter     bool
}

// TestPortsAreWaitedForOnce has the services whose ports say nothing, and how long each start waits for them.
func TestPortsAreWaitedForOnce(t *testing.T) {
	const (
		never = 1000 * time.Hour
		ms    = time.Millisecond
	)
	http, debugger := []string{"80/tcp"}, []string{"9229/tcp"}
	afterASecond, mute := map[uint16]time.Duration{80: time.Second}, map[uint16]time.Duration{9229: never}
	for name, c := range map[string]portCase{
		"it listens soon": {ports: http, listens: afterASecond, atLeast: time.Second, atMost: 1200 * ms},
		"one of two is enough": {
			ports:   []string{"80/tcp", "9229/tcp"},
			listens: map[uint16]time.Duration{80: time.Second, 9229: never}, atLeast: time.Second, atMost: 1200 * ms,
		},
		"whichever": {ports: []string{"80/tcp", "9229/tcp"}, listens: map[uint16]time.Duration{80: never, 9229: 0}},
		"nobody listens": {
			ports: debugger, listens: mute,
			atLeast: 30 * time.Second, atMost: 33 * time.Second, warnings: 1, silentAfter: true,
		},
		"nobody listened last time": {
			ports: debugger, listens: mute, silent: true,
			atLeast: 2 * time.Second, atMost: 3 * time.Second, warnings: 1, silentAfter: true,
		},
		"last time it was slow": {
			ports: http, listens: afterASecond, silent: true, atLeast: time.Second, atMost: 1200 * ms,
		},
		"it runs for an hour":              {ports: debugger, listens: mute, ranFor: time.Hour},
		"it runs for an hour, and listens": {ports: http, ranFor: time.Hour, silent: true},
		"a start that was killed a moment ago": {
			ports: http, listens: map[uint16]time.Duration{80: 3 * time.Second}, ranFor: time.Second,
			atLeast: 2 * time.Second, atMost: 2500 * ms,
		},
		"UDP is never asked": {ports: []string{"53/udp"}, listens: map[uint16]time.Duration{53: never}},
		"a UDP port beside a TCP port": {
			ports:   []string{"53/udp", "80/tcp"},
			listens: map[uint16]time.Duration{53: never, 80: time.Second}, atLeast: time.Second, atMost: 1200 * ms,
		},
		"the file says that running is enough": {ports: debugger, listens: mute, started: true},
		"a remote engine":                      {ports: debugger, listens: mute, remote: true},
	} {
		t.Run(name, func(t *testing.T) { synctest.Test(t, c.run) })
	}
}

func (c portCase) run(t *testing.T) {
	began := time.Now()
	start := began.Add(-c.ranFor)
	silent := ReadSilentPorts("")
	silent.set("a", c.silent)
	var warned []string
	w := &Waiter{
		API: portsOf{started: start, ports: c.ports}, Service: "a", Shells: NewShells(),
		Local: !c.remote, Silent: silent, ReadyOnceStarted: c.started,
		Warn: func(f string, a ...any) { warned = append(warned, fmt.Sprintf(f, a...)) },
		ask: func(p answer.Port) answer.Said {
			if time.Since(start) >= c.listens[p.Number] {
				return answer.Accepted
			}
			return answer.Refused
		},
	}
	if err := w.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < c.atLeast || took > c.atMost {
		t.Errorf("it took %s, want %s to %s", took, c.atLeast, c.atMost)
	}
	if len(warned) != c.warnings || silent.has("a") != c.silentAfter {
		t.Errorf("warnings %q, remembered as silent: %v", warned, silent.has("a"))
	}
}

// TestPortDecides has what follows from each answer.
func TestPortDecides(t *testing.T) {
	const warning = "p-s-1: after 30s nothing listens on its port 80; it has no health check and counts as ready " +
		"because it runs (x-compose-mage: {ready: started} on the service: no port is waited for)"
	const waits = "port 80 accepts no connection yet"
	for name, c := range map[string]struct {
		says      answer.Said
		first     bool
		ran, late time.Duration // since the container's start, and since ours
		ready     bool
		answered  bool
		said      string
	}{
		"accepted":                  {answer.Accepted, true, 0, 0, true, true, ""},
		"unknown":                   {answer.Unknown, true, 0, 0, true, false, ""},
		"refused":                   {answer.Refused, true, 0, 0, false, false, waits},
		"refused, runs for long":    {answer.Refused, true, time.Minute, 0, true, false, ""},
		"refused, runs for 30 s":    {answer.Refused, true, portPatience, 0, false, false, waits},
		"refused, for 30 s now":     {answer.Refused, false, time.Minute, portPatience, false, false, waits},
		"refused, ran long by now":  {answer.Refused, false, time.Minute, 10 * time.Second, false, false, waits},
		"refused, patience is over": {answer.Refused, false, time.Minute, 31 * time.Second, true, false, warning},
	} {
		synctest.Test(t, func(t *testing.T) {
			said := ""
			w := &Waiter{
				Service: "s", began: time.Now().Add(-c.late), Silent: ReadSilentPorts(""),
				Progress: func(text string) { said += text },
				Warn:     func(f string, a ...any) { said += fmt.Sprintf(f, a...) },
			}
			found := replica(nil, nil)
			found.State.StartedAt = time.Now().Add(-c.ran).Format(time.RFC3339Nano)
			ready := w.portDecides(found, c.says, 80, c.first)
			if ready != c.ready || w.answered != c.answered || said != c.said {
				t.Errorf("%s: ready %v, answered %v, said %q", name, ready, w.answered, said)
			}
			if w.Silent.has("s") != (c.said == warning) {
				t.Errorf("%s: remembered as silent: %v", name, w.Silent.has("s"))
			}
			w.Progress, w.Warn = nil, nil
			if ready := w.portDecides(found, c.says, 80, c.first); ready != c.ready {
				t.Errorf("%s, with nobody to tell: ready %v", name, ready)
			}
		})
	}
}

// TestAnswersOfSeveralPorts has one that accepts count, and of those that refuse the first.
func TestAnswersOfSeveralPorts(t *testing.T) {
	for _, c := range []struct {
		answers map[uint16]answer.Said
		says    answer.Said
		port    uint16
	}{
		{nil, answer.Unknown, 0},
		{map[uint16]answer.Said{1: answer.Unknown, 2: answer.Unknown}, answer.Unknown, 0},
		{map[uint16]answer.Said{1: answer.Unknown, 2: answer.Refused, 3: answer.Refused}, answer.Refused, 2},
		{map[uint16]answer.Said{1: answer.Refused, 2: answer.Accepted, 3: answer.Refused}, answer.Accepted, 2},
	} {
		w := &Waiter{ask: func(p answer.Port) answer.Said { return c.answers[p.Number] }}
		var ports []answer.Port
		for port := uint16(1); int(port) <= len(c.answers); port++ {
			ports = append(ports, answer.Port{Number: port})
		}
		if says, port := w.askPorts(t.Context(), ports); says != c.says || port != c.port {
			t.Errorf("%v: got %v of %d, want %v of %d", c.answers, says, port, c.says, c.port)
		}
	}
}

func TestStartOf(t *testing.T) {
	if got := startOf(replica(nil, nil)); !got.Equal(started) {
		t.Errorf("got %s", got)
	}
	never := container.Replica{InspectResponse: moby.InspectResponse{State: &moby.State{}}}
	if got := startOf(never); time.Since(got) > time.Minute {
		t.Errorf("a container whose start is not known: %s", got)
	}
}
