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
		o.setChanged("same", false)
		o.setChanged("same", false) // again, on another builder
		waits("two images undecided")
		o.setChanged("first", true)
		o.setStarted("first")
		waits("one image undecided")
		o.setChanged("second", true)
		waits("a changed image has not begun")
		o.setStarted("second")
		synctest.Wait()
		<-through
	})
}

func TestOrderEndsWithTheBuild(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	newChangedFirst(1).wait(ctx) // returns
}
