package container

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/events"

	"github.com/25eloquence/compose-mage/internal/fault"
)

// Evidence is what is known of the last end of one container. All of it is values: who gathers them is elsewhere.
type Evidence struct {
	Container moby.InspectResponse
	// Events are those of the container that the engine still has, in the order in which they happened. Looked says
	// that they were asked for.
	Events []events.Message
	Looked bool
	// Whole says that the engine has forgotten no event since it was started. From is the oldest event that it has,
	// of whatever.
	Whole bool
	From  time.Time
	// Kernel is what the kernel's log tells; nil where that can't be read, or is another machine's.
	Kernel *KernelLog
	// LastLine is the last line of the container's log; "" where nobody read it.
	LastLine string
	Kept     *End // what was known of its last end by an earlier look; nil for nothing
}

// KernelLog is what the kernel's log tells of processes that the kernel killed for want of memory.
type KernelLog struct {
	From  time.Time // of the oldest line that the kernel still has
	Kills []KernelKill
}

// KernelKill is one process that the kernel killed for want of memory.
type KernelKill struct {
	At        time.Time
	Container string // the ID of the container that the process was in; "" where the log does not tell
	Process   string // its name
	Own       bool   // at the limit of that container, not of a group above it or of the machine
}

// How far apart the clocks of one end may be.
const (
	// dieWithin is how long after an end the engine says that the container died, and how much before.
	dieWithin = 5 * time.Second
	// killSpread is how far apart a kill by the kernel and the end that it brought about may be: the kernel takes the
	// memory back first.
	killSpread = 2 * time.Second
	// alive is how much later than the kernel's kill one through the engine comes at most that found the container
	// ended already.
	alive = 300 * time.Millisecond
	// covers is how long before an end the engine's memory must begin to hold whatever brought the end about, where
	// it no longer has the container's start.
	covers = time.Minute
	// execWithin is how long a container lives whose program is not one.
	execWithin = 5 * time.Second
)

// End tells how the container ended last, also where it runs again by now. ok is false where it never ended.
func (v Evidence) End() (e End, ok bool) {
	s := v.Container.State
	switch {
	case s == nil:
		return End{}, false
	case s.Status == moby.StateCreated: // a start that failed leaves a container so
		return unstarted(s), s.Error != ""
	case parseTime(s.FinishedAt).IsZero() && s.Running && !s.Restarting:
		return End{}, false
	case v.Kept != nil && v.Kept.At.Equal(parseTime(s.FinishedAt)) && (s.Error == "" || s.Running):
		return *v.Kept, true
	}
	h, over := v.heard(), !s.Running || s.Restarting // else its state tells of the run that goes on
	e = End{Code: s.ExitCode, At: parseTime(s.FinishedAt)}
	if v.Container.HostConfig != nil {
		e.Limit = v.Container.HostConfig.Memory
	}
	if !over {
		e.Code = h.code
	}
	if s.Error != "" && over { // the engine clears it when a program of the container runs
		not := unstarted(s)
		not.At, not.Limit, not.Signal = e.At, e.Limit, signalOf(e.Code)
		return not, true
	}
	e.Signal = signalOf(e.Code)
	e.decide(v, h, h.oom || over && s.OOMKilled)
	return e, true
}

// decide finds the cause. oom says that the engine told of a lack of memory: of the container's own, or of a group
// above it, as the kernel tells all containers of the group, also those that it spares. Without the kernel's log the
// engine's word is taken, also where nothing else is left; whose memory it was the engine does not know where the
// container has a limit of its own.
func (e *End) decide(v Evidence, h heard, oom bool) {
	last, child := v.kernelKills(h, e.At)
	killed, byHand := e.Signal == sigkill, h.kills[sigkill]
	switch {
	case killed && last != nil && (byHand.IsZero() || byHand.Sub(last.At).Abs() < alive):
		e.Cause, e.Process = OutOfMemory, last.Process
		if !last.Own {
			e.Cause = HostOutOfMemory
		}
		return
	case killed && oom && !v.Kernel.covers(e.At) && (h.oomEnded() || byHand.IsZero() && h.oomUntimed()) &&
		(e.Limit > 0 || h.whole):
		e.Cause, e.OrHost = OwnOrHostMemory, true
		if e.Limit == 0 {
			e.Cause, e.OrHost = HostOutOfMemory, false
		}
		return
	case child != nil:
		e.ChildKilled, e.Process = true, child.Process
	default:
		e.ChildKilled = oom && !v.Kernel.covers(v.runStart(h))
		e.OrHost = e.ChildKilled && e.Limit > 0
	}
	if e.Cause = e.signalled(v, h); e.Cause == "" {
		e.Cause = e.byCode(v, h)
	}
	e.Gone = e.Cause == Unknown && v.Looked
}

// byCode is the cause of an end that was no signal's.
func (e *End) byCode(v Evidence, h heard) Cause {
	switch {
	case e.Code == NoCode:
		return Unknown
	case h.stop:
		return Stopped
	case e.Code == 0:
		return Completed
	case e.ChildKilled:
		return ChildOutOfMem
	case v.byLog() != "":
		e.Error = v.LastLine
		return v.byLog()
	case e.Code == notFoundCode:
		return NotFound
	case e.Code == notExecutableCode:
		return NotExecutable
	}
	return Failed
}

// signalled is the cause of an end by a signal; "" where the signal, or its lack, tells nothing of the cause.
func (e *End) signalled(v Evidence, h heard) Cause {
	killed := h.kills[sigkill]
	switch {
	case e.Signal == 0:
		return ""
	case h.stop && e.Signal == sigkill && !h.asked.IsZero() && h.asked.Before(killed) && !v.stopsByKill():
		e.Grace = killed.Sub(h.asked).Seconds()
		return StopTimeout
	case h.stop:
		return Stopped
	case !h.kills[e.Signal].IsZero():
		return KilledByHand
	case e.Signal == sigsegv:
		return Segfault
	case crash[e.Signal]:
		return Crashed
	case e.Signal != sigkill && e.Signal != sigterm:
		return ""
	case !h.whole:
		return Unknown
	case e.Signal == sigterm, v.Kernel.covers(e.At):
		return Outside
	}
	return HostOrHand
}

// stopsByKill says that SIGKILL is the signal by which the container is stopped.
func (v Evidence) stopsByKill() bool {
	return v.Container.Config != nil && slices.Contains([]string{"SIGKILL", "KILL", "9"}, v.Container.Config.StopSignal)
}

// crash has the signals that a program brings on itself: SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSYS.
var crash = map[int]bool{4: true, 5: true, 6: true, 7: true, 8: true, 31: true}

// signalOf is the signal that an exit code tells of; 0 for none.
func signalOf(code int) int {
	if code > signalOffset && code <= signalOffset+signals {
		return code - signalOffset
	}
	return 0
}

// The codes of shells, and of the engine, for a program that can't be run.
const (
	notExecutableCode = 126
	notFoundCode      = 127
)

// unstarted is the end of a container that the engine could not start.
func unstarted(s *moby.State) End {
	return End{
		Cause: cmp.Or(programCauses[fault.ProgramOf(s.Error)], NotStarted), Code: s.ExitCode, Error: s.Error,
	}
}

// byLog is the cause where the runtime could not run the container's program, which the runtime says in the
// container's log; "" for another end.
func (v Evidence) byLog() Cause {
	s := v.Container.State
	lived := parseTime(s.FinishedAt).Sub(parseTime(s.StartedAt))
	if s.Running && !s.Restarting || lived >= execWithin || !strings.HasPrefix(v.LastLine, "exec /") {
		return ""
	}
	return programCauses[fault.ProgramOf(v.LastLine)]
}

// programCauses are the ends of containers whose program can't be run.
var programCauses = map[fault.Program]Cause{
	fault.ProgramAbsent: NotFound, fault.ProgramForbidden: NotExecutable, fault.ProgramForeign: ExecFormat,
}

// heard is what the engine's events tell of one run of a container and of its end.
type heard struct {
	whole bool              // nothing that the engine had to tell of this end is gone
	code  int               // as the event of its death has it; NoCode without one
	start time.Time         // of the run; zero where that is gone
	died  time.Time         // zero where that is gone
	oom   bool              // the engine told of a lack of memory
	ooms  time.Time         // when it did so last
	stop  bool              // the end was a stop's
	asked time.Time         // when a signal that is not SIGKILL was last sent through the engine
	kills map[int]time.Time // when each signal was last sent through the engine
}

// oomEnded says that the lack of memory came with the end, not long before it.
func (h heard) oomEnded() bool { return !h.died.IsZero() && h.died.Sub(h.ooms) < killSpread }

// oomUntimed says that nobody knows when the lack of memory was.
func (h heard) oomUntimed() bool { return h.died.IsZero() || h.ooms.IsZero() }

// heard reads the events between the start of the run that ended last and the next start.
func (v Evidence) heard() heard {
	h := heard{code: NoCode, kills: map[int]time.Time{}}
	die, end := -1, parseTime(v.Container.State.FinishedAt)
	for i, m := range v.Events {
		at := when(m).Sub(end).Abs()
		if m.Action == events.ActionDie && at < dieWithin && (die < 0 || at <= when(v.Events[die]).Sub(end).Abs()) {
			die = i
		}
	}
	if die < 0 {
		return h
	}
	from, to := die, die
	for from > 0 && v.Events[from-1].Action != events.ActionDie && v.Events[from].Action != events.ActionStart {
		from--
	}
	for to+1 < len(v.Events) && v.Events[to+1].Action != events.ActionStart {
		to++
	}
	for _, m := range v.Events[from : to+1] {
		h.hear(m)
	}
	h.whole = v.Whole || !h.start.IsZero() || !v.From.IsZero() && h.died.Sub(v.From) >= covers
	return h
}

func (h *heard) hear(m events.Message) {
	switch m.Action { //nolint:exhaustive // the others say nothing of an end
	case events.ActionStart:
		h.start = when(m)
	case events.ActionDie:
		h.died = when(m)
		if code, err := strconv.Atoi(m.Actor.Attributes["exitCode"]); err == nil {
			h.code = code
		}
	case events.ActionOOM:
		h.oom, h.ooms = true, when(m)
	case events.ActionStop:
		h.stop = true
	case events.ActionKill:
		n, err := strconv.Atoi(m.Actor.Attributes["signal"])
		if err != nil {
			return
		}
		h.kills[n] = when(m)
		if n != sigkill {
			h.asked = when(m)
		}
	}
}

// runStart is when the run that ended last began; zero where nobody knows it any more.
func (v Evidence) runStart(h heard) time.Time {
	if s := v.Container.State; !s.Running || s.Restarting {
		return parseTime(s.StartedAt)
	}
	return h.start
}

// kernelKills gives the process whose kill by the kernel came with the container's end, and the last that was killed
// in that run at all; nil for none.
func (v Evidence) kernelKills(h heard, end time.Time) (last, child *KernelKill) {
	if v.Kernel == nil {
		return nil, nil
	}
	started := v.runStart(h)
	for i, k := range v.Kernel.Kills {
		with := k.At.Sub(end).Abs() < killSpread
		if k.Container != v.Container.ID || !with && (started.IsZero() || k.At.Before(started) || k.At.After(end)) {
			continue
		}
		child = &v.Kernel.Kills[i]
		if with {
			last = child
		}
	}
	return last, child
}

// covers says whether the kernel's log would tell of a kill at that time or after it. The kernel leaves out which
// group a process was in where it kills many at once.
func (l *KernelLog) covers(t time.Time) bool {
	if l == nil || l.From.IsZero() || t.IsZero() || l.From.After(t.Add(-killSpread)) {
		return false
	}
	return !slices.ContainsFunc(l.Kills, func(k KernelKill) bool {
		return k.Container == "" && k.At.After(t.Add(-killSpread))
	})
}

func when(m events.Message) time.Time { return time.Unix(0, m.TimeNano) }
