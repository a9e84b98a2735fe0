package semaphore

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestServesTheLongestChainFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(2)
		if err := r.Acquire(t.Context(), 2, 0); err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		var served []string
		claim := func(name string, n int64, rank int) {
			go func() {
				if r.Acquire(t.Context(), n, rank) == nil {
					mu.Lock()
					served = append(served, name)
					mu.Unlock()
					r.Release(n)
				}
			}()
			synctest.Wait()
		}
		claim("leaf", 1, 0)
		claim("large and waited for", 2, 3)
		claim("waited for", 2, 1)
		r.Release(1) // the first in line needs two: nobody is served past it
		synctest.Wait()
		if len(served) != 0 {
			t.Fatalf("served %v while the first in line waits", served)
		}
		r.Release(1)
		synctest.Wait()
		if want := []string{"large and waited for", "waited for", "leaf"}; !slices.Equal(served, want) {
			t.Errorf("served %v, want %v", served, want)
		}
	})
}

func TestUnitsOfWhoGaveUpAreFree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(1)
		if err := r.Acquire(t.Context(), 1, 0); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := r.Acquire(ctx, 1, 5); err == nil {
			t.Fatal("two had the only unit")
		}
		r.Release(1)
		if err := r.Acquire(t.Context(), 1, 0); err != nil {
			t.Fatal(err)
		}
	})
}
