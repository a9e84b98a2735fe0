// Package utterance cuts a stream of 16 kHz mono sound into utterances: it finds by their energy
// where somebody starts to speak and, after a window of silence, where they have finished.
package utterance

import (
	"math"
	"time"

	"github.com/25eloquence/compose-mage/services/internal/speech"
)

const (
	frame = speech.Rate / 50 // 20 ms of samples

	// minThreshold is the RMS (of 32768) below which nothing is speech: -44 dBFS.
	minThreshold = 200
	// maxThreshold keeps a noisy room from raising the bar above a voice.
	maxThreshold = 1500
	// aboveFloor is how much louder than the background speech must be: 10 dB.
	aboveFloor = 3.2
	// floorRate is how fast the background estimate follows, per frame: about half a second.
	floorRate = 0.04

	onset   = 3                // loud frames in a row that start an utterance
	minLoud = 10               // loud frames an utterance must have, else it was a click
	preRoll = 20               // frames kept from before the onset, for soft first sounds
	tail    = 15               // frames of the closing silence that are kept
	longest = 60 * time.Second // an utterance is cut here, which bounds memory to 2 MB
)

// DefaultSilence ends an utterance: longer than a thoughtful pause, short enough to answer soon.
const DefaultSilence = 1200 * time.Millisecond

// Detector finds the utterances of one stream; not safe for concurrent use.
type Detector struct {
	silence int // frames that end an utterance
	longest int // samples at which one is cut

	pending  []int16 // less than a frame
	before   []int16 // the last preRoll frames, while nobody speaks
	spoken   []int16 // the utterance so far
	speaking bool
	run      int     // loud frames in a row before, quiet ones within an utterance
	loud     int     // loud frames of the utterance
	floor    float64 // RMS of the background
}

// New makes a detector that ends an utterance after that much silence.
func New(silence time.Duration) *Detector {
	return NewCut(silence, longest)
}

// NewCut makes one that cuts what is said on at that length too, of at most a minute.
func NewCut(silence, length time.Duration) *Detector {
	return &Detector{
		silence: int(silence * 50 / time.Second), longest: int(min(length, longest) * speech.Rate / time.Second),
	}
}

// Write takes the next samples and returns the utterances that ended within them.
func (d *Detector) Write(samples []int16) [][]int16 {
	var ended [][]int16
	d.pending = append(d.pending, samples...)
	for len(d.pending) >= frame {
		if utterance := d.step(d.pending[:frame]); utterance != nil {
			ended = append(ended, utterance)
		}
		d.pending = d.pending[frame:]
	}
	d.pending = append([]int16(nil), d.pending...) // let the frames behind go
	return ended
}

// Speaking tells whether an utterance is under way.
func (d *Detector) Speaking() bool { return d.speaking }

func (d *Detector) step(samples []int16) []int16 {
	level := RMS(samples)
	loud := level > min(max(minThreshold, aboveFloor*d.floor), maxThreshold)
	if !d.speaking {
		return d.wait(samples, level, loud)
	}
	d.spoken = append(d.spoken, samples...)
	if loud {
		d.run = 0
		d.loud++
	} else {
		d.run++
	}
	if d.run < d.silence && len(d.spoken) < d.longest {
		return nil
	}
	return d.end()
}

func (d *Detector) wait(samples []int16, level float64, loud bool) []int16 {
	d.before = append(d.before, samples...)
	if surplus := len(d.before) - preRoll*frame; surplus > 0 {
		d.before = append(d.before[:0], d.before[surplus:]...)
	}
	if !loud {
		d.run = 0
		d.floor += floorRate * (level - d.floor)
		return nil
	}
	if d.run++; d.run >= onset {
		d.speaking, d.loud, d.run = true, d.run, 0
		d.spoken = append([]int16(nil), d.before...)
		d.before = d.before[:0]
	}
	return nil
}

func (d *Detector) end() []int16 {
	utterance := d.spoken[:len(d.spoken)-max(d.run-tail, 0)*frame]
	enough := d.loud >= minLoud
	d.speaking, d.spoken, d.run, d.loud = false, nil, 0, 0
	if !enough {
		return nil
	}
	return utterance
}

// RMS is the root mean square of samples, 0 to 32768; 0 for none.
func RMS(samples []int16) float64 {
	if len(samples) == 0 {
		return 0
	}
	sum := 0.0
	for _, s := range samples {
		sum += float64(s) * float64(s)
	}
	return math.Sqrt(sum / float64(len(samples)))
}
