// Package eloquence measures how something was said from the words a transcription gives with
// their times: pace, pauses, fillers and repetitions. It is pure: no audio, no network.
package eloquence

import (
	"math"
	"slices"
	"strings"
	"unicode"
)

// MinPause is the shortest silence between two words that counts as a pause, in seconds.
const MinPause = 0.5

// Word is one recognised word; Start and End are seconds from the start of the utterance.
type Word struct {
	Word  string  `json:"word"`
	Start float64 `json:"start"`
	End   float64 `json:"end"`
}

// Pause is a silence within the utterance, in seconds, after the word at index After of the words.
type Pause struct {
	After   int     `json:"after"`
	Start   float64 `json:"start"`
	Seconds float64 `json:"seconds"`
}

// Measures is the eloquence of one utterance.
type Measures struct {
	Words          int      `json:"words"`            // without fillers
	SpeakingTime   float64  `json:"speaking_seconds"` // first word's start to last word's end
	WordsPerMinute float64  `json:"words_per_minute"` // over the speaking time, fillers not counted
	Pauses         []Pause  `json:"pauses"`           // of at least MinPause
	Fillers        []string `json:"fillers"`          // as heard, in order
	Repetitions    []string `json:"repetitions"`      // words said twice in a row, once for each extra time
}

// fillers are what speakers of a language put where they think. Words that are mostly meant
// ("like", "bon") aren't here: a transcript can't tell them apart.
var fillers = map[string][]string{
	"en": {"uh", "um", "uhm", "er", "erm", "ah", "hmm", "mm", "mhm"},
	"fr": {"euh", "heu", "hum", "hem", "ben", "bah", "hein"},
}

// doublets are words that fluent speech repeats.
var doublets = map[string][]string{
	"en": {"had", "that", "very", "no", "bye"},
	"fr": {"nous", "vous", "très", "non", "oui"},
}

// Languages lists the languages that can be measured, as ISO 639-1 codes, sorted.
func Languages() []string {
	languages := make([]string, 0, len(fillers))
	for language := range fillers {
		languages = append(languages, language)
	}
	slices.Sort(languages)
	return languages
}

// Measure measures an utterance. Without words everything is zero; words without times (start
// and end both 0) give no pace and no pauses. A language it doesn't know has no fillers.
func Measure(language string, words []Word) Measures {
	measures := Measures{Pauses: []Pause{}, Fillers: []string{}, Repetitions: []string{}}
	previous := ""
	for i, word := range words {
		bare := Normalize(word.Word)
		if i > 0 {
			if gap := word.Start - words[i-1].End; gap >= MinPause {
				measures.Pauses = append(measures.Pauses, Pause{After: i - 1, Start: round(words[i-1].End), Seconds: round(gap)})
			}
		}
		switch {
		case bare == "":
			continue // punctuation or a bracketed sound
		case slices.Contains(fillers[language], bare):
			measures.Fillers = append(measures.Fillers, bare)
			continue // "the um the" is still a repetition
		case bare == previous && !slices.Contains(doublets[language], bare):
			measures.Repetitions = append(measures.Repetitions, bare)
		}
		measures.Words++
		previous = bare
	}
	if len(words) > 0 {
		measures.SpeakingTime = round(words[len(words)-1].End - words[0].Start)
	}
	if measures.SpeakingTime > 0 {
		measures.WordsPerMinute = round(float64(measures.Words) / measures.SpeakingTime * 60)
	}
	return measures
}

// Normalize reduces a word to lower-case letters, digits and inner apostrophes, so that spellings
// of a transcript compare; "" for what is no word, such as "[NOISE]" or "<sil>".
func Normalize(word string) string {
	word = strings.TrimSpace(word)
	if strings.HasPrefix(word, "[") || strings.HasPrefix(word, "<") {
		return ""
	}
	word = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsLetter(r), unicode.IsDigit(r):
			return unicode.ToLower(r)
		case r == '\'', r == '’':
			return '\''
		default:
			return -1
		}
	}, word)
	return strings.Trim(word, "'")
}

func round(value float64) float64 { return math.Round(value*100) / 100 }
