package records

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/doctor/check"
	"github.com/25eloquence/compose-mage/internal/doctor/source"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/fit"
	"github.com/25eloquence/compose-mage/internal/history"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// past is what watchers recorded of a project.
type past struct {
	Project *types.Project
	Files   source.Files
	Machine int64 // its memory in bytes
	Now     time.Time
	Needs   map[string]fit.Need                // of all days that are kept, by service
	Hour    map[history.Series][]history.Point // memory, disk and time since the start, of the last hour
	Starts  map[history.Series][]history.Point // health and time since the start, of all days
}

// What a trend is told from, and how far ahead.
const (
	trendOver   = time.Hour
	trendStep   = time.Minute
	trendPoints = 20              // that a trend needs at least
	trendFit    = 0.9             // the part of the differences that a straight line explains (R²)
	fresh       = 5 * time.Minute // how old the newest figure may be
	warm        = 10 * time.Minute
	memoryAhead = 2 * time.Hour
	diskAhead   = 24 * time.Hour
)

func (l past) findings() []check.Finding {
	var out []check.Finding
	for _, name := range l.Project.ServiceNames() {
		s := l.Project.Services[name]
		s.Name = name
		out = append(out, l.unlimited(s)...)
		out = append(out, l.roomy(s)...)
		out = append(out, l.filling(s)...)
		out = append(out, l.readyLate(s)...)
	}
	return append(out, l.diskFilling()...)
}

// at is the place of a service's key.
func (l past) at(service string, keys ...string) check.Place {
	return l.Files.Place(append([]string{"services", service}, keys...)...)
}

// recordedNow says whether somebody records at this time.
func (l past) recordedNow() bool {
	for _, points := range l.Hour {
		if n := len(points); n > 0 && l.Now.Sub(points[n-1].Time) < fresh {
			return true
		}
	}
	return false
}

// How much a service has to have been watched for a word about its limit.
const (
	leastOfNone = time.Hour
	leastOfMuch = 24 * time.Hour
	muchPart    = 4 // a service takes much memory where this many of it would fill the machine
	roomyPart   = 5 // a limit is far above the need where the need fits into it so often
	roomyLeast  = 256 << 20
	limitStep   = 4 << 20
)

func (l past) unlimited(s types.ServiceConfig) []check.Finding {
	n := l.Needs[s.Name]
	if fit.ResourcesOf(s).Memory > 0 || n.Recorded < leastOfNone.Seconds() || n.WorkingMost*muchPart <= l.Machine {
		return nil
	}
	limit := max(n.WorkingP99*13/10, n.WorkingMost*115/100)
	value := fmt.Sprintf("%dM", (limit+limitStep-1)/limitStep*limitStep>>20)
	return []check.Finding{check.Warn("memory.unlimited",
		"deploy.resources.limits.memory: "+fault.Quote(value)+" of "+fault.Quote(s.Name),
		"it had up to %s of the machine's %s, and no memory limit", ui.Bytes(n.WorkingMost), ui.Bytes(l.Machine)).
		Of(s.Name).At(l.at(s.Name)).
		Because("if it grows, the kernel ends whatever it chooses on this machine, not this service").
		Edited(check.Asked, check.Edit{
			Path: []string{"services", s.Name, "deploy", "resources", "limits", "memory"}, Value: value,
		})}
}

func (l past) roomy(s types.ServiceConfig) []check.Finding {
	n, limit := l.Needs[s.Name], fit.ResourcesOf(s).Memory
	if limit < roomyLeast || n.WorkingP99 == 0 || n.WorkingP99*roomyPart >= limit {
		return nil
	}
	lowers := slices.ContainsFunc(fit.Measure(s, n, leastOfMuch).Changes, func(c fit.Change) bool {
		return c.Key == "mem_limit" || strings.HasSuffix(c.Key, ".limits.memory")
	})
	if !lowers {
		return nil
	}
	return []check.Finding{check.Tell("memory.roomy", "go tool mage fit -measured",
		"its limit is %s, and in 99 %% of the time it had at most %s", ui.Bytes(limit), ui.Bytes(n.WorkingP99)).
		Of(s.Name).At(l.at(s.Name)).
		Because("what a limit promises to one service is missing in the plan for the others")}
}

func (l past) filling(s types.ServiceConfig) []check.Finding {
	limit := fit.ResourcesOf(s).Memory
	points := l.sinceStart(s.Name, l.Hour[history.Series{Service: s.Name, Metric: history.MemoryWorkingSet}])
	if limit == 0 || !l.current(points) {
		return nil
	}
	t, ok := trendOf(points)
	now := points[len(points)-1].Mean
	if !ok || t.perSecond <= 0 || now*2 < float64(limit) || now >= float64(limit) {
		return nil
	}
	full := time.Duration((float64(limit) - now) / t.perSecond * float64(time.Second))
	if full > memoryAhead {
		return nil
	}
	return []check.Finding{check.Warn("memory.filling",
		"go tool mage monitor -since=1h, and find what it keeps: a higher limit only puts the end off",
		"it uses %s of its limit of %s, and will be full in about %s as it grew in the last %s",
		ui.Bytes(int64(now)), ui.Bytes(limit), about(full), about(t.over)).Of(s.Name).At(l.at(s.Name)).
		Because("at the limit the kernel kills a process of it")}
}

// sinceStart leaves out what was before the last start of a service, and while it warmed up.
func (l past) sinceStart(service string, points []history.Point) []history.Point {
	from := time.Time{}
	for _, up := range l.Hour[history.Series{Service: service, Metric: history.UpSeconds}] {
		if began := up.Time.Add(-time.Duration(up.Min) * time.Second).Add(warm); began.After(from) {
			from = began
		}
	}
	return slices.DeleteFunc(slices.Clone(points), func(p history.Point) bool { return p.Time.Before(from) })
}

func (l past) current(points []history.Point) bool {
	return len(points) >= trendPoints && l.Now.Sub(points[len(points)-1].Time) < fresh
}

// diskFell is how many bytes less have to be free than an hour ago.
const diskFell = 1 << 30

func (l past) diskFilling() []check.Finding {
	points := l.Hour[history.Series{Metric: history.DiskFree}]
	if !l.current(points) {
		return nil
	}
	t, ok := trendOf(points)
	free := points[len(points)-1].Mean
	if !ok || t.perSecond >= 0 || points[0].Mean-free < diskFell {
		return nil
	}
	full := time.Duration(free / -t.perSecond * float64(time.Second))
	if full > diskAhead {
		return nil
	}
	return []check.Finding{check.Warn("disk.filling", "go tool mage cleanup; go tool mage monitor -disk",
		"the engine's disk has %s free, and will be full in about %s as it filled in the last %s",
		ui.Bytes(int64(free)), about(full), about(t.over)).
		Because("when it is full, services that write fail, and so does every build")}
}

// trend is a straight line through points.
type trend struct {
	perSecond float64
	over      time.Duration
}

// trendOf fits a line to the means; ok is false where they are on none.
func trendOf(points []history.Point) (t trend, ok bool) {
	n := float64(len(points))
	if len(points) < trendPoints {
		return trend{}, false
	}
	first := points[0].Time
	var sx, sy, sxx, sxy, syy float64
	for _, p := range points {
		x, y := p.Time.Sub(first).Seconds(), p.Mean
		sx, sy, sxx, sxy, syy = sx+x, sy+y, sxx+x*x, sxy+x*y, syy+y*y
	}
	vx, vy, c := n*sxx-sx*sx, n*syy-sy*sy, n*sxy-sx*sy
	if vx <= 0 || vy <= 0 || c*c/(vx*vy) < trendFit {
		return trend{}, false
	}
	return trend{perSecond: c / vx, over: points[len(points)-1].Time.Sub(first)}, true
}

// about gives a time in the largest unit that says enough.
func about(d time.Duration) string {
	if d < 2*time.Hour {
		return fmt.Sprintf("%d min", max(1, int(math.Round(d.Minutes()))))
	}
	return fmt.Sprintf("%d h", int(math.Round(d.Hours())))
}
