package idle

import (
	"context"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

func TestDue(t *testing.T) {
	const mib = 1 << 20
	for _, c := range []struct {
		name      string
		allocated []uint64 // MiB, at each look
		want      []bool
	}{
		{"starting up, then idle", []uint64{3, 3, 3}, []bool{false, true, false}},
		{"idle with little behind it", []uint64{1, 1, 1}, []bool{false, false, false}},
		{"at work", []uint64{3, 6, 9}, []bool{false, false, false}},
		{"at work, then idle for long", []uint64{30, 60, 60, 60, 60}, []bool{false, false, true, false, false}},
		{"at work again", []uint64{30, 30, 60, 60}, []bool{false, true, false, true}},
	} {
		var w watch
		for i, n := range c.allocated {
			if got := w.due(n * mib); got != c.want[i] {
				t.Errorf("%s: look %d: due %v, want %v", c.name, i+1, got, c.want[i])
			}
		}
	}
}

var held [][]byte

// TestGivesBack: what was let go is the kernel's again soon after, not when the collector next runs.
func TestGivesBack(t *testing.T) {
	for range 64 {
		held = append(held, make([]byte, 1<<20))
	}
	held = nil
	released := func() uint64 {
		var s runtime.MemStats
		runtime.ReadMemStats(&s)
		return s.HeapIdle - s.HeapReleased // free, and still ours
	}
	in := func() uint64 {
		var s runtime.MemStats
		runtime.ReadMemStats(&s)
		return s.HeapInuse
	}
	before := in() + released()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		go GiveBack(ctx)
		time.Sleep(3 * every)
		cancel()
		synctest.Wait()
	})
	if after := in() + released(); after+32<<20 > before {
		t.Errorf("the heap held %d MiB of the machine and holds %d, want at least 32 less", before>>20, after>>20)
	}
}
