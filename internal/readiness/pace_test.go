package readiness

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/25eloquence/compose-mage/internal/semaphore"
)

func TestPausesGrow(t *testing.T) {
	const ms = time.Millisecond
	for _, c := range []struct{ took, elapsed, want time.Duration }{
		{0, 0, 50 * ms},
		{3 * ms, 100 * ms, 50 * ms},
		{20 * ms, 100 * ms, 50 * ms},
		{3 * ms, 3000 * ms, 300 * ms},
		{90 * ms, 500 * ms, 90 * ms},
		{90 * ms, 3000 * ms, 300 * ms},
		{700 * ms, 3000 * ms, 700 * ms},
		{5000 * ms, 6000 * ms, 2000 * ms},
		{3 * ms, 60000 * ms, 2000 * ms},
	} {
		if got := pause(c.took, c.elapsed); got != c.want {
			t.Errorf("a probe of %s that failed %s after the start: %s, want %s", c.took, c.elapsed, got, c.want)
		}
	}
}

// TestPlaceOfAnExec has an exec of a low rank wait until another returns its place, or has had it for a second.
func TestPlaceOfAnExec(t *testing.T) {
	for name, c := range map[string]struct {
		returned time.Duration // by the first, twice; 0 for never
		want     time.Duration // when the second has its place
	}{
		"returned":     {200 * time.Millisecond, 200 * time.Millisecond},
		"not returned": {0, placeFor},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				execs, began := semaphore.New(1), time.Now()
				first, second := &Waiter{Places: execs, Rank: 1}, &Waiter{Places: execs}
				leave, err := first.place(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if c.returned > 0 {
					time.AfterFunc(c.returned, func() { leave(); leave() })
				}
				_, err = second.place(t.Context())
				if took := time.Since(began); err != nil || took != c.want {
					t.Errorf("the second had a place after %s, %v", took, err)
				}
				time.Sleep(2 * placeFor)
				leave() // too late: the place is another's
				third, cancel := context.WithCancel(t.Context())
				if _, err := first.place(third); err != nil {
					t.Fatal(err)
				}
				time.AfterFunc(placeFor/2, cancel)
				if _, err := second.place(third); err == nil {
					t.Error("two have the one place")
				}
				second.unqueued = true
				if _, err := second.place(third); err != nil {
					t.Errorf("the last look waits for a place: %v", err)
				}
			})
		})
	}
}
