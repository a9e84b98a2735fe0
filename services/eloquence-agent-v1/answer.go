package main

import (
	"fmt"
	"math"
	"strings"

	"github.com/25eloquence/compose-mage/services/internal/eloquence"
)

// The comfortable pace of a speaker, in words per minute: talks and audiobooks keep to 140–170.
const (
	slowPace = 110
	fastPace = 180
)

// answer is what the coach says to an utterance, in its language (English where it has no other).
func answer(language string, measures eloquence.Measures) string {
	if language == "fr" {
		return answerFrench(measures)
	}
	return answerEnglish(measures)
}

func answerEnglish(m eloquence.Measures) string {
	var said strings.Builder
	fmt.Fprintf(&said, "I heard %s", counted(m.Words, "word", "words"))
	if m.WordsPerMinute > 0 {
		fmt.Fprintf(&said, " at %.0f words per minute", math.Round(m.WordsPerMinute))
	}
	fmt.Fprintf(&said, ", with %s.", counted(len(m.Pauses), "pause", "pauses"))
	switch {
	case m.WordsPerMinute > fastPace:
		said.WriteString(" Take your time, and let your listeners follow.")
	case m.WordsPerMinute > 0 && m.WordsPerMinute < slowPace:
		said.WriteString(" Try to speak a little faster.")
	case m.WordsPerMinute > 0:
		said.WriteString(" That is a good pace.")
	}
	if n := len(m.Fillers); n > 0 {
		fmt.Fprintf(&said, " You used %s; a short silence sounds better.", counted(n, "filler", "fillers"))
	}
	if n := len(m.Repetitions); n > 0 {
		fmt.Fprintf(&said, " You repeated %s.", counted(n, "word", "words"))
	}
	return said.String()
}

func answerFrench(m eloquence.Measures) string {
	var said strings.Builder
	fmt.Fprintf(&said, "J'ai entendu %s", counted(m.Words, "mot", "mots"))
	if m.WordsPerMinute > 0 {
		fmt.Fprintf(&said, ", à %.0f mots par minute", math.Round(m.WordsPerMinute))
	}
	fmt.Fprintf(&said, ", avec %s.", counted(len(m.Pauses), "pause", "pauses"))
	switch {
	case m.WordsPerMinute > fastPace:
		said.WriteString(" Prenez votre temps, on vous suivra mieux.")
	case m.WordsPerMinute > 0 && m.WordsPerMinute < slowPace:
		said.WriteString(" Essayez de parler un peu plus vite.")
	case m.WordsPerMinute > 0:
		said.WriteString(" C'est un bon rythme.")
	}
	if n := len(m.Fillers); n > 0 {
		fmt.Fprintf(&said, " Vous avez hésité %d fois ; un court silence vaut mieux.", n)
	}
	if n := len(m.Repetitions); n > 0 {
		fmt.Fprintf(&said, " Vous avez répété %s.", counted(n, "mot", "mots"))
	}
	return said.String()
}

func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
