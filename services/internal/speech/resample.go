package speech

import "math"

// lobes is the half-width of the interpolation filter, in zero crossings: 16 with a Kaiser window
// of beta 8 keep aliases and images about 80 dB down.
const (
	lobes = 16
	beta  = 8.0
	// passband leaves the filter room to fall before half the lower rate.
	passband = 0.94
)

// Resample converts sound to rate, in Hz, by band-limited (windowed sinc) interpolation; the
// length in time stays the same. Sound that has the rate already is returned as it is.
func Resample(sound PCM, rate int) PCM {
	if sound.Rate == rate || sound.Rate == 0 || len(sound.Samples) == 0 {
		return PCM{Samples: sound.Samples, Rate: rate}
	}
	common := gcd(sound.Rate, rate)
	phases, step := rate/common, sound.Rate/common
	filters := makeFilters(phases, float64(rate)/float64(sound.Rate))
	out := make([]int16, len(sound.Samples)*phases/step)
	for i := range out {
		position := i * step
		out[i] = convolve(sound.Samples, position/phases, filters[position%phases])
	}
	return PCM{Samples: out, Rate: rate}
}

// makeFilters returns one filter for each fractional position of an output sample between two
// input samples. The filter's tap k weighs the input sample k-len/2+1 away.
func makeFilters(phases int, ratio float64) [][]float32 {
	cutoff := passband * min(1, ratio) // as a fraction of half the input's rate
	half := int(math.Ceil(lobes / min(1, ratio)))
	filters := make([][]float32, phases)
	for phase := range filters {
		taps, sum := make([]float64, 2*half), 0.0
		for k := range taps {
			x := float64(k-half+1) - float64(phase)/float64(phases)
			taps[k] = cutoff * sinc(cutoff*x) * kaiser(x/float64(half))
			sum += taps[k]
		}
		filters[phase] = make([]float32, len(taps))
		for k := range taps {
			filters[phase][k] = float32(taps[k] / sum) // every phase passes a constant unchanged
		}
	}
	return filters
}

func convolve(samples []int16, centre int, filter []float32) int16 {
	first := centre - len(filter)/2 + 1
	var sum float32
	for k := max(0, -first); k < len(filter) && first+k < len(samples); k++ {
		sum += float32(samples[first+k]) * filter[k]
	}
	return int16(math.Round(float64(max(math.MinInt16, min(math.MaxInt16, sum)))))
}

func sinc(x float64) float64 {
	if x == 0 {
		return 1
	}
	return math.Sin(math.Pi*x) / (math.Pi * x)
}

func kaiser(x float64) float64 {
	if x <= -1 || x >= 1 {
		return 0
	}
	return bessel(beta*math.Sqrt(1-x*x)) / bessel(beta)
}

// bessel is the modified Bessel function of the first kind and order zero, by its power series.
func bessel(x float64) float64 {
	sum, term := 1.0, 1.0
	for k := 1.0; term > 1e-12*sum; k++ {
		term *= (x / (2 * k)) * (x / (2 * k))
		sum += term
	}
	return sum
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
