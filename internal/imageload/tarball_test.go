package imageload

import (
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/25eloquence/compose-mage/internal/bounded"
	"github.com/25eloquence/compose-mage/internal/fault"
)

func TestLayersOfAnImageAreComparedInOrder(t *testing.T) {
	b := &BuiltImage{diffs: layers("a", "b")}
	is := func(want bool, names ...string) {
		t.Helper()
		var all []string
		for _, d := range layers(names...) {
			all = append(all, d.String())
		}
		if got := b.HasLayers(all); got != want {
			t.Errorf("%q: %v", names, got)
		}
	}
	is(true, "a", "b")
	is(false, "b", "a")
	is(false, "a")
	is(false, "a", "b", "c")
	is(false, "c", "d")
}

func TestAnUnpackedLayerLeavesSpaceOnTheDisk(t *testing.T) {
	l := bounded.Limit{Bytes: 100, Code: fault.Registry, Next: "other"}
	for free, want := range map[int64]int64{
		keepFree + 101: 100, keepFree + 100: 100, keepFree + 99: 99, keepFree: 0,
		0: 0,
	} {
		got := withinDisk(l, free)
		if got.Bytes != want || (got.Code == fault.Resources) != (want < 100) ||
			(got.Next == "other") != (want == 100) {
			t.Errorf("%d bytes free: %+v", free, got)
		}
	}
}

func TestWhenAnotherImageMayHaveALayer(t *testing.T) {
	l := NewEngineLayers(nil, "p", nil)
	chains := []digest.Digest{"a", "b", "c"}
	for name, c := range map[string]struct {
		held  int // of the chains, from the bottom
		fresh int // steps that ran
		want  bool
	}{
		"all are held":                       {3, 0, false},
		"a step made the missing one":        {2, 1, false},
		"two steps made the missing one":     {2, 2, false},
		"one is missing that no step made":   {2, 0, true},
		"two are, of which a step made one":  {1, 1, true},
		"two are, and two steps ran":         {1, 2, false},
		"all are, though fewer steps ran":    {0, 2, true},
		"all are, and every one is a step's": {0, 3, false},
	} {
		clear(l.held)
		for _, chain := range chains[:c.held] {
			l.held[chain] = true
		}
		if got := l.mayBeElsewhere(chains, c.fresh); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	if l.mayBeElsewhere(nil, 0) {
		t.Error("an image without layers lacks some")
	}
}

func TestALayerThatIsHeldStaysSo(t *testing.T) {
	l := NewEngineLayers(nil, "p", nil)
	l.held["a"] = true
	l.loadEnded([]digest.Digest{"a", "b"}, []int{0, 1}, make(chan struct{}), false)
	if !l.held["a"] || l.held["b"] {
		t.Errorf("after a load that failed: %v", l.held)
	}
}
