package sampler

import (
	"testing"
	"time"
)

func TestBetween(t *testing.T) {
	t0 := time.Unix(100, 0)
	at := func(after time.Duration, c Counters) Counters { c.Read = t0.Add(after); return c }
	for name, c := range map[string]struct {
		before, after Counters
		want          Rates
	}{
		"half a core in half a second": {
			at(0, Counters{CPUSeconds: 1}), at(time.Second/2, Counters{CPUSeconds: 1.25}),
			Rates{Seconds: 0.5, CPUPercent: 50},
		},
		"four cores": {
			at(0, Counters{}), at(time.Second, Counters{CPUSeconds: 4}), Rates{Seconds: 1, CPUPercent: 400},
		},
		"idle":         {at(0, Counters{CPUSeconds: 1}), at(time.Second, Counters{CPUSeconds: 1}), Rates{Seconds: 1}},
		"only one":     {Counters{}, at(0, Counters{CPUSeconds: 5}), Rates{}},
		"ended":        {at(0, Counters{CPUSeconds: 5}), Counters{}, Rates{}},
		"the same one": {at(0, Counters{CPUSeconds: 5}), at(0, Counters{CPUSeconds: 5}), Rates{}},
		"started anew": {
			at(0, Counters{CPUSeconds: 5}), at(time.Second, Counters{CPUSeconds: 1, NetworkSent: 9}), Rates{},
		},
		"throttled": {
			at(0, Counters{Periods: 5, ThrottledPeriods: 1}),
			at(time.Second, Counters{Periods: 15, ThrottledPeriods: 5}),
			Rates{Seconds: 1, Throttled: 40},
		},
		"more throttled than periods": { // the two are not read at once
			at(0, Counters{}), at(time.Second, Counters{Periods: 1, ThrottledPeriods: 2}),
			Rates{Seconds: 1, Throttled: 100},
		},
		"network and disk": {
			at(0, Counters{NetworkReceived: 100, NetworkSent: 100, BlockRead: 100, BlockWritten: 100}),
			at(2*time.Second, Counters{NetworkReceived: 300, NetworkSent: 500, BlockRead: 700, BlockWritten: 50}),
			Rates{Seconds: 2, Received: 100, Sent: 200, BlockRead: 300},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Between(c.before, c.after); got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}
