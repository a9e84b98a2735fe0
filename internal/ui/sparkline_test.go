package ui

import (
	"math"
	"strings"
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
	t.Setenv("TERM", "xterm")
	got := strings.Join(Bars([]float64{0, 0.001, 1, 2, 3, 4, 9, math.NaN()}, 4, 2), "|")
	if want := "    ▄██ | ▁▄████ "; got != want {
		t.Errorf("in two rows: %q, want %q", got, want)
	}
	if got := Sparkline([]float64{1, 2}, 0); got != "  " {
		t.Errorf("without a top: %q", got)
	}
}
