package running

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/docker/go-units"

	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/diagnosis"
	"github.com/25eloquence/compose-mage/internal/doctor/check"
	"github.com/25eloquence/compose-mage/internal/doctor/source"
	"github.com/25eloquence/compose-mage/internal/doctor/subject"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/finding"
	"github.com/25eloquence/compose-mage/internal/monitor"
	"github.com/25eloquence/compose-mage/internal/ui"
)

const stopKilled = "stop.killed"

// endRules are about ends of containers that run again.
var endRules = []rule{
	{check.Rule{
		ID: stopKilled, Title: "a stop that had to kill", Where: check.Engine, Worst: finding.Warning,
		Basis: "docs.docker.com/reference/compose-file/services/#stop_grace_period", Fix: check.Asked,
	}, stopKills},
}

// stopKills finds containers that run, and that the last stop had to kill.
func stopKills(l look) []check.Finding {
	var out []check.Finding
	for _, r := range l.rows {
		if end := endOf(r); r.Verdict.Fine && end != nil && end.Cause == container.StopTimeout {
			f := check.Warn(stopKilled, "", "its last end: %s", end).Of(r.Service).In(r.Container)
			out = append(out, Explained(f, r, l.files))
		}
	}
	return out
}

// endOf is how the container of a row ended last; nil where it never did, or nobody knows.
func endOf(r monitor.Replica) *container.End {
	if r.Verdict.End != nil {
		return r.Verdict.End
	}
	return r.Verdict.Last
}

// about says whether a finding is about the end of just this container of the service.
func about(f check.Finding, r monitor.Replica) bool {
	switch f.ID {
	case stopKilled:
		return true
	case "memory.killed":
		return r.OOMKills > 0
	case "service.restarted":
		return r.Running() && r.Restarts > 0
	case "service.failed", "service.looping", "service.stopped":
		return f.ID == "service."+string(r.Verdict.Condition) && strings.HasSuffix(f.Evidence, r.Verdict.Why)
	}
	return false
}

// Explained adds to a finding about a container why that ended, what helps against just that, and the edit of the
// Compose file that does it. A finding about something else stays as it is.
func Explained(f check.Finding, r monitor.Replica, files source.Files) check.Finding {
	end := endOf(r)
	if !about(f, r) {
		return f
	}
	if f.ID == "memory.killed" && (end == nil || !end.Memory()) {
		end = &container.End{Cause: container.ChildOutOfMem, ChildKilled: true, Limit: r.MemoryLimit}
	}
	if end == nil {
		return f
	}
	f = f.Because("%s", causes(*end))
	f.Remedy = end.Next(r.Service)
	switch {
	case end.Memory() && end.Limit > 0:
		return moreMemory(f, r.Service, end.Limit, files)
	case end.Cause == container.StopTimeout:
		return moreGrace(f, r.Service, end.Grace, files)
	case f.ID == "service.looping" && end.Cause == container.Completed:
		f.Remedy = "restart: on-failure of " + fault.Quote(r.Service) + ", if it is a job that ends"
	case end.Cause == container.Unknown && end.Gone:
		f.Remedy = "go tool mage monitor -serve, which keeps what the engine forgets; go tool mage logs " +
			fault.Quote(r.Service)
	}
	return f
}

// causes says why a container ends like that.
func causes(end container.End) string {
	if end.OrHost {
		return "the kernel killed a process of it for want of memory: at its limit, or as the machine was short; the " +
			"kernel's log, which tells, can't be read by this user or no longer has it"
	}
	if end.Memory() {
		return "its processes wanted more memory than its limit allows, and the kernel killed the largest"
	}
	switch end.Cause { //nolint:exhaustive // those that Memory told are not here
	case container.HostOutOfMemory:
		return "no limit of its own was reached: the kernel took it, as the machine or a group above it had no memory"
	case container.Outside:
		return "SIGKILL came neither through Docker nor from the kernel for want of memory"
	case container.HostOrHand:
		return "SIGKILL came not through Docker, and the kernel's log, which would tell more, can't be read by this " +
			"user"
	case container.Stopped:
		return "somebody stopped it"
	case container.StopTimeout:
		return "its program does not end on the stop signal in time, and what it was doing then is lost: a shell as " +
			"the first process does not pass the signal on"
	case container.KilledByHand:
		return "somebody, or a program, sent the signal through the engine"
	case container.Segfault:
		return "its program touched memory that is not its own: a mistake in the program or in a library"
	case container.Crashed:
		return "its program gave itself up, or the processor refused an instruction of it"
	case container.NotFound:
		return "the image does not have the program, or the interpreter that the program's first line names"
	case container.NotExecutable:
		return "the file is there, and may not be run: its mode, or a mount with noexec"
	case container.ExecFormat:
		return "the image is for another architecture, or the script has no first line with #!"
	case container.NotStarted:
		return "the engine could not give it what the Compose file asks for"
	case container.Completed:
		return "its program ends well, and its restart policy starts it again all the same"
	case container.Unknown:
		return "a signal ended it, and who sent that is not known: an engine keeps 256 events"
	}
	return "its program ended by itself with an error"
}

// The room that a raised limit has above the one that was too low, as a divisor, and the step in which limits are
// given.
const (
	roomTenths = 13
	roomStep   = 4 << 20
)

// moreMemory gives the higher limit, in the key in which the Compose file has it. Where this machine lowered what the
// file asks for, no edit of the file raises it.
func moreMemory(f check.Finding, service string, limit int64, files source.Files) check.Finding {
	wanted := (limit*roomTenths/10 + roomStep - 1) / roomStep * roomStep
	value := fmt.Sprintf("%dM", wanted>>20)
	path := []string{"services", service, "deploy", "resources", "limits", "memory"}
	if v, _ := files.Value("services", service, "mem_limit"); v != nil {
		path = []string{"services", service, "mem_limit"}
	}
	written, _ := files.Value(path...)
	f = f.At(files.Place(path...))
	old, had := "", int64(0)
	if written != nil {
		old = written.Value
		n, err := units.RAMInBytes(old)
		if err != nil {
			f.Remedy = fmt.Sprintf("a memory limit of %s or more for %s; go tool mage monitor -since=1h says whether "+
				"it grows without end", ui.Bytes(wanted), fault.Quote(service))
			return f
		}
		had = n
	}
	if had > limit {
		f.Remedy = fmt.Sprintf("more memory in this machine, or less beside it: the %s of the Compose file were "+
			"lowered to what fits here (go tool mage fit)", ui.Bytes(had))
		return f
	}
	f.Remedy = fmt.Sprintf("%s: %s of %s, then go tool mage start; go tool mage monitor -since=1h says whether it "+
		"grows without end", fault.Quote(strings.Join(path[2:], ".")), fault.Quote(value), fault.Quote(service))
	return f.Edited(check.Asked, check.Edit{Path: path, Value: value, Old: old})
}

// graceTimes is how many times as long a grace is proposed as the one that was too short.
const graceTimes = 3

func moreGrace(f check.Finding, service string, seconds float64, files source.Files) check.Finding {
	path := []string{"services", service, "stop_grace_period"}
	written, _ := files.Value(path...)
	value := fmt.Sprintf("%ds", max(30, int(seconds*graceTimes+0.5)))
	f.Remedy = fmt.Sprintf("an entrypoint that passes the signal on (exec, or the list form of the command), or "+
		"stop_grace_period: %s of %s", fault.Quote(value), fault.Quote(service))
	old := ""
	if written != nil {
		old = written.Value
	}
	return f.At(files.Place(path...)).Edited(check.Asked, check.Edit{Path: path, Value: value, Old: old})
}

// LastWords gives the last lines that a container logged, where its program ended by itself: they say why.
func LastWords(ctx context.Context, s *subject.Subject, r monitor.Replica, f check.Finding) []string {
	end := endOf(r)
	if end == nil || !about(f, r) || !slices.Contains([]container.Cause{
		container.Failed, container.Segfault, container.Crashed, container.NotFound, container.NotExecutable,
		container.Unknown,
	}, end.Cause) {
		return nil
	}
	lines := diagnosis.LastLines(ctx, s.Engine, r.ID)
	return lines[max(0, len(lines)-mostShown):]
}
