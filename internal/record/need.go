package record

import (
	"fmt"
	"slices"
	"time"

	"github.com/25eloquence/compose-mage/internal/fit"
	"github.com/25eloquence/compose-mage/internal/history"
)

// needStep is the time whose greatest figures the percentiles of a need are of.
const needStep = 5 * time.Minute

// startSeen is how soon after a container's start somebody has to have looked, in seconds, for its start to count as
// seen.
const startSeen = 60

// Needs gives the memory that each service was seen to need from one time to another, by service.
func Needs(store Store, from, to time.Time) (map[string]fit.Need, error) {
	metrics := []string{
		history.MemoryUnreclaimable, history.MemoryWorkingSet, history.OOMKills, history.UpSeconds,
	}
	fine, err := store.Select(history.Selection{Metrics: metrics}, from, to, 0)
	if err != nil {
		return nil, fmt.Errorf("reading the history: %w", err)
	}
	coarse, err := store.Select(history.Selection{Metrics: metrics}, from, to, needStep)
	if err != nil {
		return nil, fmt.Errorf("reading the history: %w", err)
	}
	out := map[string]fit.Need{}
	for key := range fine {
		if key.Metric != history.MemoryWorkingSet {
			continue
		}
		of := func(all map[history.Series][]history.Point, metric string) []history.Point {
			return all[history.Series{Service: key.Service, Metric: metric}]
		}
		n := fit.Need{Recorded: watched(of(fine, history.MemoryWorkingSet)).Seconds()}
		n.P99, n.Most = greatest(of(coarse, history.MemoryUnreclaimable))
		n.Rest = rest(of(coarse, history.MemoryUnreclaimable))
		n.WorkingP99, n.WorkingMost = greatest(of(coarse, history.MemoryWorkingSet))
		for _, e := range increases(key.Service, Killed, of(fine, history.OOMKills)) {
			n.Kills += e.Count
		}
		n.Started = slices.ContainsFunc(of(fine, history.UpSeconds), func(p history.Point) bool {
			return p.Min <= startSeen
		})
		out[key.Service] = n
	}
	return out, nil
}

// greatest gives the 99th percentile and the most of the greatest figures.
func greatest(points []history.Point) (p99, most int64) {
	if len(points) == 0 {
		return 0, 0
	}
	var figures []float64
	for _, p := range points {
		figures = append(figures, p.Max)
	}
	slices.Sort(figures)
	return int64(quantile(figures, 0.99)), int64(figures[len(figures)-1])
}

// rest is the median of the least figures.
func rest(points []history.Point) int64 {
	if len(points) == 0 {
		return 0
	}
	var figures []float64
	for _, p := range points {
		figures = append(figures, p.Min)
	}
	slices.Sort(figures)
	return int64(quantile(figures, 0.5))
}
