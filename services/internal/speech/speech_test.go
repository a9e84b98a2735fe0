package speech

import (
	"encoding/binary"
	"math"
	"strings"
	"testing"
	"time"
)

func tone(hz float64, rate int, length time.Duration) PCM {
	samples := make([]int16, int(length.Seconds()*float64(rate)))
	for i := range samples {
		samples[i] = int16(10000 * math.Sin(2*math.Pi*hz*float64(i)/float64(rate)))
	}
	return PCM{Samples: samples, Rate: rate}
}

// level is the amplitude of the frequency in the sound, by correlation, edges left out.
func level(sound PCM, hz float64) float64 {
	var re, im float64
	margin := len(sound.Samples) / 10
	for i := margin; i < len(sound.Samples)-margin; i++ {
		angle := 2 * math.Pi * hz * float64(i) / float64(sound.Rate)
		re += float64(sound.Samples[i]) * math.Cos(angle)
		im += float64(sound.Samples[i]) * math.Sin(angle)
	}
	return 2 * math.Hypot(re, im) / float64(len(sound.Samples)-2*margin)
}

func TestWAVRoundTrip(t *testing.T) {
	want := tone(440, 22050, 100*time.Millisecond)
	got, err := DecodeWAV(EncodeWAV(want))
	if err != nil {
		t.Fatal(err)
	}
	if got.Rate != want.Rate || len(got.Samples) != len(want.Samples) {
		t.Fatalf("got %d samples at %d Hz", len(got.Samples), got.Rate)
	}
	for i := range got.Samples {
		if got.Samples[i] != want.Samples[i] {
			t.Fatalf("sample %d: got %d, want %d", i, got.Samples[i], want.Samples[i])
		}
	}
	if got.Duration().Round(time.Millisecond) != 100*time.Millisecond {
		t.Errorf("got duration %s", got.Duration())
	}
}

func TestDecodeWAVVariants(t *testing.T) {
	plain := EncodeWAV(PCM{Samples: []int16{100, 200, -300, -500}, Rate: 16000})
	with := func(change func(file []byte) []byte) []byte {
		return change(append([]byte(nil), plain...))
	}
	for _, c := range []struct {
		name  string
		file  []byte
		want  []int16
		fails string
	}{
		{name: "mono", file: plain, want: []int16{100, 200, -300, -500}},
		{name: "stereo is mixed down", want: []int16{150, -400}, file: with(func(f []byte) []byte {
			f[22] = 2
			return f
		})},
		{name: "size unknown to a streaming writer", want: []int16{100, 200, -300, -500}, file: with(func(f []byte) []byte {
			binary.LittleEndian.PutUint32(f[40:], 0xFFFFFFFF)
			return f
		})},
		{name: "chunk before the data, odd and padded", want: []int16{100, 200, -300, -500}, file: with(func(f []byte) []byte {
			return append(append(append([]byte(nil), f[:36]...), "LIST\x03\x00\x00\x00abc\x00"...), f[36:]...)
		})},
		{name: "empty", file: nil, fails: "not a RIFF"},
		{name: "mp3", file: []byte("ID3\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00"), fails: "not a RIFF"},
		{name: "cut off", file: plain[:46], fails: "cut off: 2 of 8"},
		{name: "header only", file: plain[:36], fails: "no data chunk"},
		{name: "8 bits", fails: "8 bits", file: with(func(f []byte) []byte { f[34] = 8; return f })},
		{name: "float", fails: "format 3", file: with(func(f []byte) []byte { f[20] = 3; return f })},
		{name: "six channels", fails: "6 channels", file: with(func(f []byte) []byte { f[22] = 6; return f })},
		{name: "4 GHz", fails: "Hz", file: with(func(f []byte) []byte {
			binary.LittleEndian.PutUint32(f[24:], 0xFFFFFFFF)
			return f
		})},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := DecodeWAV(c.file)
			if c.fails != "" {
				if err == nil || !strings.Contains(err.Error(), c.fails) {
					t.Fatalf("got %v, want an error with %q", err, c.fails)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if len(got.Samples) != len(c.want) {
				t.Fatalf("got %v, want %v", got.Samples, c.want)
			}
			for i := range c.want {
				if got.Samples[i] != c.want[i] {
					t.Fatalf("got %v, want %v", got.Samples, c.want)
				}
			}
		})
	}
}

func TestResampleKeepsSpeechAndRemovesAliases(t *testing.T) {
	for _, c := range []struct {
		from int
		hz   float64
		keep bool
	}{
		{8000, 1000, true},
		{22050, 1000, true},
		{22050, 6000, true},
		{44100, 440, true},
		{48000, 6500, true},
		{11025, 300, true},
		// Above half of 16 kHz: it must vanish, not fold down to 16000-hz.
		{44100, 10000, false},
		{48000, 12000, false},
		{22050, 9500, false},
	} {
		got := Resample(tone(c.hz, c.from, time.Second), Rate)
		if got.Rate != Rate || math.Abs(float64(len(got.Samples)-Rate)) > 1 {
			t.Errorf("%d Hz: got %d samples at %d Hz", c.from, len(got.Samples), got.Rate)
		}
		if c.keep {
			if l := level(got, c.hz); l < 9800 || l > 10200 {
				t.Errorf("%v Hz at %d: got level %.0f, want 10000", c.hz, c.from, l)
			}
		} else if l := level(got, Rate-c.hz); l > 20 {
			t.Errorf("%v Hz at %d folds down with level %.0f", c.hz, c.from, l)
		}
	}
}

func TestResampleLimits(t *testing.T) {
	same := tone(440, Rate, 10*time.Millisecond)
	if got := Resample(same, Rate); &got.Samples[0] != &same.Samples[0] {
		t.Error("sound at the wanted rate was copied")
	}
	if got := Resample(PCM{Rate: 8000}, Rate); len(got.Samples) != 0 || got.Rate != Rate {
		t.Errorf("no sound became %v", got)
	}
	loud := PCM{Samples: make([]int16, 800), Rate: 8000}
	for i := range loud.Samples {
		loud.Samples[i] = math.MaxInt16
	}
	for i, s := range Resample(loud, Rate).Samples[100:1500] {
		if s < 32000 {
			t.Fatalf("sample %d of a loud constant is %d: overflow", i, s)
		}
	}
}

func FuzzDecodeWAV(f *testing.F) {
	f.Add(EncodeWAV(tone(440, 16000, 5*time.Millisecond)))
	f.Fuzz(func(t *testing.T, file []byte) {
		sound, err := DecodeWAV(file)
		if err == nil && (2*len(sound.Samples) > len(file) || sound.Rate < minRate || sound.Rate > maxRate) {
			t.Errorf("%d bytes became %d samples at %d Hz", len(file), len(sound.Samples), sound.Rate)
		}
	})
}
