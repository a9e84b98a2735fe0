package drill

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"

	"github.com/25eloquence/compose-mage/internal/snapshots"
)

// latest is how long after the last look at a service its data may have been saved, in seconds: a backup waits for a
// moment between two health checks.
const latest = 45

// differences holds what a service says of its restored data against what it said before it was saved. Where that did
// not change from look to look it has to be the same. Where it did, it may have gone on as quickly until it was saved.
func differences(f snapshots.Fact, now map[string]string) (out []string) {
	for _, name := range slices.Sorted(maps.Keys(f.Seen)) {
		value, said := now[name]
		switch seen := f.Seen[name]; {
		case !said:
			out = append(out, fmt.Sprintf("%s is not there; it was %s", name, seen[len(seen)-1]))
		case !fits(seen, f.Seconds, value):
			out = append(out, fmt.Sprintf("%s is %s; it was %s", name, value, seen[len(seen)-1]))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(now)) {
		if _, known := f.Seen[name]; !known && !changing(f) {
			out = append(out, fmt.Sprintf("%s is %s; it was not there", name, now[name]))
		}
	}
	return out
}

// changing says whether the service was being written to.
func changing(f snapshots.Fact) bool {
	for _, seen := range f.Seen {
		if !same(seen) {
			return true
		}
	}
	return false
}

func same(seen []string) bool {
	return !slices.ContainsFunc(seen, func(v string) bool { return v != seen[0] })
}

// fits says whether a value may be that of the moment at which the data was saved.
func fits(seen []string, seconds float64, value string) bool {
	if same(seen) {
		return value == seen[0]
	}
	least, most := math.Inf(1), math.Inf(-1)
	for _, text := range seen {
		n, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return true // a text that changes says nothing
		}
		least, most = min(least, n), max(most, n)
	}
	n, err := strconv.ParseFloat(value, 64)
	room := (most - least) * (1 + latest/max(seconds, 0.1))
	return err == nil && n >= least-room && n <= most+room
}
