package synthesis

import (
	"context"
	"encoding/xml"
	"errors"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/25eloquence/compose-mage/services/internal/speech"
)

func TestNormalize(t *testing.T) {
	for _, c := range []struct {
		text, language string
		want, code     string
	}{
		{"Hello  world\n", "en", "en:Hello world", ""},
		{"Hello", "en-US", "en:Hello", ""},
		{"Hello", "EN-us", "en:Hello", ""},
		{"Ça va ?", "fr-FR", "fr:Ça va ?", ""},
		{"a\x00b\x1bc\u2028d\u00a0e", "fr", "fr:a b c d e", ""},
		{"Hallo", "de", "", "unsupported_language"},
		{"Howdy", "en-AU", "", "unsupported_language"},
		{"Hello", "", "", "unsupported_language"},
		{" \n\x07", "en", "", "invalid_text"},
		{strings.Repeat("é", MaxText), "fr", "fr:" + strings.Repeat("é", MaxText), ""},
		{strings.Repeat("é", MaxText+1), "fr", "", "invalid_text"},
	} {
		got, err := Normalize(Request{Text: c.text, Language: c.language})
		var unsupported *UnsupportedError
		if errors.As(err, &unsupported) != (c.code != "") || (unsupported != nil && unsupported.Code != c.code) {
			t.Errorf("%.20q in %q: got error %v, want %q", c.text, c.language, err, c.code)
		}
		if err == nil && got.Language+":"+got.Text != c.want {
			t.Errorf("%.20q in %q: got %+v", c.text, c.language, got)
		}
	}
}

func TestVoiceNames(t *testing.T) {
	for _, c := range []struct {
		engine                Engine
		language, voice, want string
	}{
		{&Local{}, "en", "", "flite:slt"},
		{&Local{}, "fr", "", "espeak-ng:fr-fr"},
		{&Local{}, "en", "rms", "flite:rms"},
		{&Local{}, "en", "flite:awb", "flite:awb"},
		{&Local{}, "fr", "slt", ""},
		{&Local{}, "en", "en-US-JennyNeural", ""},
		{&Local{}, "en", "../../slt", ""},
		{&Azure{}, "en", "", "azure:en-US-JennyNeural"},
		{&Azure{}, "fr", "", "azure:fr-FR-DeniseNeural"},
		{&Azure{}, "fr", "azure:fr-CA-SylvieNeural", "azure:fr-CA-SylvieNeural"},
		{&Azure{}, "fr", "en-US-JennyNeural", ""},
		{&Azure{}, "en", `en-US-Jenny"><break/>`, ""},
	} {
		got, err := c.engine.Voice(Request{Language: c.language, Voice: c.voice})
		var unsupported *UnsupportedError
		if got != c.want || errors.As(err, &unsupported) != (c.want == "") {
			t.Errorf("%T %s %q: got %q, %v, want %q", c.engine, c.language, c.voice, got, err, c.want)
		}
	}
}

func TestSSMLKeepsTextAsText(t *testing.T) {
	const text = `Tom & "Jerry" <break time="10s"/> it's 5 > 3 ]]> é`
	var document struct {
		Lang  string `xml:"http://www.w3.org/XML/1998/namespace lang,attr"`
		Voice struct {
			Name string `xml:"name,attr"`
			Text string `xml:",innerxml"`
			Said string `xml:",chardata"`
		} `xml:"voice"`
	}
	if err := xml.Unmarshal(ssml(text, "fr-FR-DeniseNeural"), &document); err != nil {
		t.Fatal(err)
	}
	if document.Voice.Said != text || strings.Contains(document.Voice.Text, "<") {
		t.Errorf("got %q from %q", document.Voice.Said, document.Voice.Text)
	}
	if document.Voice.Name != "fr-FR-DeniseNeural" || document.Lang != "fr-FR" {
		t.Errorf("got voice %q in %q", document.Voice.Name, document.Lang)
	}
}

// needs skips a test on a machine without the program, but not in CI.
func needs(t *testing.T, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
}

func loudness(sound speech.PCM) float64 {
	var sum float64
	for _, s := range sound.Samples {
		sum += float64(s) * float64(s)
	}
	return math.Sqrt(sum / float64(len(sound.Samples)))
}

func TestLocalVoicesSpeak(t *testing.T) {
	needs(t, "flite")
	needs(t, "espeak-ng")
	local, err := NewLocal(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(local.Identity(), "flite") || !strings.Contains(local.Identity(), "eSpeak") {
		t.Errorf("identity %q", local.Identity())
	}
	for voice, text := range map[string]string{
		"flite:slt":       "-voice is not an option here, it’s text — really.",
		"espeak-ng:fr-fr": "-w n'est pas une option : c'est du texte, déjà prêt à être lu.",
	} {
		sound, err := local.Speak(context.Background(), text, voice)
		if err != nil {
			t.Fatal(err)
		}
		if d := sound.Duration(); sound.Rate != speech.Rate || d < 2*time.Second || d > 10*time.Second {
			t.Errorf("%s: got %s at %d Hz", voice, d, sound.Rate)
		}
		if l := loudness(sound); l < 300 {
			t.Errorf("%s: got a loudness of %.0f", voice, l)
		}
	}
	if _, err := local.Speak(context.Background(), "x", "flite:/etc/passwd"); err == nil {
		t.Error("a voice outside the list spoke")
	}
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := local.Speak(gone, "hello", "flite:slt"); !errors.Is(err, context.Canceled) {
		t.Errorf("after cancelling: got %v", err)
	}
}

// TestSpeechHasAnEnd: 5,000 digits are spelled out for forty minutes, which no answer's memory is counted for.
func TestSpeechHasAnEnd(t *testing.T) {
	for name, c := range map[string]struct {
		length time.Duration
		rate   int
		fails  bool
	}{
		"long":              {longestSpeech, 8000, false},
		"too long":          {longestSpeech + time.Second, 8000, true},
		"too large to read": {longestSpeech + time.Second, maxVoiceRate, true},
	} {
		path := filepath.Join(t.TempDir(), "speech.wav")
		sound := speech.PCM{Samples: make([]int16, int(c.length.Seconds())*c.rate), Rate: c.rate}
		if err := os.WriteFile(path, speech.EncodeWAV(sound), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := readSpeech(path, "flite:slt")
		if unsupported := (*UnsupportedError)(nil); errors.As(err, &unsupported) != c.fails {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
