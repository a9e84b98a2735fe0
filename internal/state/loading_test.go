package state

import (
	"io"
	"testing"
	"time"

	"github.com/25eloquence/compose-mage/internal/ui"
)

func TestLoadingImages(t *testing.T) {
	t.Setenv(Variable, t.TempDir())
	first, second := Loading(t.Context(), "shop"), Loading(t.Context(), "shop") // two builds do not wait for each other
	if NotLoading("shop") != nil {
		t.Error("two load, and nobody does")
	}
	if release := NotLoading("other"); release == nil {
		t.Error("another project's loads count")
	}
	first()
	if NotLoading("shop") != nil {
		t.Error("one loads, and nobody does")
	}
	second()
	release := NotLoading("shop")
	if release == nil {
		t.Fatal("nobody loads, and somebody does")
	}
	began, waited := make(chan struct{}), make(chan struct{})
	go func() {
		close(began)
		defer Loading(t.Context(), "shop")()
		close(waited)
	}()
	<-began
	select {
	case <-waited:
		t.Error("a load has not waited")
	case <-time.After(2 * askEvery):
	}
	release()
	<-waited
}

func TestWhenARunWasAtWork(t *testing.T) {
	t.Setenv(Variable, t.TempDir())
	if at := LastRun("shop"); !at.IsZero() {
		t.Errorf("nobody ran, at %s", at)
	}
	for name, take := range map[string]func() func(){
		"a run": func() func() {
			release, err := LockProject(t.Context(), "shop", ui.New(io.Discard))
			if err != nil {
				t.Fatal(err)
			}
			return release
		},
		"one that does not wait": func() func() { return TryLockProject("shop") },
	} {
		began := time.Now()
		release := take()
		taken := LastRun("shop")
		time.Sleep(20 * time.Millisecond)
		release()
		const some = 10 * time.Millisecond
		if given := LastRun("shop"); taken.Before(began.Add(-some)) || given.Sub(taken) < some {
			t.Errorf("%s: begun %s, taken %s, given back %s", name, began, taken, given)
		}
	}
}
