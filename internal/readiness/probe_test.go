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

func (f *fakeContainer) ContainerInspect(context.Context, string, client.ContainerInspectOptions) (client.ContainerInspectResult, error) {
	state := next(&f.states)
	f.count += f.restart
	return client.ContainerInspectResult{Container: moby.InspectResponse{
		State: &state, RestartCount: f.count, HostConfig: &moby.HostConfig{Resources: moby.Resources{Memory: 512 << 20}},
		Config: &moby.Config{Healthcheck: f.check},
	}}, nil
}

func (f *fakeContainer) ExecCreate(_ context.Context, _ string, o client.ExecCreateOptions) (client.ExecCreateResult, error) {
	if o.AttachStdin {
		return client.ExecCreateResult{}, errors.New("stat /bin/sh: no such file or directory")
	}
	f.running++
	return client.ExecCreateResult{ID: "exec"}, nil
}

func (f *fakeContainer) ExecAttach(context.Context, string, client.ExecAttachOptions) (client.ExecAttachResult, error) {
	text := "NOAUTH\n"
	frame := append([]byte{1, 0, 0, 0, 0, 0, 0, byte(len(text))}, text...)
	conn, _ := net.Pipe()
	return client.ExecAttachResult{HijackedResponse: client.HijackedResponse{Conn: conn, Reader: bufio.NewReader(bytes.NewReader(frame))}}, nil
}

func (f *fakeContainer) ExecInspect(context.Context, string, client.ExecInspectOptions) (client.ExecInspectResult, error) {
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
	check := &moby.HealthConfig{Test: []string{"CMD-SHELL", "check"}, Interval: 50 * time.Millisecond, Timeout: 50 * time.Millisecond, Retries: 2}
	up := moby.State{Running: true, Status: moby.StateRunning}
	for name, c := range map[string]struct {
		fake fakeContainer
		want string
	}{
		"never healthy": {fakeContainer{states: []moby.State{up}, codes: []int{1}, check: check}, "unhealthy after 0s (exit 1: NOAUTH)"},
		"exits":         {fakeContainer{states: []moby.State{{Status: moby.StateExited, ExitCode: 3}}}, "exited (exit 3)"},
		"out of memory": {fakeContainer{states: []moby.State{{Status: moby.StateExited, ExitCode: 137, OOMKilled: true}}}, "killed: out of memory (limit 512 MiB)"},
		"crash loop":    {fakeContainer{states: []moby.State{{Restarting: true, Running: true, Status: moby.StateRestarting, ExitCode: 1}}, restart: 1}, "keeps exiting (exit 1), restarted 3 times"},
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

func TestPatienceFollowsTheCheck(t *testing.T) {
	for _, c := range []struct {
		check *moby.HealthConfig
		want  time.Duration
	}{
		{&moby.HealthConfig{Interval: 10 * time.Second, Timeout: 3 * time.Second, Retries: 5, StartPeriod: 30 * time.Second}, 83 * time.Second},
		{&moby.HealthConfig{}, 120 * time.Second},
	} {
		if got := patience(c.check); got != c.want {
			t.Errorf("%+v: got %s, want %s", c.check, got, c.want)
		}
	}
}
