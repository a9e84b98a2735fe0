package figures

import (
	"slices"
	"testing"
)

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{9, 1, 2}, 2}, {[]float64{4, 1, 2, 100}, 3}} {
		given := slices.Clone(c.values)
		if got := Median(c.values); got != c.want {
			t.Errorf("Median(%v) = %v, want %v", c.values, got, c.want)
		}
		if !slices.Equal(given, c.values) {
			t.Errorf("median reordered the rounds: %v became %v", given, c.values)
		}
	}
}

// A ratio pairs the runs of one round: the ratio of the medians would be 1 here.
func TestRatioIsOfRounds(t *testing.T) {
	if got := Ratio([]float64{10, 20, 60}, []float64{5, 20, 20}); got != "2.00" {
		t.Errorf("got %s", got)
	}
	for _, c := range [][2][]float64{{nil, nil}, {{1, 2}, {1}}, {{1}, {0}}} {
		if got := Ratio(c[0], c[1]); got != "–" {
			t.Errorf("Ratio(%v, %v) = %s", c[0], c[1], got)
		}
	}
}

func TestLastWordsSkipRawProgress(t *testing.T) {
	got := LastWords([]byte("{\"vertexes\":[]}\none\ntwo\n\nthree\n{\"logs\":[]}\nERROR: four\n"))
	if got != "two / three / ERROR: four" {
		t.Errorf("got %q", got)
	}
}

// The interval is about the rounds' ratios: equal ones leave no doubt, and one outlier among six widens one side only.
func TestBootstrap(t *testing.T) {
	if low, high := Bootstrap(nil); low != 0 || high != 0 {
		t.Errorf("of nothing: %v to %v", low, high)
	}
	if low, high := Bootstrap([]float64{0.8, 0.8, 0.8}); low != 0.8 || high != 0.8 {
		t.Errorf("of equal ratios: %v to %v", low, high)
	}
	low, high := Bootstrap([]float64{0.79, 0.80, 0.80, 0.81, 0.80, 1.5})
	if low < 0.79 || low > 0.80 || high <= 0.81 || high > 1.5 {
		t.Errorf("with an outlier: %v to %v", low, high)
	}
	if again, _ := Bootstrap([]float64{0.79, 0.80, 0.80, 0.81, 0.80, 1.5}); again != low {
		t.Errorf("another run gives %v, not %v", again, low)
	}
}
