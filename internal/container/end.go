package container

import (
	"fmt"
	"strconv"
	"time"

	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/events"

	"github.com/25eloquence/compose-mage/internal/fault"
)

// Cause is what ended a container, as far as the engine tells.
type Cause string

// The causes. Only the engine's events tell who sent a signal, and the engine keeps its last 256 events: where they
// are gone, a container that ended by SIGKILL or SIGTERM is Signalled, and nobody knows by whom.
const (
	Completed   Cause = "completed"     // its program exited with 0
	Failed      Cause = "failed"        // its program exited with another code
	OutOfMemory Cause = "out of memory" // the kernel killed its first process at the container's memory limit
	// the kernel killed another of its processes, and the first failed after that
	ChildOutOfMem Cause = "child out of mem"
	// SIGKILL that did not come through the engine: the machine was out of memory, or kill -9 by hand
	HostOutOfMemory Cause = "host or hand"
	Stopped         Cause = "stopped"         // docker stop, docker compose stop, go tool mage stop
	KilledByHand    Cause = "killed by hand"  // docker kill
	Signalled       Cause = "signalled"       // SIGKILL or SIGTERM, by a stop, a kill or the machine
	NotStarted      Cause = "could not start" // the engine could not start its program; Error says why
)

// An exit code above signalOffset is that of a signal.
const (
	signalOffset = 128
	signals      = 64
	sigkill      = 9
	sigterm      = 15
)

// End is how a container ended last.
type End struct {
	Cause  Cause     `json:"cause"`            // completed, failed, out of memory, stopped and others
	Code   int       `json:"exit_code"`        // of its first process
	Signal int       `json:"signal,omitempty"` // that ended it, as far as its exit code tells; 0 for none
	Error  string    `json:"error,omitempty"`  // the engine's words where it could not start
	At     time.Time `json:"at,omitzero"`
	// ChildKilled says that the kernel killed one of its processes at the memory limit, other than the one whose end
	// was the container's.
	ChildKilled bool  `json:"child_oom_killed,omitempty"`
	Limit       int64 `json:"memory_limit_bytes,omitempty"` // 0 for none
}

// EndOf reads how a container ended from the engine's inspection and, where they are given, from the container's
// events. ok is false where the container runs or was never started.
func EndOf(c moby.InspectResponse, messages ...events.Message) (e End, ok bool) {
	s := c.State
	switch {
	case s == nil:
		return End{}, false
	case s.Status == moby.StateCreated: // a start that failed leaves a container so
		return End{Cause: NotStarted, Code: s.ExitCode, Error: s.Error}, s.Error != ""
	case s.Running && !s.Restarting:
		return End{}, false
	}
	e = End{Code: s.ExitCode, Error: s.Error, At: parseTime(s.FinishedAt)}
	if c.HostConfig != nil {
		e.Limit = c.HostConfig.Memory
	}
	if s.ExitCode > signalOffset && s.ExitCode <= signalOffset+signals {
		e.Signal = s.ExitCode - signalOffset
	}
	switch {
	case s.Error != "": // the engine clears it when a program of the container runs
		e.Cause = NotStarted
	case s.ExitCode == 0:
		e.Cause, e.ChildKilled = Completed, s.OOMKilled
	case s.OOMKilled && e.Signal == sigkill:
		e.Cause = OutOfMemory
	case s.OOMKilled:
		e.Cause, e.ChildKilled = ChildOutOfMem, true
	case e.Signal == sigkill || e.Signal == sigterm:
		e.Cause = Signalled
	default:
		e.Cause = Failed
	}
	e.readEvents(messages, parseTime(s.StartedAt))
	return e, true
}

// readEvents takes from the container's events, in whatever order, who ended the container: events since its last
// start count.
func (e *End) readEvents(messages []events.Message, started time.Time) {
	var died, stopped, killed bool
	for _, m := range messages {
		if at := time.Unix(0, m.TimeNano); at.Before(started) {
			continue
		}
		switch m.Action { //nolint:exhaustive // the others say nothing of an end
		case events.ActionDie:
			died = true
		case events.ActionStop:
			stopped = true
		case events.ActionKill:
			n, err := strconv.Atoi(m.Actor.Attributes["signal"])
			killed = killed || err == nil && (n == sigkill || n == sigterm || n == e.Signal)
		}
	}
	switch {
	case e.Cause == OutOfMemory, e.Cause == NotStarted:
	case stopped:
		e.Cause = Stopped
	case killed && e.Signal != 0:
		e.Cause = KilledByHand
	case died && e.Cause == Signalled && e.Signal == sigkill: // its death was heard, and no request to end it
		e.Cause = HostOutOfMemory
	}
}

// String gives the end in words that follow a service's name: "exited (exit 3)", "killed: out of memory (limit 64
// MiB)".
func (e End) String() string {
	code := "(" + ExitText(e.Code) + ")"
	switch e.Cause {
	case Completed:
		return "completed " + code + e.child()
	case OutOfMemory:
		return "killed: out of memory" + e.limit()
	case ChildOutOfMem:
		return "exited " + code + e.child()
	case HostOutOfMemory:
		return "killed " + code + ", not through Docker: the machine was out of memory, or somebody killed it"
	case Stopped:
		return "stopped " + code
	case KilledByHand:
		return "killed by docker kill " + code
	case NotStarted:
		return "could not be started " + code + ": " + e.Error
	case Signalled, Failed:
	}
	return "exited " + code
}

// child says that a process in the container was killed, as an addition.
func (e End) child() string {
	if !e.ChildKilled {
		return ""
	}
	return ", and a process in it was killed: out of memory" + e.limit()
}

func (e End) limit() string {
	if e.Limit == 0 {
		return " (no limit of its own)"
	}
	return fmt.Sprintf(" (limit %d MiB)", e.Limit>>20)
}

// Memory says whether the memory limit ended the container or one of its processes.
func (e End) Memory() bool { return e.Cause == OutOfMemory || e.ChildKilled }

// Next is the command that helps after such an end of one of the service's containers.
func (e End) Next(service string) string {
	switch e.Cause { //nolint:exhaustive // for all others the logs help
	case OutOfMemory, ChildOutOfMem:
		return "raise the memory limit of " + service + " (deploy.resources.limits.memory), then go tool mage start"
	case Stopped, KilledByHand:
		return "go tool mage start"
	case HostOutOfMemory:
		return "go tool mage monitor"
	}
	return "go tool mage logs " + fault.Quote(service)
}

// ExitText gives an exit code with its conventional meaning: 128 and a signal's number is the end by that signal.
func ExitText(code int) string {
	meaning := map[int]string{
		126: "can't be executed", 127: "command not found", 137: "killed", 139: "segmentation fault", 143: "terminated",
	}[code]
	if meaning != "" {
		return fmt.Sprintf("exit %d: %s", code, meaning)
	}
	return fmt.Sprintf("exit %d", code)
}

// parseTime parses the engine's time. The engine's zero, year 1, becomes Go's zero.
func parseTime(text string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil || t.Year() <= 1 {
		return time.Time{}
	}
	return t
}
