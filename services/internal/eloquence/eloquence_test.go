package eloquence

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

// spoken spaces words evenly: each lasts 0.3 s with 0.1 s to the next; "|" adds 0.6 s of silence.
func spoken(text string) []Word {
	var words []Word
	now := 0.5
	for _, field := range strings.Fields(text) {
		if field == "|" {
			now += 0.6
			continue
		}
		words = append(words, Word{Word: field, Start: now, End: now + 0.3})
		now += 0.4
	}
	return words
}

func TestMeasure(t *testing.T) {
	for _, c := range []struct {
		name, language, text string
		want                 Measures
	}{
		{"nothing", "en", "", Measures{}},
		// 4 words from 0.5 s to 2.0 s: 1.5 s with the gaps, 4/1.5*60.
		{"fluent", "en", "We speak clearly today.", Measures{Words: 4, SpeakingTime: 1.5, WordsPerMinute: 160}},
		{"pause", "en", "We speak | clearly today.", Measures{
			Words: 4, SpeakingTime: 2.1, WordsPerMinute: 114.29,
			Pauses: []Pause{{After: 1, Start: 1.2, Seconds: 0.7}},
		}},
		{"fillers don't count as words", "en", "Um, we uh speak", Measures{
			Words: 2, SpeakingTime: 1.5, WordsPerMinute: 80,
			Fillers: []string{"um", "uh"},
		}},
		{"repetition across a filler", "en", "the um the the end", Measures{
			Words: 4, SpeakingTime: 1.9, WordsPerMinute: 126.32,
			Fillers: []string{"um"}, Repetitions: []string{"the", "the"},
		}},
		{"grammatical doublet", "en", "all that he had had", Measures{Words: 5, SpeakingTime: 1.9, WordsPerMinute: 157.89}},
		{"French", "fr", "Euh, vous vous parlez parlez bien", Measures{
			Words: 5, SpeakingTime: 2.3, WordsPerMinute: 130.43,
			Fillers: []string{"euh"}, Repetitions: []string{"parlez"},
		}},
		{"unknown language has no fillers", "de", "um um", Measures{
			Words: 2, SpeakingTime: 0.7, WordsPerMinute: 171.43,
			Repetitions: []string{"um"},
		}},
		{"noise marks are no words", "en", "[NOISE] we <sil> speak", Measures{Words: 2, SpeakingTime: 1.5, WordsPerMinute: 80}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := Measure(c.language, spoken(c.text))
			for _, list := range []*[]string{&c.want.Fillers, &c.want.Repetitions} {
				if *list == nil {
					*list = []string{}
				}
			}
			if c.want.Pauses == nil {
				c.want.Pauses = []Pause{}
			}
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("got  %+v\nwant %+v", got, c.want)
			}
		})
	}
}

func TestPauseBoundary(t *testing.T) {
	for gap, want := range map[float64]int{0.49: 0, 0.5: 1, 2: 1} {
		got := Measure("en", []Word{{"a", 0, 1}, {"b", 1 + gap, 3.5}})
		if len(got.Pauses) != want {
			t.Errorf("a gap of %v s gave %d pauses, want %d", gap, len(got.Pauses), want)
		}
	}
}

func TestWordsWithoutTimesHaveNoPace(t *testing.T) {
	got := Measure("en", []Word{{Word: "hello"}, {Word: "there"}})
	if got.Words != 2 || got.WordsPerMinute != 0 || len(got.Pauses) != 0 {
		t.Errorf("got %+v", got)
	}
}

func TestNormalize(t *testing.T) {
	for word, want := range map[string]string{
		" Hello, ": "hello", "don’t": "don't", "'tis'": "tis", "ÉTÉ!": "été", "—": "", "<s>": "", "[laughter]": "", "42nd": "42nd",
	} {
		if got := Normalize(word); got != want {
			t.Errorf("%q: got %q, want %q", word, got, want)
		}
	}
}

func TestLanguages(t *testing.T) {
	if got := Languages(); !slices.Equal(got, []string{"en", "fr"}) {
		t.Errorf("got %v", got)
	}
}
