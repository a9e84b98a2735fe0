package image

import (
	"context"
	"testing"
	"testing/synctest"
)

func TestChangedImagesGoFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newChangedFirst(3)
		through := make(chan struct{})
		go func() {
			o.wait(t.Context())
			close(through)
		}()
		waits := func(when string) {
			t.Helper()
			synctest.Wait()
			select {
			case <-through:
				t.Fatalf("%s: an unchanged image did not wait", when)
			default:
			}
		}
		o.decide("same", false)
		o.decide("same", false) // again, on another builder
		waits("two images undecided")
		o.decide("first", true)
		o.underway("first")
		waits("one image undecided")
		o.decide("second", true)
		waits("a changed image has not begun")
		o.underway("second")
		synctest.Wait()
		<-through
	})
}

func TestOrderEndsWithTheBuild(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	newChangedFirst(1).wait(ctx) // returns
}
