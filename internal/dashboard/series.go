package dashboard

import (
	"math"
	"time"

	"github.com/25eloquence/compose-mage/internal/history"
)

const (
	span   = time.Hour        // of the charts
	bucket = 10 * time.Second // that one value of a series is for
	slots  = int(span/bucket) + 1
)

// series is one figure of one container over the last hour, a mean and a peak for each bucket of time.
type series struct{ slot [slots]sum }

// sum is what fell into a bucket; n is 0 where nothing did.
type sum struct {
	bucket    int64 // its number, counted from the epoch
	n         int
	total     float64
	low, high float64
}

// add takes a value down.
func (s *series) add(at time.Time, v float64) {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return
	}
	number := at.UnixNano() / int64(bucket)
	to := &s.slot[number%int64(slots)]
	if to.bucket > number { // older than the last hour
		return
	}
	if to.bucket != number || to.n == 0 {
		*to = sum{bucket: number, low: v, high: v}
	}
	to.n++
	to.total += v
	to.low, to.high = min(to.low, v), max(to.high, v)
}

// fill takes down what a history knows of the time before there was anything here.
func (s *series) fill(points []history.Point) {
	for _, p := range points {
		number := p.Time.UnixNano() / int64(bucket)
		to := &s.slot[number%int64(slots)]
		if to.n == 0 || to.bucket < number {
			*to = sum{bucket: number, n: 1, total: p.Mean, low: p.Min, high: p.Max}
		}
	}
}

// reach gives the hour before now in so many equal parts, oldest first: the mean of each, NaN where nothing is known;
// and over all of it the mean and the peak, NaN where nothing is known at all.
func (s *series) reach(now time.Time, parts int) (means []float64, mean, peak float64) {
	totals, counts := make([]float64, parts), make([]int, parts)
	last := now.UnixNano() / int64(bucket)
	mean, peak = math.NaN(), math.NaN()
	total, n := 0.0, 0
	for i := range s.slot {
		at := &s.slot[i]
		ago := last - at.bucket
		if at.n == 0 || ago < 0 || ago >= int64(slots) {
			continue
		}
		part := min(parts-1, (slots-1-int(ago))*parts/slots)
		totals[part] += at.total / float64(at.n)
		counts[part]++
		total += at.total / float64(at.n)
		n++
		if math.IsNaN(peak) || at.high > peak {
			peak = at.high
		}
	}
	means = make([]float64, parts)
	for i := range means {
		means[i] = math.NaN()
		if counts[i] > 0 {
			means[i] = totals[i] / float64(counts[i])
		}
	}
	if n > 0 {
		mean = total / float64(n)
	}
	return means, mean, peak
}

// gauge is a share of a whole in so many cells.
func gauge(percent float64, cells int) string {
	eighths := int(math.Round(min(100, max(0, percent)) / 100 * float64(cells*8)))
	out := make([]rune, cells)
	for i := range out {
		out[i] = lying[min(8, max(0, eighths-8*i))]
	}
	return string(out)
}

// lying are blocks that fill a cell from its left.
var lying = []rune("·▏▎▍▌▋▊▉█")
