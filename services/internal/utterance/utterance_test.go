package utterance

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/25eloquence/compose-mage/services/internal/speech"
)

// sound builds a stream of tones ("speech") over white noise.
type sound struct {
	samples []int16
	noise   float64 // RMS
	random  *rand.Rand
}

func (s *sound) add(seconds, amplitude float64) *sound {
	for i := range int(seconds * speech.Rate) {
		value := amplitude*math.Sin(2*math.Pi*200*float64(i)/speech.Rate) + s.noise*s.random.NormFloat64()
		s.samples = append(s.samples, int16(max(min(value, 32767), -32768)))
	}
	return s
}

func over(noise float64) *sound { return &sound{noise: noise, random: rand.New(rand.NewPCG(1, 2))} }

func TestDetector(t *testing.T) {
	for _, c := range []struct {
		name  string
		sound *sound
		want  []float64 // seconds of each utterance
	}{
		{"silence", over(0).add(5, 0), nil},
		{"steady noise", over(150).add(5, 0), nil},
		{"one", over(0).add(1, 0).add(2, 5000).add(2, 0), []float64{2}},
		{"one over noise", over(150).add(2, 0).add(2, 5000).add(2, 0), []float64{2}},
		{"a pause is inside", over(0).add(1, 0).add(1, 5000).add(0.8, 0).add(1, 5000).add(2, 0), []float64{2.8}},
		{"silence parts two", over(0).add(1, 0).add(1, 5000).add(1.5, 0).add(2, 5000).add(2, 0), []float64{1, 2}},
		{"a click is none", over(0).add(1, 0).add(0.1, 9000).add(3, 0), nil},
		{"at once", over(0).add(1, 5000).add(2, 0), []float64{1}},
		{"unfinished", over(0).add(1, 0).add(2, 5000).add(0.5, 0), nil},
		{"endless is cut", over(0).add(70, 5000).add(2, 0), []float64{60, 10}},
	} {
		t.Run(c.name, func(t *testing.T) {
			detector := New(1200 * time.Millisecond)
			var got []float64
			// Pieces that don't fit frames, as the network delivers them.
			for rest := c.sound.samples; len(rest) > 0; rest = rest[min(333, len(rest)):] {
				for _, utterance := range detector.Write(rest[:min(333, len(rest))]) {
					got = append(got, float64(len(utterance))/speech.Rate)
				}
			}
			if len(got) != len(c.want) {
				t.Fatalf("got utterances of %v s, want %v", got, c.want)
			}
			for i := range got {
				// The roll before and the kept silence after add up to 0.7 s.
				if got[i] < c.want[i]-0.05 || got[i] > c.want[i]+0.75 {
					t.Errorf("got utterances of %v s, want %v", got, c.want)
				}
			}
		})
	}
}

func TestWhatIsSaidOnIsCut(t *testing.T) {
	for length, want := range map[time.Duration]float64{2 * time.Second: 2, time.Hour: 5} {
		d := NewCut(time.Second, length)
		got := d.Write(over(0).add(1, 0).add(5, 5000).add(2, 0).samples)
		if len(got) == 0 {
			t.Fatalf("cut at %s: no utterance", length)
		}
		// Up to 0.7 s are kept of what is before the onset and after the end.
		if seconds := float64(len(got[0])) / speech.Rate; math.Abs(seconds-want) > 0.8 {
			t.Errorf("cut at %s: the first has %.2f s, want %.0f", length, seconds, want)
		}
	}
}

func TestRMS(t *testing.T) {
	if got := RMS([]int16{3, -4, 3, -4}); math.Abs(got-math.Sqrt(12.5)) > 1e-9 {
		t.Errorf("got %v", got)
	}
	if got := RMS(nil); got != 0 {
		t.Errorf("nothing has rms %v", got)
	}
}
