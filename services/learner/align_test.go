package main

import "testing"

func TestMatches(t *testing.T) {
	for _, c := range []struct {
		name, said, heard string
		want              int
	}{
		{"all", "We speak clearly ... today", "we speak clearly today", 4},
		{"nothing heard", "we speak", "", 0},
		{"nothing said", "", "we speak", 0},
		{"substituted", "we speak clearly today", "we speak nearly today", 3},
		{"left out", "we speak clearly today", "we clearly today", 3},
		{"put in", "we speak clearly", "we may speak so clearly", 3},
		{"order counts", "one two three", "three two one", 1},
		{"a repeated word counts once", "the end", "the the the end", 2},
		{"words that merely occur don't count", "a b c d", "d a", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := matches(words(c.said), words(c.heard)); got != c.want {
				t.Errorf("got %d right, want %d", got, c.want)
			}
		})
	}
}
