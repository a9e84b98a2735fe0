package trace

import (
	"cmp"
	"slices"
	"strconv"
	"time"
)

// place is where a span is drawn: viewers take events of one thread for calls, of which each lies within the one
// that it overlaps, or beside it.
type place struct {
	thread     int   // from 1
	begin, end int64 // microseconds since the trace began
}

// placed gives each span its thread, and the threads' names. Spans of a lane that overlap and do not lie within one
// another are on further threads of that lane's name. The lane of no service comes first, then the critical path,
// then the others as they appear.
func placed(t Timeline, began time.Time) (places []place, threads []string) {
	places = make([]place, len(t.Spans))
	order := make([]int, len(t.Spans))
	for i, s := range t.Spans {
		places[i] = spread(s, began)
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { // an outer one before those within it
		a, b := places[i], places[j]
		return cmp.Or(cmp.Compare(a.begin, b.begin), cmp.Compare(b.end, a.end))
	})
	for _, lane := range lanes(t) {
		var rows [][]int64 // of each row the ends of the spans that are open
		first := len(threads)
		for _, i := range order {
			if laneOf(t.Spans[i]) != lane {
				continue
			}
			at := fits(rows, places[i])
			if at == len(rows) {
				rows = append(rows, nil)
				threads = append(threads, threadName(t, lane, at))
			}
			rows[at] = append(closed(rows[at], places[i].begin), places[i].end)
			places[i].thread = first + at + 1
		}
	}
	return places, threads
}

// spread gives a span's time in whole microseconds, so that what lay within another still does.
func spread(s Span, began time.Time) place {
	begin := max(0, s.Began.Sub(began).Microseconds())
	return place{begin: begin, end: max(begin, s.Ended.Sub(began).Microseconds())}
}

// fits is the first row that has room for the span; their number where none has.
func fits(rows [][]int64, p place) int {
	for at, row := range rows {
		if open := closed(row, p.begin); len(open) == 0 || p.end <= open[len(open)-1] {
			return at
		}
	}
	return len(rows)
}

// closed is a row without the spans that have ended by then.
func closed(row []int64, by int64) []int64 {
	for len(row) > 0 && row[len(row)-1] <= by {
		row = row[:len(row)-1]
	}
	return row
}

// lanes gives the lanes of a timeline in their order.
func lanes(t Timeline) []string {
	out := []string{"", pathLane}
	for _, s := range t.Spans {
		if lane := laneOf(s); !slices.Contains(out, lane) {
			out = append(out, lane)
		}
	}
	return out
}

// pathLane is the lane of the critical path. No service has such a name.
const pathLane = "critical path"

func laneOf(s Span) string {
	if s.Kind == Path {
		return pathLane
	}
	if s.Track != "" {
		return s.Lane + ": " + s.Track
	}
	return s.Lane
}

func threadName(t Timeline, lane string, at int) string {
	if lane == "" {
		lane = t.What
	}
	if at > 0 {
		lane += " (" + strconv.Itoa(at+1) + ")"
	}
	return lane
}
