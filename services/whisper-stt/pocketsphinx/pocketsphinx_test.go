package pocketsphinx

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/25eloquence/compose-mage/services/internal/speech"
)

func TestParseSegments(t *testing.T) {
	const line = "1 S 0 T -13712 A 9288 L -23000 0 -154 0 <s> 20 -1144 -279 and(2) 52 -264 -52 <sil> 59 -578 -419 my 89 " +
		"-542 -52 [NOISE] 95 -632 -180 ++UH++ 107 18450 -19007 <s> 120 -1 -2 i'm 131 -9 -9 ++UM++ 140 -190 -153 </s> 145\n"
	words, err := parseSegments([]byte(line))
	if err != nil {
		t.Fatal(err)
	}
	if got := join(words); got != "and my uh i'm um" {
		t.Errorf("got %q", got)
	}
	if w := words[0]; w.Start != 0.2 || w.End != 0.52 {
		t.Errorf("and: got %v to %v s", w.Start, w.End)
	}
	if w := words[2]; w.Start != 0.95 || w.End != 1.07 {
		t.Errorf("uh: got %v to %v s", w.Start, w.End)
	}
	for name, silent := range map[string]string{"no line": "", "no words": "1 S 0 T 0 A 0 L 0 0\n", "silence": "1 S 0 T 0 A 0 L 0 0 -1 0 <s> 9 -2 0 </s> 20\n"} {
		if words, err := parseSegments([]byte(silent)); err != nil || words == nil || len(words) != 0 {
			t.Errorf("%s: got %v, %v", name, words, err)
		}
	}
	for _, broken := range []string{"1 S 0 T 0 A 0 L 0 x -1 0 and 9", "1 S 0 T 0 A 0 L 0 0 -1 0 and y"} {
		if _, err := parseSegments([]byte(broken)); err == nil {
			t.Errorf("%q was read", broken)
		}
	}
}

func FuzzParseSegments(f *testing.F) {
	f.Add("1 S 0 T -1 A 9 L -2 0 -154 0 <s> 20 -1144 -279 and(2) 52")
	f.Fuzz(func(t *testing.T, line string) {
		words, err := parseSegments([]byte(line))
		for _, word := range words {
			if err == nil && word.Word == "" {
				t.Errorf("an empty word from %q", line)
			}
		}
	})
}

func recogniser(t *testing.T) *Recogniser {
	t.Helper()
	r, err := New(ModelFolder, 1)
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	return r
}

// say speaks with flite's slt, as azure-tts does.
func say(t *testing.T, text string) speech.PCM {
	t.Helper()
	path := filepath.Join(t.TempDir(), "speech.wav")
	if said, err := exec.Command("flite", "-voice", "slt", "-t", text, "-o", path).CombinedOutput(); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err, string(said))
		}
		t.Skip(err)
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	sound, err := speech.DecodeWAV(file)
	if err != nil {
		t.Fatal(err)
	}
	return sound
}

func TestHearsEnglish(t *testing.T) {
	const text = "Good morning everyone and thank you for coming to this presentation"
	sound := say(t, text+".")
	heard, err := recogniser(t).Transcribe(context.Background(), sound, "en")
	if err != nil {
		t.Fatal(err)
	}
	right := 0
	for _, word := range strings.Fields(strings.ToLower(text)) {
		if strings.Contains(" "+heard.Text+" ", " "+word+" ") {
			right++
		}
	}
	if right < 10 { // of 11
		t.Errorf("%d words right in %q", right, heard.Text)
	}
	last := 0.0
	for _, word := range heard.Words {
		if word.Start < last || word.End <= word.Start || word.End > sound.Duration().Seconds()+0.05 {
			t.Errorf("%q lasts from %v to %v s of %v, after %v", word.Word, word.Start, word.End, sound.Duration(), last)
		}
		last = word.End
	}
	if heard.Language != "en" || len(heard.Words) < 10 {
		t.Errorf("got %+v", heard)
	}
}

func TestHearsNothingInNoiseAndSurvivesIt(t *testing.T) {
	r := recogniser(t)
	noise := make([]int16, speech.Rate)
	for i := range noise {
		noise[i] = int16(rand.IntN(60) - 30)
	}
	for name, samples := range map[string][]int16{"silence": make([]int16, speech.Rate), "hiss": noise, "3 samples": {1, 2, 3}} {
		heard, err := r.Transcribe(context.Background(), speech.PCM{Samples: samples, Rate: speech.Rate}, "")
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if len(heard.Words) > 1 {
			t.Errorf("%s: heard %q", name, heard.Text)
		}
	}
}

func TestCancelEndsTheChild(t *testing.T) {
	r := recogniser(t)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err := r.Transcribe(ctx, speech.PCM{Samples: make([]int16, 60*speech.Rate), Rate: speech.Rate}, "")
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > 3*time.Second {
		t.Errorf("got %v after %s", err, time.Since(began))
	}
}

func TestMissingModelIsSaid(t *testing.T) {
	recogniser(t)
	if _, err := New(t.TempDir(), 1); err == nil || !strings.Contains(err.Error(), "noisedict") {
		t.Errorf("got %v", err)
	}
}
