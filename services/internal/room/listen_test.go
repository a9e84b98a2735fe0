package room

import (
	"math"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/thesyncim/gopus"

	"github.com/25eloquence/compose-mage/services/internal/speech"
)

func TestTimelinePlacesPackets(t *testing.T) {
	type packet struct {
		timestamp uint32
		idle      int // samples of silence made up before it
		silence   int
		late      bool
	}
	for name, packets := range map[string][]packet{
		"in a row":               {{timestamp: 0}, {timestamp: 960}, {timestamp: 1920}},
		"one lost":               {{timestamp: 0}, {timestamp: 1920, silence: 320}},
		"out of order":           {{timestamp: 0}, {timestamp: 1920, silence: 320}, {timestamp: 960, late: true}, {timestamp: 2880}},
		"twice":                  {{timestamp: 0}, {timestamp: 0, late: true}},
		"wrapping":               {{timestamp: math.MaxUint32 - 959}, {timestamp: 0}, {timestamp: 960}},
		"lost at the wrap":       {{timestamp: math.MaxUint32 - 959}, {timestamp: 960, silence: 320}},
		"gap made up already":    {{timestamp: 0}, {timestamp: 960 * 11, idle: 3200}},
		"gap made up in part":    {{timestamp: 0}, {timestamp: 960 * 11, idle: 1600, silence: 1600}},
		"a little too much idle": {{timestamp: 0}, {timestamp: 960 * 11, idle: 3400}, {timestamp: 960 * 12}},
		"a jump is bounded":      {{timestamp: 0}, {timestamp: 48_000 * 60, silence: maxGap}},
	} {
		t.Run(name, func(t *testing.T) {
			var line timeline
			for i, p := range packets {
				line.idle(p.idle)
				silence, late := line.place(p.timestamp, frameSamples)
				if silence != p.silence || late != p.late {
					t.Errorf("packet %d: got %d samples of silence, late %v; want %d, %v", i, silence, late, p.silence, p.late)
				}
			}
		})
	}
}

// A speaker whose microphone goes mute sends nothing: the listener must still hear the silence,
// or an utterance would never end.
func TestHearMakesUpSilence(t *testing.T) {
	encoder, err := gopus.NewEncoder(gopus.EncoderConfig{SampleRate: speech.Rate, Channels: 1, Application: gopus.ApplicationVoIP})
	if err != nil {
		t.Fatal(err)
	}
	decoder, err := gopus.NewDecoder(gopus.DefaultDecoderConfig(speech.Rate, 1))
	if err != nil {
		t.Fatal(err)
	}
	packets := make(chan *rtp.Packet, 64)
	tone := make([]int16, frameSamples)
	for i := range 25 { // half a second
		for j := range tone {
			tone[j] = int16(8000 * math.Sin(2*math.Pi*440*float64(i*frameSamples+j)/speech.Rate))
		}
		payload, err := encoder.EncodeInt16Slice(tone)
		if err != nil {
			t.Fatal(err)
		}
		packets <- &rtp.Packet{Header: rtp.Header{Timestamp: uint32(i * 960)}, Payload: payload}
	}
	packets <- &rtp.Packet{Header: rtp.Header{Timestamp: 25 * 960}} // padding
	var heard []int16
	ctx, cancel := contextFor(1200 * time.Millisecond)
	defer cancel()
	hear(ctx, packets, decoder, func(samples []int16) { heard = append(heard, samples...) })
	if seconds := float64(len(heard)) / speech.Rate; seconds < 1.3 || seconds > 1.8 {
		t.Errorf("heard %.2f s, want half a second of tone and about a second of silence", seconds)
	}
	if level := rms(heard[speech.Rate/4 : speech.Rate/2]); level < 4500 || level > 6700 {
		t.Errorf("the tone's rms is %.0f, want about 5657", level)
	}
	if level := rms(heard[speech.Rate:]); level != 0 {
		t.Errorf("the silence's rms is %.0f, want 0", level)
	}
}
