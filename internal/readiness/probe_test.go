package readiness

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
)

// fakeContainer answers the engine calls of one container whose state and check results are scripted.
type fakeContainer struct {
	states  []moby.State // one an inspect; the last stays
	codes   []int        // one a probe; the last stays
	check   *moby.HealthConfig
	probes  int
	running int
	restart int // restarts added an inspect
	count   int
}

func next[T any](list *[]T) T {
	head := (*list)[0]
	if len(*list) > 1 {
		*list = (*list)[1:]
	}
	return head
}

func (f *fakeContainer) ContainerInspect(
	context.Context, string, client.ContainerInspectOptions,
) (client.ContainerInspectResult, error) {
	state := next(&f.states)
	f.count += f.restart
	return client.ContainerInspectResult{Container: moby.InspectResponse{
		State: &state, RestartCount: f.count, Config: &moby.Config{Healthcheck: f.check},
		HostConfig: &moby.HostConfig{Resources: moby.Resources{Memory: 512 << 20}},
	}}, nil
}

func (f *fakeContainer) ExecCreate(
	_ context.Context, _ string, o client.ExecCreateOptions,
) (client.ExecCreateResult, error) {
	if o.AttachStdin {
		return client.ExecCreateResult{}, errors.New("stat /bin/sh: no such file or directory")
	}
	f.running++
	return client.ExecCreateResult{ID: "exec"}, nil
}

func (f *fakeContainer) ExecAttach(
	context.Context, string, client.ExecAttachOptions,
) (client.ExecAttachResult, error) {
	text := "NOAUTH\n"
	frame := append([]byte{1, 0, 0, 0, 0, 0, 0, byte(len(text))}, text...)
	conn, _ := net.Pipe()
	return client.ExecAttachResult{HijackedResponse: client.HijackedResponse{
		Conn: conn, Reader: bufio.NewReader(bytes.NewReader(frame)),
	}}, nil
}

func (f *fakeContainer) ExecInspect(
	context.Context, string, client.ExecInspectOptions,
) (client.ExecInspectResult, error) {
	f.probes++
	f.running--
	if f.running != 0 {
		return client.ExecInspectResult{}, errors.New("probes overlap")
	}
	return client.ExecInspectResult{ExitCode: next(&f.codes)}, nil
}

func TestReadyIsSeenAsSoonAsTheCheckPasses(t *testing.T) {
	up := moby.State{Running: true, Status: moby.StateRunning}
	f := &fakeContainer{
		states: []moby.State{{Status: moby.StateCreated}, up}, codes: []int{1, 1, 0},
		check: &moby.HealthConfig{Test: []string{"CMD", "check"}, Interval: time.Minute},
	}
	began := time.Now()
	if err := Wait(context.Background(), f, "id"); err != nil {
		t.Fatal(err)
	}
	if f.probes != 3 || time.Since(began) > 10*time.Second {
		t.Errorf("%d probes in %s; Docker would have waited a minute", f.probes, time.Since(began))
	}
}

func TestNotReady(t *testing.T) {
	check := &moby.HealthConfig{
		Test: []string{"CMD-SHELL", "check"}, Retries: 2,
		Interval: 50 * time.Millisecond, Timeout: 50 * time.Millisecond,
	}
	up := moby.State{Running: true, Status: moby.StateRunning}
	exited := moby.State{Status: moby.StateExited, ExitCode: 3}
	outOfMemory := moby.State{Status: moby.StateExited, ExitCode: 137, OOMKilled: true}
	restarting := moby.State{Restarting: true, Running: true, Status: moby.StateRestarting, ExitCode: 1}
	for name, c := range map[string]struct {
		fake fakeContainer
		want string
	}{
		"never healthy": {
			fakeContainer{states: []moby.State{up}, codes: []int{1}, check: check},
			"unhealthy after 0s (exit 1: NOAUTH)",
		},
		"exits": {fakeContainer{states: []moby.State{exited}}, "exited (exit 3)"},
		"out of memory": {
			fakeContainer{states: []moby.State{outOfMemory}},
			"killed: out of memory (limit 512 MiB, or the machine's memory)",
		},
		"crash loop": {
			fakeContainer{states: []moby.State{restarting}, restart: 1}, "keeps exiting (exit 1), restarted 3 times",
		},
	} {
		t.Run(name, func(t *testing.T) {
			err := Wait(context.Background(), &c.fake, "id")
			var never *NotReady
			if !errors.As(err, &never) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestReadyWithoutACheck(t *testing.T) {
	for name, check := range map[string]*moby.HealthConfig{"none": nil, "disabled": {Test: []string{"NONE"}}} {
		f := &fakeContainer{states: []moby.State{{Running: true, Status: moby.StateRunning}}, check: check}
		if err := Wait(context.Background(), f, "id"); err != nil || f.probes != 0 {
			t.Errorf("%s: %v after %d probes", name, err, f.probes)
		}
	}
}

// TestJudge has what follows from one run of the check.
func TestJudge(t *testing.T) {
	healthy, unhealthy := &moby.Health{Status: moby.Healthy}, &moby.Health{Status: moby.Unhealthy}
	for name, c := range map[string]struct {
		said   result
		health *moby.Health
		heed   bool
		ready  bool
		last   string
		err    string
	}{
		"it passes":                       {said: result{}, health: healthy, heed: true, ready: true},
		"it passes, Docker has no say":    {said: result{}, heed: true, ready: true},
		"it passes, Docker is not heeded": {said: result{}, health: unhealthy, ready: true},
		"it passes, Docker says no": {
			said: result{}, health: unhealthy, heed: true,
			last: "its check passes now, and Docker still calls it unhealthy",
		},
		"it fails": {said: result{code: 1, output: "no"}, heed: true, last: "exit 1: no"},
		"it fails, and Docker's did": {
			said: result{code: 1}, health: unhealthy, heed: true, last: "exit 1", err: "unhealthy after 5s (exit 1)",
		},
		"it gives no answer": {said: result{code: noAnswer, output: "none"}, health: healthy, last: "none"},
	} {
		told := ""
		w := &Waiter{
			HeedDocker: c.heed, began: time.Now().Add(-5 * time.Second), Progress: func(text string) { told = text },
		}
		ready, err := w.judge(replica(nil, c.health), c.said)
		if got := errorText(err); ready != c.ready || got != c.err {
			t.Errorf("%s: ready %v, error %q", name, ready, got)
		}
		if c.last != "" && w.last.String() != c.last || c.last == "" && w.last != (result{}) {
			t.Errorf("%s: remembers %q, want %q", name, w.last, c.last)
		}
		if want := c.said.code != 0; (told != "") != want {
			t.Errorf("%s: told %q", name, told)
		}
		w.Progress = nil
		if again, _ := w.judge(replica(nil, c.health), c.said); again != c.ready {
			t.Errorf("%s, with nobody to tell: ready %v", name, again)
		}
	}
}

// errorText is the error's text; "" for none.
func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestTooLate(t *testing.T) {
	w := &Waiter{last: result{code: 1, output: "not yet"}}
	c := replica(nil, nil)
	if got := w.tooLate(c, &moby.HealthConfig{Timeout: 3 * time.Second, Interval: time.Second}).Error(); got !=
		"unhealthy after 6s (exit 1: not yet)" {
		t.Errorf("got %q", got)
	}
	c.State.Paused = true
	var never *NotReady
	want := NotReady{Why: "it is paused", Next: "docker unpause p-s-1, then go tool mage start"}
	if err := w.tooLate(c, nil); !errors.As(err, &never) || *never != want {
		t.Errorf("got %+v", err)
	}
}
