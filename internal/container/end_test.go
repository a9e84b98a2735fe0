package container

import (
	"testing"
	"time"

	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/events"
)

// TestEnd reads ends from what the engine says of a container and from its events, and says them in a sentence.
func TestEnd(t *testing.T) {
	event := func(a events.Action, before time.Duration, signal string) events.Message {
		return events.Message{
			Action: a, TimeNano: now.Add(-before).UnixNano(),
			Actor: events.Actor{Attributes: map[string]string{"signal": signal}},
		}
	}
	oom := func(code int) Replica {
		return with(moby.StateExited,
			func(c *Replica) { c.State.ExitCode, c.State.OOMKilled, c.HostConfig.Memory = code, true, 64<<20 })
	}
	kill15, kill9 := event(events.ActionKill, time.Minute, "15"), event(events.ActionKill, time.Minute, "9")
	die, stop := event(events.ActionDie, time.Minute, ""), event(events.ActionStop, time.Minute, "")
	for name, c := range map[string]struct {
		c      Replica
		events []events.Message
		want   Cause
		text   string
		signal int
		memory bool
	}{
		"exit 0": {exited(0, ""), nil, Completed, "completed (exit 0)", 0, false},
		"exit 0 after a stop": {
			exited(0, ""), []events.Message{kill15, die, stop}, Stopped, "stopped (exit 0)", 0, false,
		},
		"exit 3": {exited(3, ""), []events.Message{die}, Failed, "exited (exit 3)", 0, false},
		"exit 3 on a stop": {
			exited(3, ""), []events.Message{stop, die, kill15}, Stopped, "stopped (exit 3)", 0, false,
		},
		"out of memory": {oom(137), nil, OutOfMemory, "killed: out of memory (limit 64 MiB)", 9, true},
		"out of memory while stopped": {
			oom(137), []events.Message{kill15, die, stop}, OutOfMemory, "killed: out of memory (limit 64 MiB)", 9, true,
		},
		"a child's memory, exit 0": {
			oom(0), nil, Completed, "completed (exit 0), and a process in it was killed: out of memory (limit 64 MiB)",
			0, true,
		},
		"a child's memory, exit 2": {
			oom(2), nil, ChildOutOfMem, "exited (exit 2), and a process in it was killed: out of memory (limit 64 MiB)",
			0, true,
		},
		"SIGKILL, nobody knows by whom": {exited(137, ""), nil, Signalled, "exited (exit 137: killed)", 9, false},
		"SIGKILL by docker kill": {
			exited(137, ""),
			[]events.Message{kill9, die},
			KilledByHand, "killed by docker kill (exit 137: killed)", 9,
			false,
		},
		"SIGKILL by docker stop": {
			exited(137, ""),
			[]events.Message{kill15, kill9, die, stop},
			Stopped, "stopped (exit 137: killed)", 9,
			false,
		},
		"SIGKILL from elsewhere": {
			exited(137, ""),
			[]events.Message{die},
			HostOutOfMemory,
			"killed (exit 137: killed), not through Docker: the machine was out of memory, or somebody killed it", 9,
			false,
		},
		"SIGTERM": {exited(143, ""), nil, Signalled, "exited (exit 143: terminated)", 15, false},
		"a kill of an earlier run": {
			exited(137, ""),
			[]events.Message{event(events.ActionKill, 2*time.Hour, "9"), die},
			HostOutOfMemory,
			"killed (exit 137: killed), not through Docker: the machine was out of memory, or somebody killed it", 9,
			false,
		},
		"SIGSEGV": {
			exited(139, ""), nil, Failed, "exited (exit 139: segmentation fault)", 11, false,
		},
		"a signal that ended nothing": {
			exited(1, ""),
			[]events.Message{event(events.ActionKill, time.Minute, "1"), die},
			Failed, "exited (exit 1)",
			0, false,
		},
		"SIGHUP that ended it, by docker kill": {
			exited(129, ""),
			[]events.Message{event(events.ActionKill, time.Minute, "1"), die},
			KilledByHand, "killed by docker kill (exit 129)", 1, false,
		},
		"exit 129, after another signal": {
			exited(129, ""),
			[]events.Message{event(events.ActionKill, time.Minute, "2"), die},
			Failed, "exited (exit 129)", 1, false,
		},
		"a kill without a signal's number": {
			exited(137, ""),
			[]events.Message{event(events.ActionKill, time.Minute, "KILL"), die},
			HostOutOfMemory,
			"killed (exit 137: killed), not through Docker: the machine was out of memory, or somebody killed it", 9,
			false,
		},
		"SIGTERM by docker kill": {
			exited(143, ""),
			[]events.Message{kill15, die},
			KilledByHand,
			"killed by docker kill (exit 143: terminated)", 15, false,
		},
		"SIGTERM from elsewhere": {
			exited(143, ""), []events.Message{die}, Signalled, "exited (exit 143: terminated)", 15, false,
		},
		"exit 128":                      {exited(128, ""), nil, Failed, "exited (exit 128)", 0, false},
		"a code too large for a signal": {exited(193, ""), nil, Failed, "exited (exit 193)", 0, false},
		"the last signal":               {exited(192, ""), nil, Failed, "exited (exit 192)", 64, false},
		"could not be started again": {
			with(moby.StateExited, func(c *Replica) { c.State.Error, c.State.ExitCode = "no such file", 127 }), nil,
			NotStarted, "could not be started (exit 127: command not found): no such file", 0, false,
		},
		"could not be started while it was killed": {
			with(moby.StateExited, func(c *Replica) { c.State.Error, c.State.ExitCode = "no such file", 137 }),
			[]events.Message{kill9, die, stop},
			NotStarted, "could not be started (exit 137: killed): no such file", 9, false,
		},
		"could not be started": {
			with(moby.StateCreated, func(c *Replica) { c.State.Error, c.State.ExitCode = "no such file", 127 }), nil,
			NotStarted, "could not be started (exit 127: command not found): no such file", 0, false,
		},
	} {
		t.Run(name, func(t *testing.T) {
			e, ok := EndOf(c.c.InspectResponse, c.events...)
			if !ok || e.Cause != c.want || e.String() != c.text || e.Signal != c.signal || e.Memory() != c.memory ||
				e.Next("s") == "" {
				t.Errorf("got  %s %q signal %d memory %v\nwant %s %q %d %v", e.Cause, e, e.Signal, e.Memory(), c.want,
					c.text, c.signal, c.memory)
			}
		})
	}
	for cause, next := range map[Cause]string{
		OutOfMemory:   "raise the memory limit of s (deploy.resources.limits.memory), then go tool mage start",
		ChildOutOfMem: "raise the memory limit of s (deploy.resources.limits.memory), then go tool mage start",
		Stopped:       "go tool mage start", KilledByHand: "go tool mage start",
		HostOutOfMemory: "go tool mage monitor",
		Failed:          "go tool mage logs s", Signalled: "go tool mage logs s", NotStarted: "go tool mage logs s",
	} {
		if got := (End{Cause: cause}).Next("s"); got != next {
			t.Errorf("%s: next %q, want %q", cause, got, next)
		}
	}
	if _, ok := EndOf(moby.InspectResponse{}); ok {
		t.Error("a container of which nothing is known has ended")
	}
	for _, c := range []Replica{
		with(moby.StateRunning, nil), with(moby.StatePaused, nil), with(moby.StateCreated, nil),
	} {
		if e, ok := EndOf(c.InspectResponse); ok {
			t.Errorf("%s: it has not ended: %s", c.State.Status, e)
		}
	}
}
