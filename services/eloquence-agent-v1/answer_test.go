package main

import (
	"testing"

	"github.com/25eloquence/compose-mage/services/internal/eloquence"
)

func TestAnswer(t *testing.T) {
	one := []eloquence.Pause{{Seconds: 0.7}}
	for _, c := range []struct {
		name, language string
		measures       eloquence.Measures
		want           string
	}{
		{
			"good", "en",
			eloquence.Measures{Words: 19, WordsPerMinute: 149.6, Pauses: one},
			"I heard 19 words at 150 words per minute, with 1 pause. That is a good pace.",
		},
		{
			"fast, with faults", "en",
			eloquence.Measures{Words: 40, WordsPerMinute: 220, Fillers: []string{"um", "uh"}, Repetitions: []string{"the"}},
			"I heard 40 words at 220 words per minute, with 0 pauses. Take your time, and let your listeners follow." +
				" You used 2 fillers; a short silence sounds better. You repeated 1 word.",
		},
		{"slow", "en", eloquence.Measures{Words: 1, WordsPerMinute: 60}, "I heard 1 word at 60 words per minute, with 0 pauses. Try to speak a little faster."},
		{"no times", "en", eloquence.Measures{Words: 2}, "I heard 2 words, with 0 pauses."},
		{
			"French", "fr",
			eloquence.Measures{Words: 12, WordsPerMinute: 90, Fillers: []string{"euh"}},
			"J'ai entendu 12 mots, à 90 mots par minute, avec 0 pauses. Essayez de parler un peu plus vite. Vous avez hésité 1 fois ; un court silence vaut mieux.",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := answer(c.language, c.measures); got != c.want {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}
