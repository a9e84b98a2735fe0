package main

import (
	"strings"

	"github.com/25eloquence/compose-mage/services/internal/eloquence"
)

// words are the normalised words of a text.
func words(text string) []string {
	var found []string
	for field := range strings.FieldsSeq(text) {
		if word := eloquence.Normalize(field); word != "" {
			found = append(found, word)
		}
	}
	return found
}

// matches counts the words of said that were heard right, in the alignment of the two that has
// the fewest substitutions, insertions and deletions (and of those, the most matches).
func matches(said, heard []string) int {
	type cell struct{ edits, right int }
	better := func(a, b cell) cell {
		if b.edits < a.edits || (b.edits == a.edits && b.right > a.right) {
			return b
		}
		return a
	}
	row := make([]cell, len(heard)+1)
	for j := range row {
		row[j].edits = j
	}
	for i, word := range said {
		diagonal := row[0]
		row[0] = cell{edits: i + 1}
		for j, other := range heard {
			step := cell{diagonal.edits + 1, diagonal.right}
			if word == other {
				step = cell{diagonal.edits, diagonal.right + 1}
			}
			step = better(step, cell{row[j+1].edits + 1, row[j+1].right}) // left out
			step = better(step, cell{row[j].edits + 1, row[j].right})     // put in
			diagonal, row[j+1] = row[j+1], step
		}
	}
	return row[len(heard)].right
}
