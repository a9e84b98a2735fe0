package shim

import (
	"errors"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/system"

	"github.com/25eloquence/compose-mage/internal/engine"
)

func TestOnlyTheContainersOwnShim(t *testing.T) {
	id := strings.Repeat("0123456789abcdef", 4)
	for line, want := range map[string]bool{
		"/usr/bin/containerd-shim-runc-v2 -namespace moby -id " + id +
			" -address /run/containerd/containerd.sock": true,
		"/usr/bin/containerd-shim-runsc-v1 -id " +
			id: true,
		"/usr/bin/containerd-shim-runc-v2 -namespace moby -id " +
			strings.Repeat("f", 64): false,
		"/usr/bin/containerd-shim-runc-v2 -namespace moby -id " +
			id[:12]: false,
		"/usr/bin/docker-proxy -id " +
			id: false,
		"vim containerd-shim -id " +
			id: false,
		"/usr/bin/containerd-shim-runc-v2 -namespace moby -address /x/" + id +
			"/containerd.sock -id": false,
	} {
		if got := (process{args: strings.Split(line, " ")}).isShim(id); got != want {
			t.Errorf("%s: %v", line, got)
		}
	}
	if (process{args: []string{"containerd-shim-runc-v2", "-id", ""}}).isShim("") {
		t.Error("no ID counts as one")
	}
}

func TestOnlyTheEnginesOwnSocket(t *testing.T) {
	named := &engine.Engine{Info: system.Info{Containerd: &system.ContainerdInfo{Address: "/run/a/containerd.sock"}}}
	unnamed := &engine.Engine{}
	daemon := process{pid: 100, args: []string{"/usr/bin/dockerd"}}
	systemd := process{pid: 1, args: []string{"/sbin/init"}}
	own := process{pid: 101, parent: 100, args: []string{"containerd", "--config", "/x"}}
	for name, c := range map[string]struct {
		e      *engine.Engine
		daemon process
		socket string
		all    []process
		want   bool
	}{
		"the one that it names":                {named, daemon, "/run/a/../a/containerd.sock", nil, true},
		"another than it names":                {named, daemon, systemContainerd, nil, false},
		"the system's":                         {unnamed, daemon, systemContainerd, []process{daemon}, true},
		"the system's, by systemd":             {unnamed, systemd, systemContainerd, []process{systemd}, true},
		"the system's, but it started its own": {unnamed, daemon, systemContainerd, []process{daemon, own}, false},
		"one that nobody listens on": {
			unnamed, daemon, "/nowhere/containerd.sock", []process{daemon, own}, false,
		},
		"another's": {unnamed, daemon, "/run/a/containerd.sock", []process{daemon}, false},
	} {
		if got := socketOf(c.e, c.daemon, c.socket, c.all); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// A number that belongs to another process by now is not sent a signal.
func TestASignalMeetsOnlyTheProcessThatWasLookedAt(t *testing.T) {
	command := exec.Command("sleep", "60")
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	p, ok := look(command.Process.Pid)
	if !ok {
		t.Fatal("the process is not found")
	}
	other := p
	other.started = "1"
	if err := other.signal(syscall.SIGKILL); err != nil || !p.alive() || other.alive() {
		t.Fatalf("a process that was started at another time was met: %v", err)
	}
	if err := p.signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err == nil || !p.endsWithin(t.Context(), time.Second) {
		t.Error("the process goes on")
	}
	if err := p.signal(syscall.SIGKILL); err != nil {
		t.Errorf("that it has ended counts as an error: %v", err)
	}
}

func TestTheProgramEndsByItsOwnSignalAndPeriod(t *testing.T) {
	seconds := 3
	for text, want := range map[string]syscall.Signal{
		"": syscall.SIGTERM, "SIGQUIT": syscall.SIGQUIT, "int": syscall.SIGINT, "10": syscall.SIGUSR1,
		"what": syscall.SIGTERM,
	} {
		if got := stopSignal(moby.InspectResponse{Config: &moby.Config{StopSignal: text}}); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
	if got := grace(moby.InspectResponse{Config: &moby.Config{StopTimeout: &seconds}}); got != 3*time.Second {
		t.Errorf("got %s", got)
	}
}

func TestAnEngineElsewhereHasNoProcessesHere(t *testing.T) {
	id := strings.Repeat("0123456789abcdef", 4)
	for name, host := range map[string]string{
		"by SSH": "ssh://ann@server", "by a socket that nobody listens on": "unix:///nowhere.sock",
	} {
		if n, err := End(t.Context(), &engine.Engine{Host: host},
			moby.InspectResponse{ID: id, State: &moby.State{}}); n != 0 ||
			!errors.Is(err, ErrElsewhere) {
			t.Errorf("%s: %d, %v", name, n, err)
		}
	}
	if _, err := End(t.Context(), &engine.Engine{Host: "unix:///nowhere.sock"},
		moby.InspectResponse{ID: id, State: &moby.State{Running: true}}); err == nil ||
		errors.Is(err, ErrElsewhere) {
		t.Errorf("a container that the engine runs is ended: %v", err)
	}
}
