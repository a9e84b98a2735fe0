package history

import (
	"math"
	"slices"
	"sort"
	"time"
)

// How much is kept in memory, as it was measured.
const (
	recent     = time.Hour
	mostRecent = 3600 // moments
)

// ring is the newest measurements: a column for each series beside one column of times. Its zero value is empty.
type ring struct {
	times   []int64 // milliseconds since 1970, rising
	columns map[Series][]float32
}

// add appends what was measured at one moment. Where the clock was set back, all that was measured at a later time is
// dropped: the files have it.
func (r *ring) add(at time.Time, values []Value) {
	ms := at.UnixMilli()
	if n := len(r.times); n > 0 && r.times[n-1] >= ms {
		r.cut(0, sort.Search(n, func(i int) bool { return r.times[i] >= ms }))
	}
	if r.columns == nil {
		r.columns = map[Series][]float32{}
	}
	n := len(r.times)
	r.times = append(r.times, ms)
	for _, v := range values {
		key := Series{v.Service, v.Metric}
		column := r.columns[key]
		for len(column) < n {
			column = append(column, nothing)
		}
		if len(column) == n {
			r.columns[key] = append(column, float32(v.V))
		} else { // twice in one moment: the last counts
			column[n] = float32(v.V)
		}
	}
	for key, column := range r.columns {
		if len(column) == n {
			r.columns[key] = append(column, nothing)
		}
	}
	// Moving the columns each time would cost more than the memory that it saves.
	old := sort.Search(len(r.times), func(i int) bool { return r.times[i] > ms-recent.Milliseconds() })
	if old = max(old, len(r.times)-mostRecent); old > len(r.times)/8 {
		r.cut(old, len(r.times))
	}
}

// nothing stands in a column where nothing was measured.
var nothing = float32(math.NaN())

// cut leaves the moments from one to another, and forgets the series of which nothing is left.
func (r *ring) cut(from, to int) {
	r.times = append(r.times[:0], r.times[from:to]...)
	for key, column := range r.columns {
		column = append(column[:0], column[from:to]...)
		r.columns[key] = column
		if !slices.ContainsFunc(column, func(v float32) bool { return v == v }) { // NaN is not itself
			delete(r.columns, key)
		}
	}
}

// since is the time of the oldest moment; false where there is none.
func (r *ring) since() (time.Time, bool) {
	if len(r.times) == 0 {
		return time.Time{}, false
	}
	return time.UnixMilli(r.times[0]), true
}

// samples gives the measurements of a series from one time to another.
func (r *ring) samples(key Series, from, to time.Time) []sample {
	column := r.columns[key]
	if column == nil {
		return nil
	}
	var out []sample
	first := sort.Search(len(r.times), func(i int) bool { return r.times[i] >= from.UnixMilli() })
	for i := first; i < len(column) && r.times[i] < to.UnixMilli(); i++ {
		if v := float64(column[i]); v == v { // NaN is not itself
			out = append(out, sample{at: r.times[i], weight: 1, min: v, mean: v, max: v})
		}
	}
	return out
}

// sample is one or more measurements from one time on.
type sample struct {
	at             int64   // milliseconds since 1970
	weight         float64 // how many seconds it stands for
	min, mean, max float64
}

// points sums samples up by steps, each of which begins at a multiple of the step since 1970; a step of 0 gives each
// sample. Samples need not be sorted.
func points(samples []sample, step time.Duration) []Point {
	slices.SortStableFunc(samples, func(a, b sample) int { return int(max(-1, min(1, a.at-b.at))) })
	width := max(1, step.Milliseconds())
	var out []Point
	var weight float64
	for _, s := range samples {
		at := s.at - mod(s.at, width)
		when := time.UnixMilli(at)
		if n := len(out); n > 0 && out[n-1].Time.Equal(when) {
			p := &out[n-1]
			p.Min, p.Max = min(p.Min, s.min), max(p.Max, s.max)
			weight += s.weight
			p.Mean += (s.mean - p.Mean) * s.weight / weight
			continue
		}
		weight = s.weight
		out = append(out, Point{when, s.min, s.mean, s.max})
	}
	return out
}

// mod is the remainder that is not negative.
func mod(a, b int64) int64 { return ((a % b) + b) % b }
