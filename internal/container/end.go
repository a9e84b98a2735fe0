package container

import (
	"fmt"
	"time"

	moby "github.com/moby/moby/api/types/container"

	"github.com/25eloquence/compose-mage/internal/bounded"
	"github.com/25eloquence/compose-mage/internal/fault"
)

// Cause is what ended a container, as far as the evidence tells.
type Cause string

// The causes. Which evidence each needs is in Evidence.End: where that is gone the cause is Unknown, never a guess.
const (
	Completed   Cause = "completed"     // its program exited with 0
	Failed      Cause = "failed"        // its program exited with another code
	OutOfMemory Cause = "out of memory" // the kernel killed its first process at the container's memory limit
	// the kernel killed another of its processes at that limit, and the first failed after that
	ChildOutOfMem Cause = "child out of mem"
	// the kernel killed it since the machine, or the control group that it shares with others, was out of memory
	HostOutOfMemory Cause = "host out of memory"
	// either of the two above: the engine tells of a lack of memory, and only the kernel's log tells whose it was
	OwnOrHostMemory Cause = "own or host out of memory"
	// SIGKILL that came neither through the engine nor from the kernel for want of memory: kill -9
	Outside Cause = "killed from outside"
	// SIGKILL that did not come through the engine, where the kernel's log can't be read: either of the two above
	HostOrHand    Cause = "host or hand"
	Stopped       Cause = "stopped"            // docker stop, docker compose stop, go tool mage stop
	StopTimeout   Cause = "stop timeout"       // it did not end within a stop's grace, and was killed
	KilledByHand  Cause = "killed by hand"     // docker kill
	Segfault      Cause = "segmentation fault" // SIGSEGV
	Crashed       Cause = "crashed"            // SIGABRT, SIGBUS, SIGFPE and others that a program brings on itself
	NotFound      Cause = "not found"          // exit 127: the program, or a command of its script, is not there
	NotExecutable Cause = "not executable"     // exit 126: it is there, and may not be run
	ExecFormat    Cause = "exec format error"  // it is for another architecture, or a script without a #! line
	NotStarted    Cause = "could not start"    // the engine could not start its program; Error says why
	Unknown       Cause = "not known"          // a signal ended it, and the evidence of who sent that is gone
)

// An exit code above signalOffset is that of a signal.
const (
	signalOffset = 128
	signals      = 64
	sigkill      = 9
	sigsegv      = 11
	sigterm      = 15
)

// NoCode is the exit code of an end whose code nobody knows any more: the container runs again.
const NoCode = -1

// End is how a container ended last.
type End struct {
	Cause  Cause     `json:"cause"`            // completed, failed, out of memory, stopped and others
	Code   int       `json:"exit_code"`        // of its first process; -1 where nobody knows it any more
	Signal int       `json:"signal,omitempty"` // that ended it, as far as its exit code tells; 0 for none
	Error  string    `json:"error,omitempty"`  // the engine's words where it could not start
	At     time.Time `json:"at,omitzero"`
	// ChildKilled says that the kernel killed one of its processes at the memory limit, other than the one whose end
	// was the container's.
	ChildKilled bool `json:"child_oom_killed,omitempty"`
	// OrHost says that it may have been the machine's memory, or a group's above it, that was used up, and not that of
	// its own limit: the kernel's log, which tells, can't be read.
	OrHost bool  `json:"or_host,omitempty"`
	Limit  int64 `json:"memory_limit_bytes,omitempty"` // 0 for none
	// Process is the name of the process that the kernel killed; "" where its log does not tell.
	Process string `json:"killed_process,omitempty"`
	// Grace is how many seconds a stop gave it to end by itself, where that was too short.
	Grace float64 `json:"grace_seconds,omitempty"`
	// Gone says that the evidence was looked for, and that the engine has it no longer.
	Gone bool `json:"evidence_gone,omitempty"`
}

// EndOf reads how a container ended from the engine's inspection alone; Evidence.End knows more. ok is false where the
// container runs or was never started.
func EndOf(c moby.InspectResponse) (e End, ok bool) {
	if s := c.State; s != nil && s.Running && !s.Restarting {
		return End{}, false
	}
	return Evidence{Container: c}.End()
}

// String gives the end in words that follow a service's name: "exited (exit 3)", "killed: out of memory (limit 64
// MiB)".
func (e End) String() string {
	code := "(" + ExitText(e.Code) + ")"
	switch e.Cause { //nolint:exhaustive // the others exited
	case Completed:
		return "completed " + code + e.child()
	case OutOfMemory:
		return "killed: out of memory" + e.limit() + e.process()
	case OwnOrHostMemory:
		return "killed: out of memory" + e.limit()
	case HostOutOfMemory:
		return "killed: the machine, or the group that it shares with others, was out of memory" + e.process()
	case Outside:
		return "killed " + code + ", not through Docker and not for memory: kill -9, or its own exit code" + e.child()
	case HostOrHand:
		return "killed " + code + ", not through Docker: the machine was out of memory, or somebody killed it" +
			e.child()
	case Stopped:
		return "stopped " + code + e.child()
	case StopTimeout:
		return "killed by docker stop " + code + ": it did not end within its grace" + e.grace() + e.child()
	case KilledByHand:
		return "killed by docker kill " + code + e.child()
	case Segfault, Crashed:
		return "crashed " + code + e.child()
	case NotStarted, NotFound, NotExecutable, ExecFormat:
		return e.unstarted(code)
	case Unknown:
		return e.unknown(code)
	}
	return "exited " + code + e.child()
}

// unstarted is String for a program that could not be run.
func (e End) unstarted(code string) string {
	switch {
	case e.Error == "": // a shell's own code
		return "exited " + code + e.child()
	case e.Cause == ExecFormat:
		return "could not be started " + code + ": its program is for another architecture, or a script without a " +
			"#! line (exec format error)"
	}
	return "could not be started " + code + ": " + e.Error
}

func (e End) unknown(code string) string {
	if e.Code == NoCode {
		return "ended, why is not known: the engine no longer has its events of then" + e.child()
	}
	if e.Gone {
		return "exited " + code + ", why is not known: the engine no longer has its events of then" + e.child()
	}
	return "exited " + code + e.child()
}

// child says that a process in the container was killed, as an addition.
func (e End) child() string {
	if !e.ChildKilled {
		return ""
	}
	return ", and a process in it was killed: out of memory" + e.limit() + e.process()
}

func (e End) limit() string {
	if e.Limit == 0 {
		return " (no limit of its own)"
	}
	if e.OrHost {
		return fmt.Sprintf(" (limit %d MiB, or the machine's memory)", e.Limit>>20)
	}
	return fmt.Sprintf(" (limit %d MiB)", e.Limit>>20)
}

// process names the process that the kernel killed, as an addition.
func (e End) process() string {
	if e.Process == "" {
		return ""
	}
	return ", process " + bounded.Line(e.Process)
}

func (e End) grace() string {
	if e.Grace <= 0 {
		return ""
	}
	return fmt.Sprintf(" of %.3g s", e.Grace)
}

// Memory says whether the memory limit ended the container or one of its processes; with OrHost it may have been the
// machine's memory.
func (e End) Memory() bool {
	return e.Cause == OutOfMemory || e.Cause == OwnOrHostMemory || e.ChildKilled
}

// Told says that somebody or something from outside of its program ended the container, and what that was.
func (e End) Told() bool {
	switch e.Cause { //nolint:exhaustive // the others are its program's own
	case OutOfMemory, ChildOutOfMem, HostOutOfMemory, OwnOrHostMemory, Outside, HostOrHand, StopTimeout, KilledByHand:
		return true
	}
	return e.ChildKilled
}

// Wanted says that somebody may have wanted the container to end: a stop or a kill through the engine, and a signal
// of which nobody knows who sent it.
func (e End) Wanted() bool {
	switch e.Cause { //nolint:exhaustive // nobody wants the others
	case Stopped, StopTimeout, KilledByHand, Unknown:
		return true
	}
	return false
}

// Next is the command that helps after such an end of one of the service's containers.
func (e End) Next(service string) string {
	switch e.Cause { //nolint:exhaustive // for all others the logs help
	case OutOfMemory, ChildOutOfMem, OwnOrHostMemory:
		return "raise the memory limit of " + service + " (deploy.resources.limits.memory), then go tool mage start"
	case Stopped, KilledByHand, Outside:
		return "go tool mage start"
	case StopTimeout:
		return "raise stop_grace_period of " + fault.Quote(service) + ", or have its program end on the stop signal; " +
			"then " +
			"go tool mage start"
	case HostOutOfMemory, HostOrHand:
		return "go tool mage monitor"
	case NotFound, NotExecutable:
		if e.Error != "" {
			return "correct image, command and entrypoint of " + fault.Quote(service) + ", then go tool mage start"
		}
	case ExecFormat:
		return "give " + fault.Quote(service) + " an image for this machine, or its script a #! line; " +
			"then go tool mage start"
	}
	return "go tool mage logs " + fault.Quote(service)
}

// ExitText gives an exit code with its conventional meaning: 128 and a signal's number is the end by that signal.
func ExitText(code int) string {
	if code == NoCode {
		return "exit code not known"
	}
	meaning := map[int]string{
		126: "can't be executed", 127: "command not found", 132: "illegal instruction", 134: "aborted",
		135: "bus error", 136: "arithmetic error", 137: "killed", 139: "segmentation fault", 143: "terminated",
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
