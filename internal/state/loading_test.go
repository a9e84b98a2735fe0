package state

import (
	"testing"
	"time"
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
