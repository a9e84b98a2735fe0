package record

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/history"
)

// Past is what is known of a project from one time to another.
type Past struct {
	Project  string    `json:"project"`
	From     time.Time `json:"from"`
	To       time.Time `json:"to"`
	Recorded float64   `json:"recorded_seconds"` // of that time; the rest nobody watched
	Services []Service `json:"services"`         // by name
	Events   []Event   `json:"events"`           // in the order of time
}

// Service is one service's figures.
type Service struct {
	Service string   `json:"service"`
	Figures []Figure `json:"figures"`
}

// Figure is one metric of a service over the time.
type Figure struct {
	Metric string          `json:"metric"` // with its unit at the end: memory_working_set_bytes
	Min    float64         `json:"min"`
	Median float64         `json:"median"`
	P95    float64         `json:"p95"`
	Max    float64         `json:"max"`
	Points []history.Point `json:"points"` // in equal steps; where nothing was recorded there is none
}

// Event is something that happened to a service.
type Event struct {
	Time    time.Time `json:"time"`
	Until   time.Time `json:"until,omitzero"` // of what lasted
	Service string    `json:"service"`
	Kind    string    `json:"kind"` // restarted, killed (for want of memory) or ill (not as it should be)
	Count   int       `json:"count"`
}

// The kinds of events.
const (
	Restarted = "restarted"
	Killed    = "killed"
	Ill       = "ill"
)

// shown are the figures that are told, in their order.
var shown = []string{
	history.CPUPercent, history.MemoryWorkingSet, history.HealthCheckMS, history.ResponseMS, history.LogErrors,
}

const (
	parts = 24 // steps of the time that figures are told in
	// gap is how far apart two measurements are between which nobody watched: the coarsest step is 5 minutes.
	gap = 11 * time.Minute
)

// Store is where the past is; *history.Store is one.
type Store interface {
	Select(history.Selection, time.Time, time.Time, time.Duration) (map[history.Series][]history.Point, error)
}

// Look reads the past of a project's services, all where none is named. That nothing was recorded is an error.
func Look(store Store, project string, named []string, from, to time.Time) (Past, error) {
	past := Past{Project: project, From: from, To: to, Services: []Service{}, Events: []Event{}}
	all, err := store.Select(history.Selection{Services: named}, from, to, 0)
	if err != nil {
		return past, fmt.Errorf("reading the history of %q: %w", project, err)
	}
	byService := map[string]map[string][]history.Point{}
	for series, points := range all {
		if series.Service == "" {
			continue
		}
		if byService[series.Service] == nil {
			byService[series.Service] = map[string][]history.Point{}
		}
		byService[series.Service][series.Metric] = points
	}
	if len(byService) == 0 {
		return past, fault.New(fault.Failed, "go tool mage monitor -serve, or -watch: they record while they run",
			"nothing is recorded of %q since %s", project, from.Format(time.DateTime))
	}
	step := max(time.Second, to.Sub(from)/parts)
	for name, metrics := range byService {
		s := Service{Service: name, Figures: []Figure{}}
		for _, metric := range shown {
			if points := metrics[metric]; len(points) > 0 {
				s.Figures = append(s.Figures, figure(metric, points, from, step))
			}
		}
		past.Services = append(past.Services, s)
		past.Events = append(past.Events, increases(name, Restarted, metrics[history.Restarts])...)
		past.Events = append(past.Events, increases(name, Killed, metrics[history.OOMKills])...)
		past.Events = append(past.Events, ills(name, metrics[history.Healthy])...)
		past.Recorded = max(past.Recorded, watched(metrics[history.Healthy]).Seconds())
	}
	slices.SortFunc(past.Services, func(a, b Service) int { return cmp.Compare(a.Service, b.Service) })
	slices.SortStableFunc(past.Events, func(a, b Event) int {
		return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.Service, b.Service), cmp.Compare(a.Kind, b.Kind))
	})
	return past, nil
}

// figure sums points up. Median and 95th percentile are those of the means of the finest steps that are known.
func figure(metric string, points []history.Point, from time.Time, step time.Duration) Figure {
	f := Figure{Metric: metric, Min: math.Inf(1), Max: math.Inf(-1)}
	means := make([]float64, 0, len(points))
	counts := map[int]int{}
	for _, p := range points {
		f.Min, f.Max = min(f.Min, p.Min), max(f.Max, p.Max)
		means = append(means, p.Mean)
		part := int(p.Time.Sub(from) / step)
		if n := len(f.Points); n == 0 || int(f.Points[n-1].Time.Sub(from)/step) != part {
			f.Points = append(f.Points, history.Point{
				Time: from.Add(time.Duration(part) * step), Min: p.Min, Mean: p.Mean, Max: p.Max,
			})
			counts[part] = 1
			continue
		}
		last := &f.Points[len(f.Points)-1]
		counts[part]++
		last.Min, last.Max = min(last.Min, p.Min), max(last.Max, p.Max)
		last.Mean += (p.Mean - last.Mean) / float64(counts[part])
	}
	slices.Sort(means)
	f.Median, f.P95 = quantile(means, 0.5), quantile(means, 0.95)
	return f
}

// quantile is the least of the sorted values that as many are at most.
func quantile(sorted []float64, q float64) float64 {
	i := int(math.Ceil(q*float64(len(sorted)))) - 1
	return sorted[max(0, min(len(sorted)-1, i))]
}

// increases are the times at which a count grew. A count that is smaller than before is of a container that was made
// anew.
func increases(service, kind string, points []history.Point) []Event {
	var out []Event
	for i, p := range points {
		before := p.Min // of the first, what it grew within its step
		if i > 0 {
			before = points[i-1].Max
		}
		if grown := int(p.Max - before); grown > 0 {
			out = append(out, Event{Time: p.Time, Service: service, Kind: kind, Count: grown})
		}
	}
	return out
}

// ills are the spans in which a service was not as it should be.
func ills(service string, points []history.Point) []Event {
	var out []Event
	open := false
	for i, p := range points {
		ill := p.Min < 1
		switch {
		case ill && open && p.Time.Sub(points[i-1].Time) < gap:
			out[len(out)-1].Until = p.Time
		case ill:
			out = append(out, Event{Time: p.Time, Until: p.Time, Service: service, Kind: Ill, Count: 1})
		case open && p.Time.Sub(points[i-1].Time) < gap:
			out[len(out)-1].Until = p.Time // it is well again from here on
		}
		open = ill
	}
	return out
}

// watched is the time in which somebody recorded.
func watched(points []history.Point) time.Duration {
	var all time.Duration
	for i := 1; i < len(points); i++ {
		if d := points[i].Time.Sub(points[i-1].Time); d < gap {
			all += d
		}
	}
	return all
}
