package ui

import (
	"math"
	"testing"
)

func TestSparkline(t *testing.T) {
	values := []float64{math.NaN(), 0, 0.001, 4, 8, 99, -1}
	for term, want := range map[string]string{"xterm": "  ▁▄██ ", "dumb": "  .=@@ "} {
		t.Setenv("TERM", term)
		if got := Sparkline(values, 8); got != want {
			t.Errorf("%s: %q, want %q", term, got, want)
		}
	}
	if got := Sparkline([]float64{1, 2}, 0); got != "  " {
		t.Errorf("without a top: %q", got)
	}
}
