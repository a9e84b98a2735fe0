package readiness

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// testBudget counts none of the test's own CPU time.
func testBudget(cpus int) *Budget {
	b := NewBudget(cpus)
	b.used, b.own = 0, func() time.Duration { return 0 }
	return b
}

func TestBudgetBoundsTheShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const cost, cpus = 100 * time.Millisecond, 2
		b, began := testBudget(cpus), time.Now()
		probes := 0
		for time.Since(began) < time.Minute {
			if _, err := b.take(t.Context(), cost, 0, began, nil); err != nil {
				t.Fatal(err)
			}
			probes++
		}
		spent := time.Duration(probes) * cost
		allowed := time.Duration(float64(cpus) * probingShare * float64(time.Since(began)))
		if first := firstProbes * execCost; spent > allowed+first+cost || spent < allowed*9/10 {
			t.Errorf("%d probes spent %s in %s, of which %s was allowed", probes, spent, time.Since(began), allowed)
		}
	})
}

func TestBudgetServesWhoIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, began := testBudget(1), time.Now()
		b.have = 0
		var mu sync.Mutex
		var order []int
		for _, rank := range []int{0, 1, 2} {
			go func() {
				if _, err := b.take(t.Context(), 50*time.Millisecond, rank, began, nil); err == nil {
					mu.Lock()
					defer mu.Unlock()
					order = append(order, rank)
				}
			}()
			synctest.Wait()
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(order) != 3 || order[0] != 2 || order[1] != 1 {
			t.Errorf("served the ranks %v", order)
		}
	})
}

func TestNewsEndTheWaitForTheBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, heard := testBudget(1), make(chan struct{}, 1)
		b.have = -10
		heard <- struct{}{}
		began := time.Now()
		news, err := b.take(t.Context(), time.Second, 0, began, heard)
		if !news || err != nil || time.Since(began) > 0 {
			t.Errorf("news %v, error %v after %s", news, err, time.Since(began))
		}
	})
}

func TestBudgetCountsThisProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, began := testBudget(1), time.Now()
		b.have = 0
		b.own = func() time.Duration { return time.Since(began) / 20 } // 5 % of the machine
		const cost = 45 * time.Millisecond
		if _, err := b.take(t.Context(), cost, 0, began, nil); err != nil {
			t.Fatal(err)
		}
		if took, want := time.Since(began).Seconds(), cost.Seconds()/(probingShare-0.05); took < want*0.95 || took > want*1.1 {
			t.Errorf("a probe that fits the budget after %.2f s came after %.2f", want, took)
		}
	})
}
