package container

import (
	"strconv"
	"strings"
	"testing"
	"time"

	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/events"
)

// The container of these tests was started an hour before now, and ended a minute before it.
const (
	endID  = "c0ffee"
	endAge = time.Minute
)

// event is one of the engine's, so long before now; value is a signal or an exit code.
func event(a events.Action, before time.Duration, value string) events.Message {
	return events.Message{
		Action: a, TimeNano: now.Add(-before).UnixNano(),
		Actor: events.Actor{ID: endID, Attributes: map[string]string{"signal": value, "exitCode": value}},
	}
}

// oom is a container of which the engine's state has that the kernel killed a process in it.
func oom(code int, limit int64) Replica {
	return with(moby.StateExited, func(c *Replica) {
		c.State.ExitCode, c.State.OOMKilled, c.HostConfig.Memory = code, true, limit
	})
}

// log is the kernel's log since yesterday, with these kills in the container, so long before now.
func log(own bool, at ...time.Duration) *KernelLog {
	l := &KernelLog{From: now.Add(-24 * time.Hour)}
	for _, before := range at {
		l.Kills = append(l.Kills,
			KernelKill{At: now.Add(-before), Container: endID, Process: "eater", Own: own})
	}
	return l
}

// again is a container that ended a minute ago and was started again.
func again() Replica {
	return with(moby.StateRunning, func(c *Replica) {
		c.State.StartedAt, c.State.FinishedAt, c.HostConfig.Memory = ago(time.Second), ago(endAge), 64<<20
	})
}

const (
	outOfMemory = "killed: out of memory (limit 64 MiB)"
	// without the kernel's log
	ownOrHost    = "killed: out of memory (limit 64 MiB, or the machine's memory)"
	childOrHost  = ", and a process in it was killed: out of memory (limit 64 MiB, or the machine's memory)"
	machine      = "killed: the machine, or the group that it shares with others, was out of memory"
	nobody       = ", why is not known: the engine no longer has its events of then"
	hostOrHand   = "killed (exit 137: killed), not through Docker: the machine was out of memory, or somebody killed it"
	fromOutside  = "killed (exit 137: killed), not through Docker and not for memory: kill -9, or its own exit code"
	byDockerKill = "killed by docker kill (exit 137: killed)"
	childKilled  = ", and a process in it was killed: out of memory (limit 64 MiB)"
)

// TestEnd reads ends from all that there may be of evidence, and says them in a sentence.
func TestEnd(t *testing.T) {
	const hour = time.Hour
	start, die := event(events.ActionStart, hour, ""), event(events.ActionDie, endAge, "137")
	kill15, kill9 := event(events.ActionKill, endAge+10*time.Second, "15"), event(events.ActionKill, endAge, "9")
	stop, oomEvent := event(events.ActionStop, endAge, ""), event(events.ActionOOM, endAge, "")
	earlyOOM := event(events.ActionOOM, 30*time.Minute, "")
	heard := func(m ...events.Message) Evidence { return Evidence{Events: m, Looked: true} }
	logged := func(v Evidence, l *KernelLog) Evidence { v.Kernel = l; return v }
	limited := int64(64 << 20)
	gone := Evidence{Looked: true}
	for name, c := range map[string]struct {
		c    Replica
		v    Evidence
		want Cause
		text string
	}{
		"exit 0":              {exited(0, ""), gone, Completed, "completed (exit 0)"},
		"exit 0 after a stop": {exited(0, ""), heard(start, kill15, die, stop), Stopped, "stopped (exit 0)"},
		"exit 3":              {exited(3, ""), heard(start, die), Failed, "exited (exit 3)"},
		"exit 3, gone":        {exited(3, ""), gone, Failed, "exited (exit 3)"},
		"exit 3 on a stop":    {exited(3, ""), heard(start, kill15, die, stop), Stopped, "stopped (exit 3)"},

		"memory":           {oom(137, limited), Evidence{}, OwnOrHostMemory, ownOrHost},
		"memory, gone":     {oom(137, limited), gone, OwnOrHostMemory, ownOrHost},
		"memory, no limit": {oom(137, 0), heard(start, die), HostOutOfMemory, machine},
		"memory, no limit, gone": {
			oom(137, 0), gone, Unknown,
			"exited (exit 137: killed)" + nobody +
				", and a process in it was killed: out of memory (no limit of its own)",
		},
		"memory, kernel": {
			oom(137, limited), logged(gone, log(true, endAge)), OutOfMemory, outOfMemory + ", process eater",
		},
		"memory, event alone": {exited(137, ""), heard(start, oomEvent, die), HostOutOfMemory, machine},
		"memory while stopped": {
			oom(137, limited), heard(start, kill15, oomEvent, die, stop), OwnOrHostMemory, ownOrHost,
		},
		"memory, unseen": {
			exited(137, ""), logged(gone, log(true, endAge)), OutOfMemory,
			"killed: out of memory (no limit of its own), process eater",
		},
		"machine, limited": {
			oom(137, limited), logged(gone, log(false, endAge)), HostOutOfMemory, machine + ", process eater",
		},
		"a group spares it": {
			oom(137, limited), logged(heard(start, earlyOOM, kill9, die), log(true)), KilledByHand, byDockerKill,
		},
		"spared, gone": {
			oom(137, limited), logged(gone, log(true)), Unknown, "exited (exit 137: killed)" + nobody,
		},
		"memory, log too young": {oom(137, limited), logged(gone, &KernelLog{From: now}), OwnOrHostMemory, ownOrHost},
		"memory, log rationed": {
			oom(137, limited), logged(gone, &KernelLog{
				From: now.Add(-24 * hour), Kills: []KernelKill{{At: now.Add(-endAge)}},
			}), OwnOrHostMemory, ownOrHost,
		},

		"child, exit 0": {oom(0, limited), Evidence{}, Completed, "completed (exit 0)" + childOrHost},
		"child, exit 2": {oom(2, limited), gone, ChildOutOfMem, "exited (exit 2)" + childOrHost},
		"child, then kill -9": {
			oom(137, limited), heard(start, earlyOOM, die), HostOrHand, hostOrHand + childOrHost,
		},
		"child, then kill -9, no limit": {
			oom(137, 0), heard(start, earlyOOM, die), HostOrHand,
			hostOrHand + ", and a process in it was killed: out of memory (no limit of its own)",
		},
		"child, kernel alone": {
			exited(2, ""), logged(gone, log(true, endAge)), ChildOutOfMem,
			"exited (exit 2), and a process in it was killed: out of memory (no limit of its own), process eater",
		},
		"child, then docker kill": {
			oom(137, limited), heard(start, earlyOOM, kill9, die), KilledByHand, byDockerKill + childOrHost,
		},
		"child, then docker kill, kernel": {
			oom(137, limited), logged(heard(start, kill9, die), log(true, 30*time.Minute)), KilledByHand,
			byDockerKill + childKilled + ", process eater",
		},
		"child, then docker kill, gone": {
			oom(137, limited), logged(gone, log(true, 30*time.Minute)), Unknown,
			"exited (exit 137: killed)" + nobody + childKilled + ", process eater",
		},
		"child, a second before docker kill": {
			oom(137, limited), logged(heard(start, kill9, die), log(true, endAge+time.Second)), KilledByHand,
			byDockerKill + childKilled + ", process eater",
		},
		"a kill of an earlier run": {oom(3, limited), logged(gone, log(true, 2*hour)), Failed, "exited (exit 3)"},

		"SIGKILL, not looked for": {exited(137, ""), Evidence{}, Unknown, "exited (exit 137: killed)"},
		"SIGKILL, gone":           {exited(137, ""), gone, Unknown, "exited (exit 137: killed)" + nobody},
		"SIGKILL, only its death": {exited(137, ""), heard(die), Unknown, "exited (exit 137: killed)" + nobody},
		"SIGKILL, a minute known": {
			exited(137, ""),
			Evidence{Events: []events.Message{die}, Looked: true, From: now.Add(-2 * endAge)},
			HostOrHand, hostOrHand,
		},
		"SIGKILL, less known": {
			exited(137, ""),
			Evidence{Events: []events.Message{die}, Looked: true, From: now.Add(-endAge - 59*time.Second)},
			Unknown, "exited (exit 137: killed)" + nobody,
		},
		"SIGKILL, all known": {
			exited(137, ""), Evidence{Events: []events.Message{die}, Looked: true, Whole: true}, HostOrHand, hostOrHand,
		},
		"SIGKILL from elsewhere": {exited(137, ""), heard(start, die), HostOrHand, hostOrHand},
		"kill -9":                {exited(137, ""), logged(heard(start, die), log(true)), Outside, fromOutside},
		"kill -9, log gone": {
			exited(137, ""), logged(heard(start, die), &KernelLog{From: now}), HostOrHand, hostOrHand,
		},
		"docker kill":              {exited(137, ""), heard(start, kill9, die), KilledByHand, byDockerKill},
		"docker kill, event later": {exited(137, ""), heard(start, die, kill9), KilledByHand, byDockerKill},
		"docker kill, start gone":  {exited(137, ""), heard(kill9, die), KilledByHand, byDockerKill},
		"a kill of an earlier end": {
			exited(137, ""), heard(start, event(events.ActionKill, 90*time.Minute, "9"),
				event(events.ActionDie, 90*time.Minute, "137"),
				start, die), HostOrHand, hostOrHand,
		},
		"a kill without a number": {
			exited(137, ""), heard(start, event(events.ActionKill, endAge, "KILL"), die), HostOrHand, hostOrHand,
		},
		"stop timeout": {
			exited(137, ""), heard(start, event(events.ActionKill, 30*time.Minute, "1"), kill15, kill9, die, stop),
			StopTimeout,
			"killed by docker stop (exit 137: killed): it did not end within its grace of 10 s",
		},
		"a stop by SIGKILL": {
			with(moby.StateExited, func(c *Replica) { c.State.ExitCode, c.Config.StopSignal = 137, "SIGKILL" }),
			heard(start, event(events.ActionKill, 30*time.Minute, "1"), kill9, die, stop), Stopped,
			"stopped (exit 137: killed)",
		},

		"SIGTERM, gone": {exited(143, ""), gone, Unknown, "exited (exit 143: terminated)" + nobody},
		"SIGTERM by docker kill": {
			exited(143, ""), heard(start, kill15, die), KilledByHand, "killed by docker kill (exit 143: terminated)",
		},
		"SIGTERM by docker stop": {
			exited(143, ""), heard(start, kill15, die, stop), Stopped, "stopped (exit 143: terminated)",
		},
		"SIGTERM from elsewhere": {
			exited(143, ""), heard(start, die), Outside,
			strings.ReplaceAll(fromOutside, "137: killed", "143: terminated"),
		},
		"SIGHUP by docker kill": {
			exited(129, ""), heard(start, event(events.ActionKill, endAge, "1"), die), KilledByHand,
			"killed by docker kill (exit 129)",
		},
		"129 after a SIGINT": {
			exited(129, ""), heard(start, event(events.ActionKill, endAge, "2"), die), Failed, "exited (exit 129)",
		},
		"a SIGHUP that it took": {
			exited(1, ""), heard(start, event(events.ActionKill, endAge, "1"), die), Failed, "exited (exit 1)",
		},
		"SIGSEGV": {exited(139, ""), gone, Segfault, "crashed (exit 139: segmentation fault)"},
		"SIGSEGV by docker kill": {
			exited(139, ""), heard(event(events.ActionKill, endAge, "11"), die), KilledByHand,
			"killed by docker kill (exit 139: segmentation fault)",
		},
		"SIGABRT":                 {exited(134, ""), gone, Crashed, "crashed (exit 134: aborted)"},
		"exit 128":                {exited(128, ""), gone, Failed, "exited (exit 128)"},
		"no signal has that code": {exited(193, ""), gone, Failed, "exited (exit 193)"},
		"the last signal":         {exited(192, ""), gone, Failed, "exited (exit 192)"},
		"a shell's 127":           {exited(127, ""), gone, NotFound, "exited (exit 127: command not found)"},
		"a shell's 126":           {exited(126, ""), gone, NotExecutable, "exited (exit 126: can't be executed)"},

		"restarted, gone": {again(), gone, Unknown, "ended" + nobody},
		"restarted, memory": {
			again(), heard(start, oomEvent, die, event(events.ActionStart, time.Second, "")), OwnOrHostMemory,
			ownOrHost,
		},
		"restarted, kernel": {
			again(), logged(heard(start, die), log(false, endAge)), HostOutOfMemory, machine + ", process eater",
		},
		"restarted by hand": {
			again(), heard(start, kill9, die, event(events.ActionStart, time.Second, "")), KilledByHand, byDockerKill,
		},
		"restarted, stopped": {
			again(), heard(start, kill15, kill9, die, stop, event(events.ActionStart, time.Second, "")), StopTimeout,
			"killed by docker stop (exit 137: killed): it did not end within its grace of 10 s",
		},
		"restarted, a child at some time": {
			again(), logged(gone, log(true, endAge)), Unknown, "ended" + nobody + childKilled + ", process eater",
		},
		"kept": {
			again(),
			Evidence{Looked: true, Kept: &End{Cause: KilledByHand, Code: 137, At: now.Add(-endAge)}},
			KilledByHand, byDockerKill,
		},
		"kept of an earlier end": {
			again(),
			Evidence{Looked: true, Kept: &End{Cause: KilledByHand, Code: 137, At: now.Add(-hour)}},
			Unknown, "ended" + nobody,
		},
	} {
		t.Run(name, func(t *testing.T) {
			c.c.ID, c.v.Container = endID, c.c.InspectResponse
			c.v.Container.ID = endID
			e, ok := c.v.End()
			if !ok || e.Cause != c.want || e.String() != c.text || e.Next("s") == "" {
				t.Errorf("%v\ngot  %s %q\nwant %s %q", ok, e.Cause, e, c.want, c.text)
			}
		})
	}
}

// TestProgramsThatCannotRun: what the engine says of a start that failed, and the runtime in the container's log.
func TestProgramsThatCannotRun(t *testing.T) {
	const runc = "OCI runtime create failed: runc create failed: unable to start container process: "
	failed := func(status moby.ContainerState, code int, text string) Replica {
		return with(status, func(c *Replica) { c.State.ExitCode, c.State.Error = code, text })
	}
	brief := func(code int, lived time.Duration) Replica {
		return with(moby.StateExited, func(c *Replica) {
			c.State.ExitCode, c.State.StartedAt = code, ago(endAge+lived)
		})
	}
	const format = "exec /x: exec format error"
	for name, c := range map[string]struct {
		c    Replica
		line string
		want Cause
	}{
		"not found": {
			failed(moby.StateCreated, 127, runc+`exec: "x": executable file not found in $PATH`), "", NotFound,
		},
		"not found, again": {
			failed(moby.StateExited, 127, runc+`exec: "/x": stat /x: no such file or directory`), "", NotFound,
		},
		"not executable": {
			failed(moby.StateCreated, 126, runc+`exec: "/x": permission denied: unknown`), "", NotExecutable,
		},
		"other": {
			failed(moby.StateCreated, 128, "driver failed programming external connectivity"), "", NotStarted,
		},
		"format":            {brief(1, time.Second), format, ExecFormat},
		"format, runc 1.2":  {brief(255, time.Second), format, ExecFormat},
		"interpreter":       {brief(1, time.Second), "exec /x: no such file or directory", NotFound},
		"its own words":     {brief(1, time.Second), "sh: " + format, Failed},
		"after a long life": {brief(1, 6*time.Second), format, Failed},
	} {
		v := Evidence{Container: c.c.InspectResponse, LastLine: c.line}
		code := strconv.Itoa(c.c.State.ExitCode)
		if e, ok := v.End(); !ok || e.Cause != c.want || !strings.Contains(e.String(), code) {
			t.Errorf("%s: %s %q, want %s", name, e.Cause, e, c.want)
		}
	}
}

func TestNextAfterAnEnd(t *testing.T) {
	memory := "raise the memory limit of s (deploy.resources.limits.memory), then go tool mage start"
	program := "correct image, command and entrypoint of s, then go tool mage start"
	for cause, next := range map[Cause]string{
		OutOfMemory: memory, ChildOutOfMem: memory, OwnOrHostMemory: memory, Stopped: "go tool mage start",
		KilledByHand:    "go tool mage start",
		HostOutOfMemory: "go tool mage monitor", HostOrHand: "go tool mage monitor", NotFound: program,
		NotExecutable: program, Failed: "go tool mage logs s", Unknown: "go tool mage logs s",
		StopTimeout: "raise stop_grace_period of s, or have its program end on the stop signal; " +
			"then go tool mage start",
		ExecFormat: "give s an image for this machine, or its script a #! line; then go tool mage start",
	} {
		if got := (End{Cause: cause, Error: "x"}).Next("s"); got != next {
			t.Errorf("%s: next %q, want %q", cause, got, next)
		}
	}
	if got := (End{Cause: NotFound}).Next("s"); got != "go tool mage logs s" {
		t.Errorf("a shell's 127: next %q", got)
	}
}

func TestWhatHasNotEnded(t *testing.T) {
	if _, ok := EndOf(moby.InspectResponse{}); ok {
		t.Error("a container of which nothing is known has ended")
	}
	for _, c := range []Replica{
		with(moby.StateRunning, nil), with(moby.StatePaused, nil), with(moby.StateCreated, nil), again(),
	} {
		if e, ok := EndOf(c.InspectResponse); ok {
			t.Errorf("%s: it has not ended: %s", c.State.Status, e)
		}
	}
	if e, ok := (Evidence{Container: with(moby.StateRunning, nil).InspectResponse}).End(); ok {
		t.Errorf("it never ended: %s", e)
	}
}
